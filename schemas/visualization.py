"""Pictures made so that a unit answers strongly, and how strongly it does."""

import pyarrow as pa

from filterscope.schemas.columns import LAYER, MODEL, UNIT, column, table

_NO_RATIO = "the unit is never above 0 in the data"

VISUALIZATIONS = table(
    MODEL,
    LAYER,
    UNIT,
    column("number", pa.int32(), "number of the picture among those of the unit, each from a random start of its own"),
    column("objective", pa.string(), "what was raised: channel, the mean of the map, or centre, its middle position"),
    column("steps", pa.int32(), "updates"),
    column("activation", pa.float64(), "maximum of the unit's map on the picture as it is kept, untransformed"),
    column(
        "dataset_maximum",
        pa.float64(),
        "largest activation of the unit on any view of the data set",
        null="no view could be decoded",
    ),
    column(
        "ratio", pa.float64(), "activation over dataset_maximum: from 1 on, the picture beats the data", null=_NO_RATIO
    ),
    column("noise_ratio", pa.float64(), "the same for the noise that the picture was made from", null=_NO_RATIO),
    column(
        "scrambled_ratio",
        pa.float64(),
        "the same for the picture with random phases: its frequencies and colours without its structure",
        null=_NO_RATIO,
    ),
    column(
        "likeness",
        pa.float64(),
        "mean cosine of its Gram matrix in the layer and those of the unit's other pictures",
        null="the unit has one picture, or one of them leaves the layer at 0",
    ),
    column("picture", pa.binary(), "the picture, a PNG of the size of the input"),
)
