"""A picture and, for every pixel, the surface that is seen there.

Whatever is painted later hides what is under it, so labels are exact: a pixel has the labels of its surface and of no other.
"""

from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from filterscope.pipeline.datasets.sample.paint import Label, Paint, pack, unpack
from filterscope.pipeline.datasets.sample.raster import SUB, covered
from filterscope.pipeline.datasets.sample.shapes import ONE, Outline, centre, cosine, sine

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
        number, first = len(self.things), len(self.surfaces)
        self.things.append(thing.category)
        frame = _Frame(x, y, size, turn, flip)
        for piece in thing.pieces:
            labels = ((thing.category, "object"), *((part, "part") for part in piece.parts), *piece.paint.labels)
            surface = self.surface(*labels, thing=number, attribute=piece.attribute)
            self._fill(surface, frame.to_pixels(piece.outline), piece.paint)
        bearers = [index for index, piece in enumerate(thing.pieces) if piece.landmark]
        places = frame.to_pixels([np.array([centre(thing.pieces[index].outline)]) for index in bearers])
        for index, place in zip(bearers, places, strict=True):
            name = thing.pieces[index].landmark
            family = tuple(first + k for k in _family(thing, index))
            px, py = place[0].tolist()
            self.keypoints.append(Keypoint(number, _mirrored(name) if flip else name, family, px, py))

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


def _family(thing: Thing, index: int) -> list[int]:
    """Return the pieces of the part whose landmark a piece bears.

    If several pieces bear landmarks of that part, such as two wheels, each begins one and the pieces up to the next follow it.
    """
    own = thing.pieces[index].parts[0]
    family = [k for k, piece in enumerate(thing.pieces) if own in piece.parts]
    bearers = [k for k in family if thing.pieces[k].landmark and thing.pieces[k].parts[0] == own]
    if len(bearers) == 1:
        return family
    end = next((k for k in bearers if k > index), len(thing.pieces))
    return [k for k in family if index <= k < end]


@dataclass(frozen=True)
class _Frame:
    x: int
    y: int
    size: int
    turn: int
    flip: bool

    def to_pixels(self, outline: Outline) -> Outline:
        """Return an outline of the thing in 1/256 pixels."""
        s, c = sine(self.turn), cosine(self.turn)
        points = outline[0] if len(outline) == 1 else np.concatenate(outline)
        x, y = (-points[:, 0] if self.flip else points[:, 0]), points[:, 1]
        moved = np.empty((len(points), 2), dtype=np.int64)
        moved[:, 0] = (x * c - y * s) * (self.size * SUB) // (ONE * UNITS) + self.x * SUB
        moved[:, 1] = (x * s + y * c) * (self.size * SUB) // (ONE * UNITS) + self.y * SUB
        return _split(moved, outline)


def _split(points: np.ndarray, outline: Outline) -> Outline:
    """Cut points into contours of the lengths of those of an outline."""
    ends = list(accumulate(len(contour) for contour in outline))
    return [points[end - len(contour) : end] for end, contour in zip(ends, outline, strict=True)]
