"""Whether units follow the content of an image when it moves."""

import pyarrow as pa

from filterscope.schemas.columns import LAYER, MODEL, UNIT, WHOLE, column, table

_FEW = "fewer than ten pairs of crops on which the unit has a maximum"

FOLLOWS_SHIFT = table(
    MODEL,
    LAYER,
    UNIT,
    column("category", pa.string(), "category of the objects that the views show", null=WHOLE),
    column(
        "follows_shift",
        pa.float64(),
        "how far the strongest position moves, over how far the content does: 0 for a constant, 1 for a follower",
        null=_FEW,
    ),
    column("standard_error", pa.float64(), "of follows_shift, over source images", null=_FEW),
    column("views", pa.int32(), "pairs of crops measured, one of each view"),
    column("no_maximum", pa.int32(), "pairs left out: the map of one of the crops has no spatial maximum"),
    column("triggered_follows_shift", pa.float64(), "follows_shift over the pairs that trigger the unit", null=_FEW),
    column(
        "triggered_share",
        pa.float64(),
        "share of the pairs measured that trigger it: the weaker response at least half the mean of its 20 best",
        null="no pair is measured",
    ),
)
