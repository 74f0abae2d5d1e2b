"""Whether 16-bit images use the range that 16 bits have: cameras and scanners often store 12 bits as they are."""

from pathlib import Path

import numpy as np

from filterscope.pipeline.datasets.images import UNDECODABLE, is_deep, is_deep_colour, open_image
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.stores.places import StoreError, readable

WHITE = 65535
#: Images that are looked at, spread over the data set.
_IMAGES = 64


def depth_note(dataset: Dataset) -> str | None:
    """Say that no 16-bit image, of 64 that are looked at, comes near white, for networks would see them nearly black."""
    count = dataset.rows("images")
    chosen = np.unique(np.linspace(0, count - 1, min(count, _IMAGES)).astype(int))
    levels = [level for path in dataset.files(chosen) if (level := _highest(path))]
    highest = max(levels, default=WHITE)
    if 2 * highest > WHITE:
        return None
    bits = int(highest).bit_length()
    return (
        f"16-bit images use a fraction of their range: no value of {len(levels)} of them is above {highest}, which fits "
        f"{bits} bits, but white is {WHITE}: networks see them nearly black. Unless that is intended, multiply their values by "
        f"{2 ** (16 - bits)} and import them again"
    )


def _highest(path: Path) -> int:
    """Return the highest value of a 16-bit image, of colours as far as the upper 8 bits tell; 0 for others and damaged ones."""
    try:
        with open_image(readable(path)) as image:
            if is_deep_colour(image):
                return 256 * int(np.asarray(image)[..., :3].max()) + 255
            return int(np.asarray(image).max()) if is_deep(image) else 0
    except StoreError:
        raise
    except UNDECODABLE:
        return 0


__all__ = ["depth_note"]
