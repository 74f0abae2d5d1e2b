"""Tables of the run itself: what was audited, on which views, what was rejected and which commands ran."""

import pyarrow as pa

from filterscope.schemas import dataset
from filterscope.schemas.columns import LAYER, MODEL, NO_FIELD, PIXEL, WHOLE, column, table

MODELS = table(
    MODEL,
    column("source", pa.string(), "how the model was named, such as torchvision:resnet18@random:0"),
    column(
        "basis",
        pa.string(),
        "what a unit is: native, a channel as the network has it; or rotate:SEED[:ALPHA], as asked",
    ),
    column("architecture", pa.string(), "name of the architecture"),
    column("weights_sha256", pa.string(), "digest of the weights, hexadecimal"),
    column("transform_hash", pa.string(), "digest of the preprocessing, hexadecimal"),
    column("input_height", pa.int32(), "height of the network input", unit="pixel"),
    column("input_width", pa.int32(), "width of the network input", unit="pixel"),
    column("parameters", pa.int64(), "learnable parameters"),
)

LAYERS = table(
    MODEL,
    LAYER,
    column("type", pa.string(), "class of the module"),
    column("channels", pa.int32(), "units of the layer"),
    column("height", pa.int32(), "rows of its maps"),
    column("width", pa.int32(), "columns of its maps"),
    column(
        "layout",
        pa.string(),
        "the axes of its output, in their order: n images, c units, h rows, w columns; nc for one value per unit, tokens for "
        "the patches of a transformer",
        null="the run was made before layouts were recorded",
    ),
    column("stride", pa.float64(), "between neighbouring positions, the larger axis", unit=PIXEL, null=NO_FIELD),
    column("receptive_field", pa.int32(), "theoretical size, the larger axis", unit=PIXEL, null=NO_FIELD),
    column("field_height", pa.int32(), "rows of the theoretical field", unit=PIXEL, null=NO_FIELD),
    column("field_width", pa.int32(), "columns of the theoretical field", unit=PIXEL, null=NO_FIELD),
    column("centre_y", pa.float64(), "row of the first position's centre, 0 in the first pixel", null=NO_FIELD),
    column("centre_x", pa.float64(), "column of the first position's centre, 0 in the first pixel", null=NO_FIELD),
    column("through_global", pa.bool_(), "depends on the whole input beside its field", null=NO_FIELD),
    column("no_field", pa.string(), "why there is no field of constant size and stride", null="there is one"),
)

VIEWS = table(
    column("view", pa.int32(), "number of the view, 0-based and dense"),
    column("image", pa.int32(), "image it shows; views of one image stay together in every resampling"),
    column("object", pa.int32(), "object whose box it shows", null=WHOLE),
    column("category", pa.string(), "category of the object", null=WHOLE),
    column("flip", pa.bool_(), "mirrored left to right"),
    column("x0", pa.int32(), "left edge of what it shows", unit="pixel", null=WHOLE),
    column("y0", pa.int32(), "top edge", unit="pixel", null=WHOLE),
    column("x1", pa.int32(), "right edge, outside", unit="pixel", null=WHOLE),
    column("y1", pa.int32(), "bottom edge, outside", unit="pixel", null=WHOLE),
)

REJECTS = dataset.REJECTS

RUNS = table(
    column("started", pa.timestamp("us", tz="UTC"), "when the command began"),
    column("seconds", pa.float64(), "how long it took"),
    column("outcome", pa.string(), "done, failed or interrupted"),
    column("command", pa.string(), "arguments as given"),
    column("parameters", pa.string(), "resolved configuration, JSON"),
    column("versions", pa.string(), "versions of python, torch, ray and the other libraries, JSON"),
)
