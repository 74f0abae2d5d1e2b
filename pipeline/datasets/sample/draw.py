"""The embedded sample: images drawn with exact annotations, the same on every machine."""

import io
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.datasets.sample.annotations import label_masks, seen_attributes, seen_objects
from filterscope.pipeline.datasets.sample.canvas import SIZE, Canvas
from filterscope.pipeline.datasets.sample.catalogue import CONCEPTS
from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.finish import photographed
from filterscope.pipeline.datasets.sample.paint import Label
from filterscope.pipeline.datasets.sample.scenes import scene
from filterscope.pipeline.datasets.sample.swatches import collage, swatch
from filterscope.pipeline.datasets.sample.traits import draw_traits
from filterscope.pipeline.engine.errors import InputError


def draw_sample(
    folder: Path,
    *,
    images: int = 600,
    seed: int = 0,
    cooccurrence: float = 0.8,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Draw the embedded sample into a data-set folder.

    Image i depends on `seed`, `cooccurrence` and i alone, so a sample begins with every smaller one of the same seed.

    Parameters
    ----------
    folder : Path
        Where the data set will be; must not exist or be empty.
    images : int
        How many images.
    seed : int
        Names the sample; not negative.
    cooccurrence : float
        How often the attributes of `traits.PAIRS` go together: 1 always, 0.5 by chance, 0 never.
    progress : callable, optional
        Told the number of images done after each.

    Raises
    ------
    InputError
        If an argument is out of range, or the folder holds something.

    Notes
    -----
    Pixels and annotations are equal on every machine; the bytes of the PNG files are with the same release of Pillow.
    """
    if images < 1:
        raise InputError(f"a sample of {images} images was asked for; ask for at least 1")
    if seed < 0:
        raise InputError(f"the seed is {seed}; give a number from 0")
    if not 0 <= cooccurrence <= 1:
        raise InputError(f"cooccurrence is {cooccurrence}; it is a probability, from 0 to 1")
    source = {"reader": "sample", "images": images, "seed": seed, "cooccurrence": cooccurrence}
    with DatasetWriter(folder, source=source) as writer:
        numbers = {label: writer.concept(*label, "image" if label[1] == "scene" else "pixel") for label in CONCEPTS}
        for index in range(images):
            _write(writer, index, numbers, *draw_image(seed, index, cooccurrence))
            if progress:
                progress(index + 1)


def draw_image(seed: int, index: int, cooccurrence: float = 0.8) -> tuple[Canvas, np.ndarray]:
    """Draw one image of a sample.

    Returns
    -------
    canvas : Canvas
        What was painted, with the surface of every pixel.
    rgb : ndarray of shape (SIZE, SIZE, 3), uint8
        The picture as photographed.
    """
    dice, canvas = Dice(seed, index), Canvas()
    traits = draw_traits(dice, cooccurrence)
    kind = dice.below(100)
    if kind < 12:
        swatch(canvas, dice)
    elif kind < 20:
        collage(canvas, dice)
    else:
        scene(canvas, dice, traits)
    return canvas, photographed(canvas.pixels, dice, canvas.attributes)


def _write(writer: DatasetWriter, index: int, numbers: dict[Label, int], canvas: Canvas, rgb: np.ndarray) -> None:
    split = "val" if index % 5 == 4 else "train"
    image = writer.drawn(_png(rgb), SIZE, SIZE, name=f"{index:06d}.png", split=split)
    for label in canvas.labels:
        writer.segment(image, numbers[label], None)
    labels, masks = label_masks(canvas, rgb)
    writer.segments(image, [numbers[label] for label in labels], masks)
    for seen in seen_objects(canvas):
        number = writer.object(image, seen.category, seen.box)
        for name, x, y in seen.landmarks:
            writer.landmark(image, number, name, x, y)
    for attribute, value in sorted(seen_attributes(canvas).items()):
        writer.attribute(image, attribute, value)


def _png(rgb: np.ndarray) -> bytes:
    # Without matches the file is as small, since grain leaves few, and the encoder has no choice that depends on the processor.
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG", compress_level=1, compress_type=zlib.Z_HUFFMAN_ONLY)
    return file.getvalue()
