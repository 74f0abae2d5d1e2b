"""How steadily units keep their distance to landmarks."""

import pyarrow as pa

from filterscope.schemas.columns import FEW, LAYER, MODEL, UNIT, WHOLE, column, table

#: How steady something is beside a landmark; what leads comes first.
STEADINESS = (
    column("displacement", pa.float64(), "deviation of the vector to the landmark, in diagonals", null=FEW),
    column("constant", pa.float64(), "the same of a constant position: the landmark's own deviation", null=FEW),
    column(
        "tracking",
        pa.float64(),
        "1 - displacement^2 / constant^2, 0 for a constant and 1 for a follower",
        null=f"{FEW}, or the landmark never moves",
    ),
    column("instability", pa.float64(), "deviation of the distance to the landmark, in diagonals [D]", null=FEW),
)
#: The same where it is triggered.
TRIGGERED = (
    column("triggered_tracking", pa.float64(), "tracking over the views measured that trigger it", null=FEW),
    column("triggered_instability", pa.float64(), "instability over these views", null=FEW),
    column(
        "triggered_share",
        pa.float64(),
        "share of the views measured that trigger it: a response of at least half the mean of its 20 best",
        null="no view is measured",
    ),
)

LOCATION_INSTABILITY = table(
    MODEL,
    LAYER,
    UNIT,
    column("category", pa.string(), "category of the objects that the views show", null=WHOLE),
    column("landmark", pa.string(), "name of the landmark"),
    column("protocol", pa.string(), "survey, explanatory-graph or interpretable-cnn"),
    *STEADINESS,
    column("fixed", pa.float64(), "instability of the crop's centre, on the same views", null=FEW),
    column("uniform", pa.float64(), "instability of positions drawn over the crop, on the same views", null=FEW),
    *TRIGGERED,
    column("images", pa.int32(), "views measured: the unit's strongest that show the landmark once"),
    column("p_fixed", pa.float64(), "that the unit is no steadier than `fixed`, by bootstrap over images", null=FEW),
    column("p_uniform", pa.float64(), "that the unit is no steadier than `uniform`", null=FEW),
    column("beats_fixed", pa.bool_(), "p_fixed < 0.05"),
    column("beats_uniform", pa.bool_(), "p_uniform < 0.05"),
    column("no_maximum", pa.int32(), "views on which the map has no spatial maximum; dropped in the protocol survey"),
    column("repeated", pa.int32(), "views dropped because they show the landmark more than once"),
    column("outside", pa.int32(), "views dropped because the landmark lies outside of them"),
)
