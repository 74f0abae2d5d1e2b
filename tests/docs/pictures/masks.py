"""What pictures of masks share."""

import numpy as np

from filterscope.operators.activations.quantile import add_to_histogram, empty_histogram, upper_quantile

#: Rows and columns of masks.
MASK = 112


def threshold_of(maps, quantile=0.005):
    """Return T of a unit over all maps (n, rows, columns)."""
    counts = empty_histogram(1)
    add_to_histogram(counts, maps[:, None].astype(np.float16))
    return float(upper_quantile(counts, quantile)[0])


def iou_of(one, other):
    """Return the intersection over union of masks, summed over images."""
    return np.count_nonzero(one & other) / max(np.count_nonzero(one | other), 1)
