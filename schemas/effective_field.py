"""Effective receptive fields of units, beside those of a random network, and what of random images their active cells see."""

import pyarrow as pa

from filterscope.schemas.columns import LAYER, MODEL, NO_FIELD, PIXEL, UNIT, column, table

_UNMOVED = "no pixel moves the unit, or no image gives its map a spatial maximum"
_RADIUS_68 = column(
    "radius68", pa.float64(), "of the disc about the centroid with 68 % of the field", unit=PIXEL, null=_UNMOVED
)
_RADIUS_95 = column("radius95", pa.float64(), "of that with 95 % of it", unit=PIXEL, null=_UNMOVED)
_ANISOTROPY = column(
    "anisotropy",
    pa.float64(),
    "standard deviation along the long axis over that along the short one: 1 for a round field",
    null=_UNMOVED,
)
_IMAGES = column("images", pa.int32(), "strongest views whose gradient was taken and that give a spatial maximum")

EFFECTIVE_FIELDS = table(
    MODEL,
    LAYER,
    UNIT,
    _IMAGES,
    _RADIUS_68,
    _RADIUS_95,
    _ANISOTROPY,
    column(
        "angle",
        pa.float64(),
        "direction of the long axis, from that of rows towards lower rows, 0 to 180",
        unit="degrees",
        null=f"{_UNMOVED}; or the field is round",
    ),
    column(
        "offset_y",
        pa.float64(),
        "centroid of the field minus theoretical centre, rows",
        unit=PIXEL,
        null=f"{_UNMOVED}; or the layer has no theoretical field",
    ),
    column(
        "offset_x",
        pa.float64(),
        "the same, columns",
        unit=PIXEL,
        null=f"{_UNMOVED}; or the layer has no theoretical field",
    ),
    column("theoretical_size", pa.float64(), "root of its rows times columns", unit=PIXEL, null=NO_FIELD),
    column(
        "uniform68",
        pa.float64(),
        "radius68 of a unit to which all pixels of its theoretical field inside the input are alike",
        unit=PIXEL,
        null=f"{_UNMOVED}; or the layer has no theoretical field",
    ),
    column(
        "uniform95",
        pa.float64(),
        "radius95 of such a unit",
        unit=PIXEL,
        null=f"{_UNMOVED}; or the layer has no theoretical field",
    ),
    column("picture", pa.binary(), "the field about its theoretical centre, white where it is strongest, a PNG"),
)

EFFECTIVE_CONTROLS = table(
    MODEL,
    LAYER,
    UNIT,
    _IMAGES,
    _RADIUS_68,
    _RADIUS_95,
    _ANISOTROPY,
)

FIELD_STRIPS = table(
    MODEL,
    LAYER,
    UNIT,
    column("kind", pa.string(), "top: a view on which the unit is strongest; random: a drawn one"),
    column("number", pa.int32(), "rank of the view among those of its kind, 0-based"),
    column("image", pa.int64(), "image of the data set"),
    column("view", pa.int32(), "view of the run"),
    column("threshold", pa.float64(), "T, above which a position is active, from the drawn views"),
    column("maximum", pa.float64(), "largest activation on the view"),
    column("active", pa.float64(), "share of the positions of the map that are above T"),
    column("fires", pa.float64(), "share of the drawn views on which some position is above T"),
    column(
        "picture", pa.binary(), "the unit's map, and the view with all dimmed but what moves active positions, a PNG"
    ),
)
