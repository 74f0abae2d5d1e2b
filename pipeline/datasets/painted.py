"""Masks painted in colours: VOC's palette, ADE20K's code, or colours that a list of names gives (CVAT's labelmap.txt)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from filterscope.pipeline.engine.errors import InputError

_Rows = Sequence[tuple[int, dict[str, str]]]
_COLOR = re.compile(r"#?([0-9a-fA-F]{6})|([0-9]{1,3})[ ,]+([0-9]{1,3})[ ,]+([0-9]{1,3})")


@dataclass(frozen=True)
class Painting:
    """What colours mean: `index` by colour (R * 65536 + G * 256 + B); None: ADE20K's R // 10 * 256 + G, B tells objects."""

    index: dict[int, int] | None

    def read(self, rgb: np.ndarray) -> tuple[np.ndarray, str]:
        """Return the indices (uint8 or uint16, (H, W)) of painted pixels (uint8, (H, W, 3)), and a colour without one."""
        red, green, blue = (rgb[..., band].astype(np.int64) for band in range(3))
        if self.index is None:
            return (red // 10 * 256 + green).astype(np.uint16), ""
        colors, where = np.unique(red << 16 | green << 8 | blue, return_inverse=True)
        unknown = next((f"#{color:06x}" for color in colors.tolist() if color not in self.index), "")
        dtype = np.min_scalar_type(max(self.index.values()))
        indices = np.array([self.index.get(color, 0) for color in colors.tolist()], dtype)
        return indices[where].reshape(rgb.shape[:2]), unknown


def voc_color(index: int) -> int:
    """Return the colour of an index in VOC's palette: bits of the index, dealt to R, G, B, the highest bits first."""
    red, green, blue = (sum((index >> 3 * bit + band & 1) << 7 - bit for bit in range(8)) for band in range(3))
    return red << 16 | green << 8 | blue


def painting_of(painted: str | None, rows: _Rows, path: Path) -> Painting | None:
    """Return what the colours of masks mean, None where masks hold indices; InputError where it is not known."""
    colors = [(line, row, row.get("color", "")) for line, row in rows]
    if painted is None:
        painted = "listed" if any(color for _, _, color in colors) else "index"
    if painted == "index":
        return None
    if painted == "ade20k":
        return Painting(None)
    if painted == "voc":
        # 255 is the pale edge between objects, which VOC ignores
        return Painting({voc_color(index): index for index in range(256)})
    if painted != "listed":
        raise InputError(f"--painted is {painted!r}; give voc, ade20k, listed or index")
    index: dict[int, int] = {0: 0}
    named: set[int] = set()
    for line, row, color in colors:
        number = _number(color, path, line)
        if number in named:
            raise InputError(f"{path} line {line} gives the colour {color!r} again; give each class its own")
        named.add(number)
        index[number] = int(row["index"])
    return Painting(index)


def _number(color: str, path: Path, line: int) -> int:
    match = _COLOR.fullmatch(color)
    if match is None or any(int(band or 0) > 255 for band in match.groups()[1:]):
        raise InputError(f"{path} line {line} has the colour {color!r}; give #rrggbb or three numbers from 0 to 255")
    if match[1]:
        return int(match[1], 16)
    red, green, blue = (int(band) for band in match.groups()[1:])
    return red << 16 | green << 8 | blue


def read_labelmap(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Read CVAT's labelmap.txt, a line `name:r,g,b:parts:actions` for each class, as rows of a CSV file of names.

    Classes are numbered from 1 in their order; `background` is 0. InputError if it is no such file or a name comes twice.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a text file in UTF-8: {error}") from error
    rows: list[tuple[int, dict[str, str]]] = []
    seen: set[str] = set()
    for line, text in enumerate(lines, 1):
        if not text.strip() or text.startswith("#"):
            continue
        name, _, rest = text.partition(":")
        if name.strip() in seen:
            raise InputError(f"{path} line {line} names {name.strip()!r} again; give each class its own name")
        seen.add(name.strip())
        index = 0 if name.strip() == "background" else 1 + len(seen - {"background", name.strip()})
        rows.append((line, {"index": str(index), "name": name.strip(), "color": rest.partition(":")[0].strip()}))
    return rows


__all__ = ["Painting", "painting_of", "read_labelmap", "voc_color"]
