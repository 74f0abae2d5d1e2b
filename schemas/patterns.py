"""Patterns that a filter's peaks are clusters of."""

import pyarrow as pa

from filterscope.schemas.columns import FILTER, FILTER_LAYER, MODEL, PIXEL, column, table

#: A peak of a pattern on a view.
PEAK = pa.struct(
    [
        ("view", pa.int32()),
        ("image", pa.int32()),
        ("y", pa.float32()),
        ("x", pa.float32()),
        ("activation", pa.float32()),
    ]
)

PATTERNS = table(
    MODEL,
    FILTER_LAYER,
    FILTER,
    column("pattern", pa.int32(), "number of the pattern in its filter: 0 has most peaks"),
    column("peaks", pa.int32(), "peaks that belong to it"),
    column("share", pa.float64(), "these over all clustered peaks of the filter"),
    column("images", pa.int32(), "source images with such a peak"),
    column("mean_y", pa.float64(), "mean row of its peaks", unit=PIXEL),
    column("mean_x", pa.float64(), "mean column of its peaks", unit=PIXEL),
    column("spread", pa.float64(), "root of the mean squared distance from there, along one axis", unit=PIXEL),
    column("mean_activation", pa.float64(), "mean activation at its peaks"),
    column("top_images", pa.list_(PEAK), "its strongest peak on each of its 100 strongest views, best first"),
)

UNIT_PATTERNS = table(
    MODEL,
    FILTER_LAYER,
    FILTER,
    column("peaks", pa.int32(), "peaks that were clustered: local maxima above T, at most the 500 strongest"),
    column("left_out", pa.int64(), "further, weaker peaks above T"),
    column("patterns", pa.int32(), "patterns that the filter mixes", null="see reason"),
    column(
        "gaussians",
        pa.int32(),
        "Gaussians that BIC chooses; those without a dip between are one pattern",
        null="see reason",
    ),
    column("gain", pa.float64(), "by how much their BIC is below that of a single Gaussian", null="see reason"),
    column("axes", pa.int32(), "principal axes of the peaks' places and feature vectors", null="see reason"),
    column(
        "reason",
        pa.string(),
        "why patterns were not looked for: fewer than 20 peaks, or no peak at all",
        null="they were",
    ),
)
