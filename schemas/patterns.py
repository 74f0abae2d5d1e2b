"""Tables of patterns: what a filter's peaks are clusters of."""

import pyarrow as pa

from filterscope.schemas.columns import column, table

_MODEL = column("model", pa.string(), "name of the model in this run")
_LAYER = column("layer", pa.string(), "qualified name of the tapped module")
_UNIT = column("unit", pa.int32(), "channel of the layer, 0-based: the filter")
_PIXEL = "input pixel"
_CONSTANT = "a filter whose map is constant"

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
    _MODEL,
    _LAYER,
    _UNIT,
    column("pattern", pa.int32(), "number of the pattern in its filter: 0 has most peaks"),
    column("peaks", pa.int32(), "peaks that belong to it"),
    column("share", pa.float64(), "these over all clustered peaks of the filter"),
    column("images", pa.int32(), "source images with such a peak"),
    column("mean_y", pa.float64(), "mean row of its peaks", unit=_PIXEL),
    column("mean_x", pa.float64(), "mean column of its peaks", unit=_PIXEL),
    column("spread", pa.float64(), "root of the mean squared distance from there, along one axis", unit=_PIXEL),
    column("mean_activation", pa.float64(), "mean activation at its peaks"),
    column("top_images", pa.list_(PEAK), "its strongest peak on each of its 100 strongest views, best first"),
)

UNIT_PATTERNS = table(
    _MODEL,
    _LAYER,
    _UNIT,
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

PATTERN_POSITIONS = table(
    _MODEL,
    _LAYER,
    column("category", pa.string(), "category of the objects whose crops the patterns were learned from"),
    _UNIT,
    column("pattern", pa.int32(), "number of the pattern in its filter: 0 has most peaks", null="the filter itself"),
    column("view", pa.int32(), "number of the view, as in the table views: a crop held out and not mirrored"),
    column("y", pa.float32(), "row of its strongest peak, or its mean row without one", unit=_PIXEL, null=_CONSTANT),
    column("x", pa.float32(), "column", unit=_PIXEL, null=_CONSTANT),
    column("activation", pa.float32(), "activation at the peak, of a filter its maximum", null="no peak above T"),
)

#: Tables of patterns.
PATTERN_TABLES = {"patterns": PATTERNS, "unit_patterns": UNIT_PATTERNS, "pattern_positions": PATTERN_POSITIONS}
