"""A picture and, for every pixel, the surface that is seen there.

Whatever is painted later hides what is under it, so labels are exact: a pixel has the labels of its surface and of no other.
"""

from dataclasses import dataclass, field

import numpy as np

from pipeline.datasets.sample.paint import Label, Paint, pack, unpack
from pipeline.datasets.sample.raster import SUB, covered
from pipeline.datasets.sample.shapes import ONE, Outline, centre, cosine, sine

SIZE = 224
#: Units in which a thing is as high as its size.
UNITS = 1000


@dataclass(frozen=True)
class Piece:
    """One surface of a thing, in units of the thing.

    Parameters
    ----------
    outline : outline
        Where it is.
    paint : Paint
        What it looks like.
    parts : tuple of str
        The parts it belongs to, from its own to the ones around it, such as eye, head.
    landmark : str
        Name of the point in its middle; empty for none.
    attribute : pair of str, optional
        What it says of the image if it is seen: name and value.
    """

    outline: Outline
    paint: Paint
    parts: tuple[str, ...] = ()
    landmark: str = ""
    attribute: tuple[str, str] | None = None


@dataclass
class Thing:
    """An object made of pieces, painted in their order; it stands on (0, 0) and reaches up to about (0, -`UNITS`)."""

    category: str
    pieces: list[Piece] = field(default_factory=list)

    def add(
        self,
        part: str,
        outline: Outline,
        paint: Paint,
        *,
        within: tuple[str, ...] = (),
        landmark: str | None = None,
        attribute: tuple[str, str] | None = None,
    ) -> None:
        """Add a piece; its landmark is named as its part (none for a piece of no part) unless told otherwise."""
        parts = ((part,) if part else ()) + within
        self.pieces.append(Piece(outline, paint, parts, part if landmark is None else landmark, attribute))


@dataclass
class Surface:
    """What a painted surface is.

    Parameters
    ----------
    labels : tuple of labels
        Concepts of its pixels.
    thing : int
        The placed thing it belongs to; -1 for none.
    attribute : pair of str, optional
        What it says of the image if it is seen.
    """

    labels: tuple[Label, ...]
    thing: int = -1
    attribute: tuple[str, str] | None = None


@dataclass(frozen=True)
class Keypoint:
    """A landmark: the thing and part it belongs to, the surfaces of that part, and its place in 1/256 pixels."""

    thing: int
    name: str
    surfaces: tuple[int, ...]
    x: int
    y: int


class Canvas:
    """A picture of `SIZE` x `SIZE` pixels under the brush.

    Attributes
    ----------
    pixels : ndarray of shape (SIZE, SIZE), uint32
        Packed colours.
    owner : ndarray of shape (SIZE, SIZE), uint16
        Index of the surface seen at a pixel; 0 is a surface without labels.
    labels : list of labels
        Concepts of the whole image.
    attributes : dict
        Properties of the whole image.
    """

    def __init__(self) -> None:
        self.pixels = np.zeros((SIZE, SIZE), dtype="<u4")
        self.owner = np.zeros((SIZE, SIZE), dtype=np.uint16)
        self.surfaces = [Surface(())]
        self.things: list[str] = []
        self.keypoints: list[Keypoint] = []
        self.labels: list[Label] = []
        self.attributes: dict[str, str] = {}

    def surface(self, *labels: Label, thing: int = -1, attribute: tuple[str, str] | None = None) -> int:
        """Begin a surface and return its index."""
        self.surfaces.append(Surface(labels, thing, attribute))
        return len(self.surfaces) - 1

    def fill(self, surface: int, outline: Outline, paint: Paint) -> None:
        """Paint an outline in whole pixels as part of a surface."""
        self._fill(surface, [contour * SUB for contour in outline], paint)

    def region(self, outline: Outline, paint: Paint, *labels: Label) -> int:
        """Paint an outline in whole pixels as a surface of its own, labelled also as its paint is."""
        surface = self.surface(*labels, *paint.labels)
        self.fill(surface, outline, paint)
        return surface

    def darken(self, outline: Outline, percent: int) -> None:
        """Cast a shadow on an outline in whole pixels; whatever is seen there stays what it is."""
        top, left, mask = covered([contour * SUB for contour in outline], SIZE)
        rows, columns = slice(top, top + mask.shape[0]), slice(left, left + mask.shape[1])
        part = self.pixels[rows, columns]
        dark = pack(unpack(part).astype(np.uint32) * (100 - percent) // 100)
        np.copyto(part, dark, where=mask)

    def place(self, thing: Thing, x: int, y: int, size: int, *, turn: int = 0, flip: bool = False) -> None:
        """Paint a thing that stands at a pixel.

        Parameters
        ----------
        thing : Thing
            What to paint.
        x, y : int
            Where its (0, 0) comes.
        size : int
            Its height in pixels.
        turn : int
            How far it leans, in 1/1024 turns.
        flip : bool
            Paint its mirror image.
        """
        number = len(self.things)
        self.things.append(thing.category)
        first = len(self.surfaces)
        frame = _Frame(x, y, size, turn, flip)
        for piece in thing.pieces:
            labels = ((thing.category, "object"), *((part, "part") for part in piece.parts), *piece.paint.labels)
            surface = self.surface(*labels, thing=number, attribute=piece.attribute)
            self._fill(surface, [frame.to_pixels(contour) for contour in piece.outline], piece.paint)
        for offset, piece in enumerate(thing.pieces):
            if piece.landmark:
                place = frame.to_pixels(np.array([centre(piece.outline)], dtype=np.int64))[0]
                family = _family(thing, offset, first)
                name = _mirrored(piece.landmark) if flip else piece.landmark
                self.keypoints.append(Keypoint(number, name, family, int(place[0]), int(place[1])))

    def _fill(self, surface: int, outline: Outline, paint: Paint) -> None:
        top, left, mask = covered(outline, SIZE)
        height, width = mask.shape
        if height and width:
            rows, columns = slice(top, top + height), slice(left, left + width)
            y = np.arange(top, top + height, dtype=np.int32)[:, None]
            x = np.arange(left, left + width, dtype=np.int32)[None]
            np.copyto(self.pixels[rows, columns], paint(y, x), where=mask)
            np.copyto(self.owner[rows, columns], np.uint16(surface), where=mask)


def _mirrored(name: str) -> str:
    """Left and right are as seen in the image."""
    sides = {"left": "right", "right": "left"}
    return " ".join(sides.get(word, word) for word in name.split())


def _family(thing: Thing, index: int, first: int) -> tuple[int, ...]:
    """Surfaces of the part whose landmark a piece bears: the piece itself, and all that lie within its part."""
    own = thing.pieces[index].parts[0]
    within = [k for k, piece in enumerate(thing.pieces) if own in piece.parts[1:]]
    return tuple(first + k for k in [index, *within])


@dataclass(frozen=True)
class _Frame:
    x: int
    y: int
    size: int
    turn: int
    flip: bool

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Return points of the thing in 1/256 pixels."""
        s, c = sine(self.turn), cosine(self.turn)
        x, y = (-points[:, 0] if self.flip else points[:, 0]), points[:, 1]
        scale = self.size * SUB
        across = (x * c - y * s) * scale // (ONE * UNITS) + self.x * SUB
        along = (x * s + y * c) * scale // (ONE * UNITS) + self.y * SUB
        return np.stack([across, along], 1)
