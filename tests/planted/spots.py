"""Flat images in groups of one tint, of which one group is mostly not what the planted classifier says."""

import numpy as np
from PIL import Image

from filterscope.pipeline.datasets.layout import DatasetWriter
from tests.planted.networks import SIZE

#: Level of red of each group; 40 % of the third are wrong, and one image of the first.
LEVELS, EACH, BAD = (100, 140, 180, 220), 25, 2


def is_wrong(number):
    """Tell whether the network is wrong about an image."""
    group, place = divmod(number, EACH)
    return place < EACH * 2 // 5 if group == BAD else (group, place) == (0, 7)


def write_spots(folder, *, labelled=None, extra=()):
    """Write the images; `labelled` says by number which have a true class on file, by default all.

    The third group has the attribute tint=warm, as one more image has; `extra` are attributes (number, name, value).
    """
    folder.mkdir(parents=True, exist_ok=True)
    with DatasetWriter(folder / "data", source={"reader": "spots"}) as out:
        shown = out.concept("stain", "object")
        for number in range(len(LEVELS) * EACH):
            group, place = divmod(number, EACH)
            pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
            pixels[..., 0] = LEVELS[group] + place % 5
            Image.fromarray(pixels).save(folder / f"spot-{number:03d}.png")
            image = out.image(folder / f"spot-{number:03d}.png")
            if labelled is None or labelled(number):
                out.attribute(image, "class", "3" if is_wrong(number) else "1")
            out.attribute(image, "tint", "warm" if group == BAD or number == 3 else "cold")
            if number % 2:
                out.segment(image, shown, None)
            for which, name, value in extra:
                if which == number:
                    out.attribute(image, name, value)
    return folder / "data"
