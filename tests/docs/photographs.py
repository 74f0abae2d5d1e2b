"""A data set of photographs that may be shown: crops of scikit-image's own, with regions outlined by hand.

All come with the package, are in the public domain, under CC0 or without known restrictions (the docstrings of `skimage.data`
say which), and show no person. Each concept is in one photograph, so what an audit finds here says nothing about others: it is
there to be looked at.
"""

import csv
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from skimage import data, filters

#: Concepts and their categories; the value of a pixel is a concept's place in here, from 1.
CONCEPTS = {
    "cat": "object", "eye": "part", "nose": "part", "ear": "part", "cup": "object", "coffee": "material",
    "saucer": "object", "spoon": "object", "wood": "material", "rocket": "object", "tower": "object", "lamp": "object",
    "sky": "object", "coin": "object", "galaxy": "object", "brick": "texture", "grass": "texture", "gravel": "texture",
}  # fmt: skip
_LAMPS = ((83, 350), (151, 377), (193, 395), (112, 416), (364, 397), (433, 394), (451, 418))
#: Regions of photographs, drawn one over the other: concept, shape, and its corners in (column, row) of the photograph.
REGIONS = {
    "chelsea": (
        ("cat", "polygon", (
            (38, 0), (385, 0), (352, 72), (362, 150), (330, 200), (320, 290), (300, 300), (0, 300), (40, 200), (34, 60),
        )),
        ("ear", "polygon", ((320, 0), (400, 0), (375, 45), (352, 72), (340, 50))),
        ("ear", "polygon", ((48, 0), (92, 0), (60, 22))),
        ("eye", "ellipse", ((136, 85), (206, 147))), ("eye", "ellipse", ((299, 109), (343, 164))),
        ("nose", "polygon", ((228, 226), (292, 229), (256, 266))),
    ),
    "coffee": (
        ("wood", "polygon", ((150, 0), (600, 0), (600, 400), (0, 400), (0, 100))),
        ("saucer", "ellipse", ((77, 60), (479, 388))),
        ("cup", "polygon", (
            (173, 105), (180, 200), (218, 238), (195, 290), (230, 307), (262, 275), (330, 280), (380, 210), (408, 105),
        )),
        ("cup", "ellipse", ((173, 18), (408, 208))), ("coffee", "ellipse", ((204, 96), (370, 193))),
        ("spoon", "polygon", ((410, 68), (424, 72), (412, 110), (388, 225), (372, 235), (384, 200), (406, 120))),
        ("spoon", "ellipse", ((326, 236), (406, 326))),
    ),
    "rocket": (
        ("sky", "polygon", ((0, 0), (640, 0), (640, 365), (0, 365))),
        ("tower", "polygon", ((50, 0), (88, 0), (76, 427), (0, 427), (0, 330))),
        ("tower", "polygon", ((560, 0), (600, 0), (640, 220), (640, 427), (578, 427), (565, 150))),
        ("tower", "polygon", ((198, 122), (204, 122), (204, 190), (206, 427), (168, 427), (190, 190))),
        ("tower", "polygon", ((444, 122), (450, 122), (458, 190), (480, 427), (440, 427), (442, 190))),
        ("rocket", "polygon", ((322, 127), (333, 145), (334, 405), (311, 405), (311, 145))),
        *(("lamp", "ellipse", ((x - 20, y - 20), (x + 20, y + 20))) for x, y in _LAMPS),
    ),
    "coins": (), "hubble_deep_field": (), "brick": (), "grass": (), "gravel": (),
}  # fmt: skip
#: Concepts of photographs without regions: all of it, or what is brighter than its surroundings.
_ALL = {"brick": "brick", "grass": "grass", "gravel": "gravel"}
_BRIGHT = {"coins": "coin", "hubble_deep_field": "galaxy"}


def mask_of(name: str, pixels: np.ndarray) -> np.ndarray:
    """Return what each pixel of a photograph (uint8, shape (H, W, 3)) is: uint8 of shape (H, W), 0 for nothing."""
    number = {concept: place for place, concept in enumerate(CONCEPTS, 1)}
    if name in _ALL:
        return np.full(pixels.shape[:2], number[_ALL[name]], np.uint8)
    if name in _BRIGHT:
        grey = filters.gaussian(pixels.mean(axis=2), 2)
        local = grey > filters.threshold_local(grey, 151, offset=-8)
        return (local & (grey > filters.threshold_otsu(grey) * 0.8)).astype(np.uint8) * number[_BRIGHT[name]]
    picture = Image.new("L", pixels.shape[1::-1])
    draw = ImageDraw.Draw(picture)
    for concept, shape, corners in REGIONS[name]:
        getattr(draw, shape)(corners, fill=number[concept])
    return np.asarray(picture)


def write_photographs(folder: Path, crops: int = 30, seed: int = 0) -> None:
    """Write `crops` crops of every photograph, some mirrored, as `filterscope import masks` reads them."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    with (folder / "labels.csv").open("w", newline="") as sink:
        rows = ((place, concept, category) for place, (concept, category) in enumerate(CONCEPTS.items(), 1))
        csv.writer(sink).writerows([("index", "name", "category"), *rows])
    for place, name in enumerate(REGIONS):
        pixels = np.asarray(Image.fromarray(getattr(data, name)()).convert("RGB"))
        mask, rng = mask_of(name, pixels), np.random.default_rng((seed, place))
        for number in range(crops):
            rows, columns = _window(pixels.shape[:2], rng)
            step = -1 if number % 2 else 1
            for part, array in (("images", pixels), ("masks", mask)):
                cut = Image.fromarray(np.ascontiguousarray(array[rows, columns][:, ::step]))
                cut.save(folder / part / f"{name}_{number:02d}.png")


def _window(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[slice, slice]:
    """Return rows and columns of a random square, from half of the shorter side to all of it."""
    side = int(min(shape) * rng.uniform(0.5, 1.0))
    first = [int(rng.integers(0, length - side + 1)) for length in shape]
    return slice(first[0], first[0] + side), slice(first[1], first[1] + side)
