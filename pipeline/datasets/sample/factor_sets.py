"""Drawn sets whose factors are known, independent and uniform: every image states them as attributes."""

import io
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.datasets.sample import composed, sprites, strokes
from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.engine.errors import InputError, did_you_mean

KINDS = ("strokes", "shapes", "parts")


def draw_factor_set(folder: Path, kind: str, *, images: int = 600, seed: int = 0) -> None:
    """Draw a set into a data-set folder.

    Image i depends on `kind`, `seed` and i alone, so a set begins with every smaller one of the same seed. Shapes and parts
    have masks too: of the shape by its name, and of each part; parts also their object and the centre and size of each part.

    Parameters
    ----------
    folder : Path
        Where the data set will be; must not exist or be empty.
    kind : {"strokes", "shapes", "parts"}
        What is drawn.
    images : int
        How many images; every fifth is of the split val.
    seed : int
        Names the set; not negative.

    Raises
    ------
    InputError
        If an argument is out of range, or the folder holds something.
    """
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS) or f" Kinds are: {', '.join(KINDS)}."
        raise InputError(f"--kind {kind}: no such sample.{hint}")
    if images < 1:
        raise InputError(f"a sample of {images} images was asked for; ask for at least 1")
    if seed < 0:
        raise InputError(f"the seed is {seed}; give a number from 0")
    with DatasetWriter(folder, source={"reader": "sample", "kind": kind, "images": images, "seed": seed}) as writer:
        for index in range(images):
            {"strokes": _stroke, "shapes": _shape, "parts": _parts}[kind](writer, index, Dice(seed, index))


def _stroke(writer: DatasetWriter, index: int, dice: Dice) -> None:
    _write(writer, index, *strokes.draw(dice))


def _shape(writer: DatasetWriter, index: int, dice: Dice) -> None:
    pixels, factors = sprites.draw(dice)
    image = _write(writer, index, pixels, factors)
    writer.segment(image, writer.concept(factors["shape"], "object"), pixels.max(axis=2) >= 64)
    writer.segment(image, writer.concept(factors["colour"], "color"), pixels.max(axis=2) >= 64)


def _parts(writer: DatasetWriter, index: int, dice: Dice) -> None:
    found = composed.draw(dice)
    image = _write(writer, index, found.pixels, found.factors)
    x0, y0, _, _ = next(iter(found.parts.values()))
    _, _, x1, y1 = list(found.parts.values())[-1]
    number = writer.object(image, found.factors["class"], (x0, y0, x1, y1))
    for name, (left, top, right, bottom) in found.parts.items():
        mask = np.zeros(found.pixels.shape[:2], bool)
        mask[top:bottom, left:right] = True
        writer.segment(image, writer.concept(name, "part"), mask)
        centre = (left + right - 1) / 2, (top + bottom - 1) / 2
        writer.landmark(image, number, name, *centre, (right - left, bottom - top))


def _write(writer: DatasetWriter, index: int, pixels: np.ndarray, factors: dict[str, str]) -> int:
    file = io.BytesIO()
    # as in the sample: the encoder has no choice that depends on the processor
    Image.fromarray(pixels).save(file, "PNG", compress_level=1, compress_type=zlib.Z_HUFFMAN_ONLY)
    height, width = pixels.shape[:2]
    split = "val" if index % 5 == 4 else "train"
    image = writer.drawn(file.getvalue(), height, width, name=f"{index:06d}.png", split=split)
    for name, value in factors.items():
        writer.attribute(image, name, value)
    return image


__all__ = ["KINDS", "draw_factor_set"]
