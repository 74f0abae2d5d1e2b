"""Where patterns lie on held-out crops."""

import pyarrow as pa

from filterscope.schemas.columns import FILTER, FILTER_LAYER, MODEL, PIXEL, column, table

_CONSTANT = "a filter whose map is constant"

PATTERN_POSITIONS = table(
    MODEL,
    FILTER_LAYER,
    column("category", pa.string(), "category of the objects whose crops the patterns were learned from"),
    FILTER,
    column("pattern", pa.int32(), "number of the pattern in its filter: 0 has most peaks", null="the filter itself"),
    column("view", pa.int32(), "number of the view, as in the table views: a crop held out and not mirrored"),
    column("y", pa.float32(), "row of its strongest peak, or its mean row without one", unit=PIXEL, null=_CONSTANT),
    column("x", pa.float32(), "column", unit=PIXEL, null=_CONSTANT),
    column("activation", pa.float32(), "activation at the peak, of a filter its maximum", null="no peak above T"),
)
