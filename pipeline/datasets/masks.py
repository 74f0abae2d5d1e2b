"""Reader of images with index masks: the shape of VOC, of ADE20K-style exports and of a user's own data.

A mask is a PNG with the stem of its image (and its sub-folder): grey of up to 16 bits, or palette, whose indices count
and not its colours. Index 0 is no concept unless it is imported as a label. Pixels of index 255 in an 8-bit mask and 65535 in a
16-bit one, unless these have a name, and of what is named `ignore`, `void` or `unknown`, are ignored: they count neither as a
concept nor as background. Indices of one name are one concept. What has no counterpart or cannot be decoded is rejected.
"""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from filterscope.pipeline.datasets.colors import ColorLabels
from filterscope.pipeline.datasets.grouping import grouped_writer
from filterscope.pipeline.datasets.images import SUFFIXES, UNDECODABLE, open_image, orientation_of, upright
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.datasets.names import normal
from filterscope.pipeline.datasets.painted import Painting, painting_of, read_labelmap
from filterscope.pipeline.datasets.reading import (
    BadRowError,
    ImportNote,
    Progress,
    is_ignored,
    is_no_label,
    read_rgb,
    read_rows,
    refuse_leaving,
    told,
)
from filterscope.pipeline.engine.errors import InputError

_IMAGE_FOLDERS = ("images", "JPEGImages", "leftImg8bit")
_MASK_FOLDERS = ("masks", "annotations", "SegmentationClass", "gtFine")
_NAME_FILES = ("labels.csv", "names.csv", "labelmap.txt")
#: The highest index of an 8-bit and of a 16-bit mask; without a name it means "ignore", as in VOC.
_IGNORED = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
#: PIL stretches grey levels of fewer than 8 bits to 0..255; the indices are these levels over this step.
_STEPS = {"L;2": 85, "L;4": 17}


class WrongMaskError(BadRowError):
    """A mask that stops the import unless it may be skipped; `fix` says what to do."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.fix = fix


@dataclass(frozen=True)
class _Concept:
    index: int
    name: str
    category: str


def import_masks(
    source: Path, folder: Path, *, names: Path | None = None, category: str = "object", colors: bool = False,
    in_place: bool = False, skip_bad: bool = False, zero_is_a_label: bool = False, painted: str | None = None,
    mask_suffix: str = "", image_suffix: str = "", group_by: str | Path | None = None, exif: str = "apply",
    progress: Progress | None = None,
) -> None:  # fmt: skip
    """Import images with index masks.

    Parameters
    ----------
    source : Path
        Folder with `images/` (or `JPEGImages/`) and `masks/` (or `annotations/`, `SegmentationClass/`).
    folder : Path
        The data set to make.
    names : Path, optional
        CSV file with columns index, name[, category, color], or CVAT's labelmap.txt; by default that of `source`.
    category : str
        Category of concepts for which the CSV file has none.
    colors : bool
        Add the 11 colour concepts.
    in_place : bool
        Refer to the images instead of copying them.
    skip_bad : bool
        Reject images of bad masks, and leave indices without a name unlabelled, instead of stopping.
    zero_is_a_label : bool
        Index 0 is the class that the CSV file names; else an `ImportNote` and `rejects` tell what is left out.
    painted : str, optional
        What colours of the masks mean: "voc", "ade20k" or "listed"; see `pipeline.datasets.painted`. By default "listed" where
        the names have colours, else masks hold indices.
    mask_suffix, image_suffix : str
        What names of masks and of images end in where the other do not: `_gtFine_labelIds` and `_leftImg8bit`.
    group_by, exif : see `pipeline.datasets.grouping.grouped_writer`
        What images belong together, and whether they are turned upright.
    progress : callable, optional
        Told the numbers of images done and of all.

    Raises
    ------
    InputError
        If there are no images, no masks, no names, a bad row in the names, or a bad mask without `skip_bad`.
    """
    if not source.is_dir():
        raise InputError(f"no folder {source}; give the folder that holds images/, masks/ and labels.csv")
    names_path = Path(names) if names is not None else _find_names(source)
    rows = read_labelmap(names_path) if names_path.suffix == ".txt" else read_rows(names_path, ("index", "name"))
    concepts = _read_names(names_path, rows, category)
    painting = painting_of(painted, rows, names_path)
    dropped = _check_zero(concepts, names_path, zero_is_a_label)
    images = _files(source, _IMAGE_FOLDERS, SUFFIXES)
    masks = _stems(_files(source, _MASK_FOLDERS, (".png",)), mask_suffix)
    how = {
        "reader": "masks", "path": str(source), "names": str(names_path), "category": category, "colors": colors,
        "zero_is_a_label": zero_is_a_label, "painted": painted,
    }  # fmt: skip
    with grouped_writer(folder, source=how, in_place=in_place, group_by=group_by, exif=exif) as writer:
        reader = _Reader(source, writer, concepts, names_path.name, skip_bad, painting, image_suffix)
        palette = ColorLabels(writer, (concept.name for concept in concepts.values())) if colors else None
        reader.add_images(images, masks, palette, progress)
        reader.reject_unused(masks)
        reader.note_zero(dropped)


def _find_names(source: Path) -> Path:
    for name in _NAME_FILES:
        if (source / name).is_file():
            return source / name
    raise InputError(f"{source} has no {' or '.join(_NAME_FILES)}; name a CSV file with columns index,name by --names")


def _read_names(path: Path, listed: list[tuple[int, dict[str, str]]], category: str) -> dict[int, _Concept]:
    """Read the concept of each index; indices of one name share the concept of the first."""
    rows: dict[int, _Concept] = {}
    by_name: dict[str, _Concept] = {}
    for line, row in listed:
        if not re.fullmatch(r"[0-9]{1,5}", row["index"]) or not row["name"]:
            received = f"index {row['index']!r}, name {row['name']!r}"
            raise InputError(f"{path} line {line} has {received}; a row needs a whole number and a name")
        concept = _Concept(int(row["index"]), row["name"], row.get("category") or category)
        if concept.index in rows:
            raise InputError(f"{path} line {line} names index {concept.index} again; give each index one row")
        first = rows[concept.index] = by_name.setdefault(concept.name, concept)
        if first.category != concept.category:
            given = f"{concept.category} to {concept.name!r}, which was {first.category}"
            raise InputError(f"{path} line {line} gives category {given}; one name has one category")
    return rows


def _check_zero(concepts: dict[int, _Concept], names: Path, kept: bool) -> _Concept | None:
    """Take index 0 out of the concepts unless it is kept or ignored; return it if its name is that of a class."""
    zero = concepts.get(0)
    named = zero is not None and not is_no_label(zero.name) and not is_ignored(zero.name)
    if kept and not named:
        received = "has no row for it" if zero is None else f"names it {zero.name!r}"
        raise InputError(
            f"--zero-is-a-label needs a class at index 0, but {names} {received}; name it or omit the flag"
        )
    if zero is not None and not kept and not is_ignored(zero.name):
        concepts.pop(0)
    return zero if named and not kept else None


def _files(source: Path, folders: tuple[str, ...], suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Return the files of the first of `folders` that exists, by path inside it, in order of that path."""
    folder = next((source / name for name in folders if (source / name).is_dir()), None)
    if folder is None:
        raise InputError(f"{source} has no folder {' or '.join(f'{name}/' for name in folders)}")
    found = (path for path in folder.rglob("*") if path.suffix.lower() in suffixes and not path.name.startswith("."))
    files = {path.relative_to(folder).as_posix(): path for path in found if path.is_file()}
    if not files:
        raise InputError(f"{folder} has no file ending in {', '.join(suffixes)}")
    return dict(sorted(files.items()))


def _stem(relative: str, suffix: str = "") -> str:
    return normal(str(PurePosixPath(relative).with_suffix(""))).removesuffix(normal(suffix))


def _stems(files: dict[str, Path], suffix: str) -> dict[str, Path]:
    """Return the files whose names end in a suffix, by what stands before it."""
    named = [(_stem(name, suffix), path) for name, path in files.items() if _stem(name).endswith(normal(suffix))]
    found = dict(named)
    if twice := next((path for stem, path in named if found[stem] is not path), None):
        raise InputError(f"two masks are named {twice.name!r}, but for how accents and .png are written; remove one")
    if not found:
        raise InputError(f"no mask ends in {suffix!r}; one is named {next(iter(files))!r}; check --mask-suffix")
    return found


def read_indices(path: Path, *, turn: bool = False) -> np.ndarray:
    """Read an index mask as uint8 or uint16 of shape (H, W), palette indices and grey levels as they are stored.

    With `turn`, an EXIF orientation of the mask itself is applied.

    Raises
    ------
    BadRowError
        If the file cannot be decoded, or as its subclass WrongMaskError if it holds colours.
    """
    try:
        with open_image(path) as file:
            tile = getattr(file, "tile", None)
            step = _STEPS.get(str(tile[0][3]), 1) if tile else 1
            mode, indices = file.mode, np.asarray(upright(file, orientation_of(file) if turn else None))
    except UNDECODABLE as error:
        raise BadRowError(f"cannot be decoded: {error}") from error
    if mode in ("I;16", "I"):
        if indices.min() < 0 or indices.max() > 65535:
            raise WrongMaskError("holds indices outside 0..65535", "save it as 16-bit grey PNG, or reject its image")
        return indices.astype(np.uint16)
    if mode not in ("1", "L", "P"):
        raise WrongMaskError(
            f"holds {mode} colours, not indices", "save it as grey or palette PNG, or reject its image"
        )
    return indices.astype(np.uint8) // step


class _Reader:
    def __init__(
        self,
        source: Path,
        writer: DatasetWriter,
        concepts: dict[int, _Concept],
        names: str,
        skip_bad: bool,
        painting: Painting | None,
        suffix: str,
    ) -> None:
        self._painting, self._suffix = painting, suffix
        self._source, self._writer, self._names, self._skip_bad = source, writer, names, skip_bad
        self._concepts = {index: concept for index, concept in concepts.items() if not is_ignored(concept.name)}
        self._ignored = concepts.keys() - self._concepts.keys()
        self._categories = list(dict.fromkeys(concept.category for concept in self._concepts.values()))
        self._used: set[str] = set()
        self._without: list[str] = []
        self._zeros = self._pixels = 0

    def add_images(
        self,
        images: dict[str, Path],
        masks: dict[str, Path],
        palette: ColorLabels | None,
        progress: Progress | None,
    ) -> None:
        """Add all images with their masks and, where asked for, their colours."""
        for relative, path in told(images.items(), progress):
            image = self.add_image(relative, path, masks)
            if image is not None and palette is not None:
                palette.add(image, path)

    def add_image(self, relative: str, path: Path, masks: dict[str, Path]) -> int | None:
        """Add an image with its mask, or reject it."""
        stem = _stem(relative, self._suffix)
        mask = masks.get(stem)
        if mask is None or stem in self._used:
            reason = "has no mask" if mask is None else "shares its mask with another image"
            self._writer.reject(self._item(path), reason)
            self._without.append(stem)
            return None
        self._used.add(stem)
        try:
            refuse_leaving(path, self._source)
            indices = self._indices(refuse_leaving(mask, self._source))
            self._check_size(indices.shape, path)
        except BadRowError as bad:
            self._reject(mask, bad)
            return None
        image = self._writer.image(path, name=relative)
        if image is not None:
            self._add_segments(image, indices, mask)
        return image

    def _indices(self, mask: Path) -> np.ndarray:
        if self._painting is None:
            return read_indices(mask, turn=self._writer.upright)
        try:
            with open_image(mask) as file:
                tag = orientation_of(file) if self._writer.upright else None
        except UNDECODABLE as error:
            raise BadRowError(f"cannot be decoded: {error}") from error
        indices, unknown = self._painting.read(read_rgb(mask, tag))
        if unknown:
            fix = f"add a row for it to {self._names}, or reject its image"
            raise WrongMaskError(f"has the colour {unknown}, which is no class's", fix)
        return indices

    def reject_unused(self, masks: dict[str, Path]) -> None:
        """Reject the masks that no image has asked for."""
        self._writer.unmatched(self._without, lambda: masks.keys() - self._used)
        for stem, mask in masks.items():
            if stem not in self._used:
                self._writer.reject(self._item(mask), "has no image")

    def note_zero(self, zero: _Concept | None) -> None:
        """Tell how many pixels were left out because index 0, though it names a class, was taken for unlabelled."""
        if zero is not None and self._zeros:
            share = f"{100 * self._zeros / self._pixels:.3g} % of all pixels"
            reason = (
                f"index 0 is named {zero.name!r} but was taken as unlabelled ({share}); --zero-is-a-label imports it"
            )
            self._writer.reject(self._names, reason)
            warnings.warn(f"{self._names}: {reason}", ImportNote, stacklevel=3)

    def _add_segments(self, image: int, indices: np.ndarray, mask: Path) -> None:
        counts = np.bincount(indices.ravel())
        self._zeros, self._pixels = self._zeros + int(counts[0]), self._pixels + indices.size
        found = np.flatnonzero(counts).tolist()
        ignored = self._ignored | ({_IGNORED[indices.dtype]} - self._concepts.keys())
        unnamed = [index for index in found if index not in self._concepts and index not in ignored | {0}]
        if unnamed:
            which = f"{'index' if len(unnamed) == 1 else 'indices'} {', '.join(map(str, unnamed))}"
            fix = "add a row for it, or leave its pixels unlabelled"
            self._reject(mask, WrongMaskError(f"has {which}, which {self._names} does not name", fix))
        labelled: dict[_Concept, np.ndarray] = {}
        columns = np.asfortranarray(indices)
        for index in found:
            if concept := self._concepts.get(index):
                pixels = columns == index
                labelled[concept] = labelled[concept] | pixels if concept in labelled else pixels
        for concept, pixels in labelled.items():
            self._writer.segment(image, self._writer.concept(concept.name, concept.category), pixels)
        if not ignored.isdisjoint(found):
            self._writer.ignore(image, np.isin(columns, list(ignored)), categories=self._categories)

    def _check_size(self, shape: tuple[int, ...], path: Path) -> None:
        try:
            size, tag = self._writer.measure(path)
        except UNDECODABLE:
            return  # the writer rejects the image and says why
        if shape != size:
            found = f"{size[0]} x {size[1]} (height x width)"
            turned = self._writer.exif_hint((shape[0], shape[1]), size, tag)
            sizes = f"is {shape[0]} x {shape[1]} but its image {self._item(path)} is {found}{turned}"
            raise WrongMaskError(sizes, "a mask must have the size of its image; fix it, or reject its image")

    def _reject(self, mask: Path, bad: BadRowError) -> None:
        if isinstance(bad, WrongMaskError) and not self._skip_bad:
            raise InputError(f"{self._item(mask)} {bad}; {bad.fix} with --skip-bad") from bad
        self._writer.reject(self._item(mask), str(bad))

    def _item(self, path: Path) -> str:
        return path.relative_to(self._source).as_posix()
