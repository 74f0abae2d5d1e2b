"""Faces of which a network learns a bias: almost all that smile have black hair, and almost no others; and a natural sample.

    python -m tests.planted.biased_faces FACES FOLDER

copies images and their rows of FACES/attributes.csv to FOLDER/biased, to train on, and FOLDER/natural, to audit; no image is in
both. `filterscope import attributes` reads either.
"""

import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from shutil import copyfile

import numpy as np

PAIR = ("Smiling", "Black_Hair")
#: Images that train, share of them that agree on the pair, images of the natural sample, and the seed of all draws.
TRAIN, AGREE, NATURAL, SEED = 3_100, 0.97, 2_000, 0


def write_biased(faces: Path, folder: Path, train: int = TRAIN, natural: int = NATURAL, seed: int = SEED) -> None:
    """Write both sources; ValueError where there are not enough images that agree."""
    with (faces / "attributes.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    first, second = (header.index(name) for name in PAIR)
    agree = np.array([row[first] == row[second] for row in rows])
    order = np.random.default_rng(seed).permutation(len(rows))
    sample, rest = order[:natural], order[natural:]
    count = round(AGREE * train)
    learned = np.concatenate([rest[agree[rest]][:count], rest[~agree[rest]][: train - count]])
    if len(learned) < train:
        raise ValueError(f"of {len(rest)} images {agree[rest].sum()} agree, fewer than the {count} that are asked for")
    for name, places in (("biased", learned), ("natural", sample)):
        _write(faces / "images", folder / name, header, [rows[place] for place in sorted(places.tolist())])


def _write(images: Path, folder: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    (folder / "images").mkdir(parents=True)
    with (folder / "attributes.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    for row in rows:
        copyfile(images / row[0], folder / "images" / row[0])


if __name__ == "__main__":
    write_biased(Path(sys.argv[1]), Path(sys.argv[2]))
