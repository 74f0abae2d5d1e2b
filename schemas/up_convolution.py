"""What up-convolutional inversions of a layer keep of the images, beside controls."""

import pyarrow as pa

from filterscope.schemas.columns import LAYER, MODEL, UNIT, column, table

_NONE = "the measure is not defined: no edges, no class scores, or images below 7 pixels"
_WHOLE = "of damaged features there is none, or the measure is not defined"


def _control(name: str, says: str) -> pa.Field:
    return column(name, pa.float64(), f"the same measure of {says}", null=_WHOLE)


UPCONVOLUTIONS = table(
    MODEL,
    LAYER,
    column("features", pa.string(), "whole, or how the features were damaged before they were inverted"),
    column(
        "measure",
        pa.string(),
        "error, colour, place, edges and cycle, which are 0 at best; structure and identity, which are 1",
    ),
    column("value", pa.float64(), "mean over held-out images of the inverter's pictures", null=_NONE),
    column("low", pa.float64(), "lower end of its 95 % interval", null=_NONE),
    column("high", pa.float64(), "upper end", null=_NONE),
    _control("mean_image", "the mean training image"),
    _control("nearest", "the training image whose features are nearest"),
    _control("ridge", "a linear inverter"),
    _control("random_weights", "an inverter of the same network untrained"),
    _control("another", "the inversion of another held-out image"),
    column(
        "kept_by_training",
        pa.float64(),
        "how much better the value is than that of random weights; negative where the untrained network keeps more",
        null=_WHOLE,
    ),
    column("kept_low", pa.float64(), "lower end of its 95 % interval, by pairs", null=_WHOLE),
    column("kept_high", pa.float64(), "upper end", null=_WHOLE),
    column("images", pa.int32(), "held-out images"),
)

UPCONVOLUTION_PICTURES = table(
    MODEL,
    LAYER,
    column("view", pa.int64(), "the held-out view"),
    column(
        "source",
        pa.string(),
        "image, as the network sees it; inverter; or a control: mean_image, nearest, ridge, random_weights, another",
    ),
    column("error", pa.float64(), "distance from the image over the mean distance of random pairs of images"),
    column("picture", pa.binary(), "the picture, a PNG of the size of the input"),
)

UPCONVOLUTION_UNITS = table(
    MODEL,
    LAYER,
    UNIT,
    column(
        "change",
        pa.float64(),
        "how far the inversion moves when the unit is set to its minimum, in the unit of errors; mean over its top images",
    ),
    column(
        "inside",
        pa.float64(),
        "share of that change in the fifth of the picture where the unit is strongest",
        null="the layer has no places, or the inversion does not change",
    ),
    column(
        "inside_control",
        pa.float64(),
        "the same in the fifth where another unit is strongest",
        null="the layer has no places or no other unit, or the inversion does not change",
    ),
    column("images", pa.int32(), "held-out images, those of the unit's largest maxima"),
)
