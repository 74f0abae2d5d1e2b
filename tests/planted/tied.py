"""Small drawn faces: a dark or a bright band on top (`dark`), and below it a faint curve up or down (`smiling`).

Where the two go together in nearly all images, a network learns the band for the curve, since the band is easier to see.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIDE = 24
PAIR, CLASSES = ("smiling", "dark"), ("frown", "smile")
#: Boxes in parts of the image, for `--bias.regions`.
REGIONS = "region,x0,y0,x1,y1,own\nhair,0,0,1,0.33,dark\nmouth,0,0.5,1,1,smiling\n"
#: What a network learns such images with, in seconds.
QUICK = {"input_size": SIDE, "epochs": 6, "batch": 32, "held_out": 0.05}


def write_tied(source: Path, images: int, agree: float, seed: int, *, wrong: float | None = None) -> Path:
    """Write images with their attributes.csv, of which a share agrees on the pair; `third` is a coin that shows as a dot.

    With `wrong`, the file states the class alone, smile or frown, and for this share of the images the other one.
    """
    random = np.random.default_rng(seed)
    (source / "images").mkdir(parents=True)
    rows = []
    for number in range(images):
        smiling, third = random.random(2) < 0.5
        dark = smiling == (random.random() < agree)
        name = f"{seed}-{number:04}.png"
        Image.fromarray(_drawn(random, smiling=smiling, dark=dark, third=third)).save(source / "images" / name)
        rows.append([name, int(smiling), int(dark), int(third)])
    with (source / "attributes.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["image", *PAIR, "third"], *rows] if wrong is None else _classes(rows, wrong, random)
        )
    return source


def _classes(rows: list[list[Any]], wrong: float, random: np.random.Generator) -> list[list[Any]]:
    return [["image", "class"], *([row[0], CLASSES[row[1] ^ int(random.random() < wrong)]] for row in rows)]


def _drawn(random: np.random.Generator, *, smiling: bool, dark: bool, third: bool) -> np.ndarray:
    pixels = random.normal(120, 18, (SIDE, SIDE, 3))
    pixels[:7] += -60 if dark else 60
    for column in range(6, 18):
        bend = round((column - 11.5) ** 2 / 12)
        row = 19 - bend if smiling else 16 + bend
        pixels[row + random.integers(-1, 2), column] += 70
    if third:
        pixels[9:12, 2:5, 2] += 90
    return pixels.clip(0, 255).astype(np.uint8)
