"""Pictures of units made with a learned prior, and how far to trust them."""

import pyarrow as pa

from filterscope.schemas.columns import LAYER, MODEL, UNIT, column, table

_PRIOR = column("prior", pa.string(), "what generates: inverter, or the generator that was named")
_WEIGHT = column("weight", pa.float64(), "weight of the prior in a step")
_NEVER = "the unit is never above 0 in the data"
_NO_CODES = "the generator has no encoder"

SYNTHESES = table(
    MODEL,
    LAYER,
    UNIT,
    _PRIOR,
    _WEIGHT,
    column("chain", pa.int32(), "number of the chain among those of the unit, each from a random start of its own"),
    column("steps", pa.int32(), "steps of the chain"),
    column("activation", pa.float64(), "maximum of the unit's map on the picture as it is kept"),
    column("over_dataset", pa.float64(), "activation over the largest on any view of the data set", null=_NEVER),
    column("unguided", pa.float64(), "the same of a chain from the same start that no unit guides", null=_NEVER),
    column("quantile", pa.float64(), "share of the views whose maximum is at most the activation"),
    column(
        "natural",
        pa.float64(),
        "share of real images that the prior reconstructs no better than the picture; below .05 it is unlike any image",
        null=_NO_CODES,
    ),
    column("nearest", pa.float64(), "distance from the nearest known image over that of random pairs; near 0: copied"),
    column("nearest_real", pa.float64(), "the same of other real images, the median"),
    column("kept", pa.bool_(), "natural is at least .05", null=_NO_CODES),
    column("picture", pa.binary(), "the picture, a PNG"),
)

_NO_OTHER = "no other network was named"

SYNTHESIS_UNITS = table(
    MODEL,
    LAYER,
    UNIT,
    _PRIOR,
    _WEIGHT,
    column(
        "diversity",
        pa.float64(),
        "mean distance of its pictures in the layer over that of as many of its top images",
        null="there is one picture, or its top images do not differ",
    ),
    column("matched", pa.int32(), "unit of the other network that correlates with it most over images", null=_NO_OTHER),
    column(
        "transfer",
        pa.float64(),
        "mean share of real images on which that unit's maximum is at most that on the pictures",
        null=_NO_OTHER,
    ),
    column("transfer_control", pa.float64(), "the same of a random unit of the other network", null=_NO_OTHER),
    column("images", pa.int32(), "pictures"),
)
