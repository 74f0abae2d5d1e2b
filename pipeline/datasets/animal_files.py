"""MATLAB files of the animal-part set: a folder per category, with boxes of its objects and of their parts.

A category's folder is named by its number in WordNet, such as n02084071 or n02084071_obj, or by anything else, which then is
its name. In it lie images, numbered by object as ``00001.jpg``, in ``img/``, ``img/img/`` or ``images/``, and one or more of

- ``data.mat`` or ``img/data.mat``: ``samples(i).obj.bndbox`` with xmin, ymin, xmax, ymax of object i;
- ``truth.mat`` or ``truth_NAME.mat``: ``truth(i).obj.bndbox`` with Wmin, Hmin, Wmax, Hmax, and the boxes of its parts in
  ``truth(i).partbox``, ``truth(i).parts`` or ``truth(i).obj.parts``, with such fields of their own or of a ``bndbox``;
- ``truth_part01.mat``, ``truth_part02.mat``: ``truth(i).pHW_center`` and ``pHW_scale``, centre and size of each part (y, x) on
  the box resized to 224 x 224, beside ``truth(i).obj``.

Parts without a name are head and frontal_legs, in that order. Boxes are in pixels of the image, 0 the first, and include both
ends, as in ILSVRC's own annotations; data.mat has 1 where they have 0, so a box of a truth file goes first. An image that was
stored once per object comes in as often.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from filterscope.pipeline.datasets.images import SUFFIXES
from filterscope.pipeline.datasets.landmarks import Annotated, image_files, negatives, number
from filterscope.pipeline.datasets.matlab import read_variable, structs, text
from filterscope.pipeline.datasets.reading import BadRowError, refuse_leaving
from filterscope.pipeline.engine.errors import InputError

_IMAGE_FOLDERS = ("img/img", "img", "images")
_PARTS = ("head", "frontal_legs")
#: Side of the square on which parts were marked.
_SIDE = 224
_BOXES = (("xmin", "ymin", "xmax", "ymax"), ("Wmin", "Hmin", "Wmax", "Hmax"))

#: Fields of structs that are read.
_FIELDS = frozenset((
    "obj", "bndbox", "filename", "ID", "partbox", "parts", "name", "part_name", "pHW_center", "pHW_scale",
    *_BOXES[0], *_BOXES[1],
))  # fmt: skip

#: The 30 categories of the set by their number in WordNet.
CATEGORIES = {
    "n01443537": "goldfish", "n01503061": "bird", "n01639765": "frog", "n01662784": "turtle", "n01674464": "lizard",
    "n01882714": "koala", "n01982650": "lobster", "n02084071": "dog", "n02118333": "fox", "n02121808": "cat",
    "n02129165": "lion", "n02129604": "tiger", "n02131653": "bear", "n02324045": "rabbit", "n02342885": "hamster",
    "n02355227": "squirrel", "n02374451": "horse", "n02391049": "zebra", "n02395003": "swine", "n02398521": "hippopotamus",
    "n02402425": "cattle", "n02411705": "sheep", "n02419796": "antelope", "n02437136": "camel", "n02444819": "otter",
    "n02454379": "armadillo", "n02484322": "monkey", "n02503517": "elephant", "n02509815": "red panda",
    "n02510455": "giant panda",
}  # fmt: skip

Box = tuple[float, float, float, float]


@dataclass
class _Animal:
    box: Box
    image: str | None = None
    parts: list[tuple[str, Box]] = field(default_factory=list)


def find_categories(source: Path) -> dict[str, list[Path]]:
    """Return the MATLAB files of each category, by its name; those with boxes alone first."""
    found: dict[str, list[Path]] = {}
    folders = sorted(path for path in source.iterdir() if path.is_dir()) if source.is_dir() else []
    for folder in [source, *folders]:
        boxes = [path for path in (folder / "data.mat", folder / "img" / "data.mat") if path.is_file()]
        files = [*boxes, *sorted(path for path in folder.glob("truth*.mat") if path.is_file())]
        if files:
            name = folder.resolve().name.removesuffix("_obj")
            found.setdefault(CATEGORIES.get(name, name), []).extend(files)
    return {name: sorted(files, key=lambda path: path.name != "data.mat") for name, files in found.items()}


def read_categories(source: Path, categories: dict[str, list[Path]]) -> Annotated:
    """Read what the MATLAB files say, in rows as of the set's CSV files; InputError if a file is damaged."""
    content = Annotated({})
    for name, files in categories.items():
        category = _Category(source, name, files)
        for file in files:
            category.read(file)
        category.add_rows(content)
    content.images |= negatives(source)
    if not content.images:
        raise InputError(f"{source} has no image in {', '.join(f'CATEGORY/{place}/' for place in _IMAGE_FOLDERS)}")
    return content


class _Category:
    """Objects of one category, by number; their images by file name."""

    def __init__(self, source: Path, name: str, files: list[Path]) -> None:
        self._source, self._name = source, name
        self._animals: dict[int, _Animal] = {}
        self._rejects: list[tuple[str, str]] = []
        folders = dict.fromkeys(file.parent.parent if file.parent.name == "img" else file.parent for file in files)
        places = [folder / place for folder in folders for place in _IMAGE_FOLDERS if (folder / place).is_dir()]
        place = places[0].relative_to(source).as_posix() if places else "img"
        self._images = image_files(source, place, f"{name}/", None)

    def read(self, file: Path) -> None:
        """Read a file; an entry that cannot be used is rejected."""
        where = file.relative_to(self._source).as_posix()
        variable = "samples" if file.name == "data.mat" else "truth"
        try:
            entries = structs(read_variable(refuse_leaving(file, self._source), variable, _FIELDS))
        except BadRowError as bad:
            raise InputError(f"{file} cannot be read: {bad}") from bad
        part = re.fullmatch(r"truth_part(\d\d)\.mat", file.name)
        for place, entry in enumerate(entries, 1):
            try:
                self._read_entry(place, entry, None if part is None else _part_name(int(part[1]), {}))
            except BadRowError as bad:
                self._rejects.append((f"{where} {variable}({place})", str(bad)))

    def _read_entry(self, place: int, entry: dict[str, Any], part: str | None) -> None:
        stated = structs(entry["obj"]) if "obj" in entry else []
        if not stated:
            if _filled(entry.get("pHW_center")):
                raise BadRowError("a part without its object")
            return
        if len(stated) > 1:
            raise BadRowError(f"{len(stated)} objects instead of one")
        (about,) = stated
        box = _optional_box(about)
        if box is None:
            raise BadRowError("the object has no box")
        key = int(_scalar(about["ID"])) if _filled(about.get("ID")) else place
        animal = self._animals.setdefault(key, _Animal(box))
        animal.box = box
        if _filled(about.get("filename")):
            animal.image = text(about["filename"])
        if part is not None:
            animal.parts += [(part, box) for box in _marked(entry, animal.box)]
        for parts in (entry.get("partbox"), entry.get("parts"), about.get("parts")):
            for rank, item in enumerate(structs(parts) if parts is not None else [], 1):
                if (box := _optional_box(item)) is not None:
                    animal.parts.append((_part_name(rank, item), box))

    def add_rows(self, content: Annotated) -> None:
        """Add images, boxes and points of parts."""
        content.images |= self._images
        content.rejects += self._rejects
        for key, animal in sorted(self._animals.items()):
            item = f"object {key} of {self._name}"
            names = [animal.image, *(f"{key:05d}{suffix}" for suffix in SUFFIXES)]
            image = next((name for name in names if name and f"{self._name}/{name}" in self._images), None)
            if image is None:
                content.rejects.append((item, f"no image {key:05d}.jpg in the folder of its category"))
                continue
            row = {"image": f"{self._name}/{image}", "object": str(key)}
            edges = dict(zip(_BOXES[0], map(repr, animal.box), strict=True))
            content.boxes.append((item, {**row, "category": self._name, **edges}))
            for part, (x0, y0, x1, y1) in animal.parts:
                cells = {"x": repr((x0 + x1) / 2), "y": repr((y0 + y1) / 2)}
                if x1 != x0 and y1 != y0:
                    cells |= {"part_width": repr(x1 - x0), "part_height": repr(y1 - y0)}
                content.points.append((f"{part} of {item}", {**row, "part": part, **cells}))


def _filled(value: Any) -> bool:
    return value is not None and (value.size if isinstance(value, np.ndarray) else len(value)) > 0


def _scalar(value: Any) -> float:
    """Return a number, which may be written in characters."""
    if isinstance(value, str):
        return number(value)
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "buif":
        return number(repr(float(value.item())))
    raise BadRowError("a coordinate is not a number")


def _optional_box(item: dict[str, Any]) -> Box | None:
    """Return the box of an element, in fields of its own or of its bndbox; None where these are empty."""
    inner = item.get("bndbox")
    fields = structs(inner)[0] if _filled(inner) else item
    for names in _BOXES:
        if all(name in fields for name in names):
            if not all(_filled(fields[name]) for name in names):
                return None
            x0, y0, x1, y1 = (_scalar(fields[name]) for name in names)
            return x0, y0, x1, y1
    raise BadRowError(f"a box needs the fields {' or '.join(', '.join(names) for names in _BOXES)}")


def _part_name(rank: int, item: dict[str, Any]) -> str:
    for name in ("name", "part_name"):
        if _filled(item.get(name)):
            return text(item[name])
    return _PARTS[rank - 1] if 1 <= rank <= len(_PARTS) else f"part{rank}"


def _marked(entry: dict[str, Any], box: Box) -> list[Box]:
    """Return the boxes of a part that was marked on the object's box resized to 224 x 224; a part without size is a point."""
    if not _filled(entry.get("pHW_center")):
        return []
    centres = _pairs(entry["pHW_center"])
    sizes = _pairs(entry["pHW_scale"]) if _filled(entry.get("pHW_scale")) else np.zeros(centres.shape)
    if sizes.shape != centres.shape:
        raise BadRowError(f"{centres.shape[1]} parts in pHW_center but {sizes.shape[1]} in pHW_scale")
    start, extent = np.array([[box[1]], [box[0]]]), np.array([[box[3] - box[1]], [box[2] - box[0]]])
    low, high = (start + (centres + half * sizes) / _SIDE * extent for half in (-0.5, 0.5))
    return [(float(x0), float(y0), float(x1), float(y1)) for (y0, x0), (y1, x1) in zip(low.T, high.T, strict=True)]


def _pairs(value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "buif" or value.ndim != 2 or len(value) != 2:
        raise BadRowError("pHW_center and pHW_scale must have two rows of numbers, y and x")
    return value.astype(float)


__all__ = ["CATEGORIES", "find_categories", "read_categories"]
