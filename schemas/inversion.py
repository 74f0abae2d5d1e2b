"""Images made from nothing but what a layer says of another image, and how close they come."""

import pyarrow as pa

from filterscope.schemas.columns import IMAGE, LAYER, MODEL, VIEW, column, table

_SILENT = "the layer is 0 on the view"
_NO_CLASS = "no other drawn view has its class, or the network gives no class scores"

INVERSIONS = table(
    MODEL,
    LAYER,
    IMAGE,
    VIEW,
    column("network", pa.string(), "trained; or shuffled: all its weights in another order"),
    column("steps", pa.int32(), "updates"),
    column(
        "error",
        pa.float64(),
        "squared distance of the activations on the image that was made, in 8 bits, and on the view, over the squared length "
        "of the latter",
        null=_SILENT,
    ),
    column("noise_error", pa.float64(), "the same of the noise that it was made from", null=_SILENT),
    column(
        "class_error",
        pa.float64(),
        "the same of other drawn views of its class (that of highest score), mean",
        null=f"{_SILENT}; or {_NO_CLASS}",
    ),
    column("nearest_error", pa.float64(), "that of the drawn view that is nearest in the layer", null=_SILENT),
    column(
        "pixel_error",
        pa.float64(),
        "squared distance of the pixels of the image that was made and of the view, over that of the view and its mean colour",
        null="the view has one colour",
    ),
    column(
        "nearest_pixel_error",
        pa.float64(),
        "the same of the drawn view whose pixels are nearest",
        null="the view has one colour",
    ),
    column("picture", pa.binary(), "the view and the image that was made, a PNG"),
)
