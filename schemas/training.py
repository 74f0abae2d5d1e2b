"""What networks learned while they were trained here."""

import pyarrow as pa

from filterscope.schemas.columns import LAYER, UNIT, column, table

TRAINING = table(
    column("model", pa.string(), "name of the trained network, as in trained:RUN/NAME"),
    column("recipe", pa.string(), "recipe that trains it"),
    column("subject", pa.string(), "network and layer that it starts from, or data where it starts from none"),
    column("seed", pa.int32(), "seed of its initial weights and of the order of its images"),
    column("epoch", pa.int32(), "passes over the training images that were made, 1 after the first"),
    column("step", pa.int64(), "updates that were made"),
    column("split", pa.string(), "train, or heldout: images that it never learns from"),
    column("metric", pa.string(), "what was measured, such as loss or accuracy"),
    column(
        "label", pa.string(), "class or attribute that it was measured on", null="all of them, each weighted equally"
    ),
    column(
        "value", pa.float64(), "the measure; for the split train, the mean over the epoch, while the weights changed"
    ),
    column(
        "control",
        pa.float64(),
        "what a constant answer would give, such as always the majority of the training images; of agreement and top type, "
        "what the coupling of other classes gives, and of entropy what uniform coupling gives; of purity, permuted codes",
        null="the measure has none",
    ),
    column("examples", pa.int64(), "images, or images with a known label, that it was measured on"),
    column("seconds", pa.float64(), "how long the epoch took, measuring included"),
    column("device", pa.string(), "where it ran: cpu or cuda"),
)

FILTER_CATEGORIES = table(
    column("model", pa.string(), "name of the trained network, as in trained:RUN/NAME"),
    LAYER,
    UNIT,
    column(
        "category", pa.string(), "category whose training images it fires on most", null="it fires on no image of any"
    ),
    column(
        "margin",
        pa.float64(),
        "mean sum of its map on them less that on the next category, over their sum; with one category less that on the "
        "images without an object",
    ),
)

TRAINING_COMPARISON = table(
    column("recipe", pa.string(), "recipe that trained the twins"),
    column("subject", pa.string(), "network and layer that they start from"),
    column("seed", pa.int32(), "seed of their initial weights and of the order of their images", null="all, averaged"),
    column("measure", pa.string(), "what was measured of each"),
    column("plain", pa.float64(), "the measure of the twin trained without", null="it could not be measured"),
    column("interpretable", pa.float64(), "of the twin with interpretable filters", null="it could not be measured"),
    column(
        "low", pa.float64(), "lower end of the 95 % interval of interpretable - plain", null="one could not be measured"
    ),
    column("high", pa.float64(), "upper end", null="one could not be measured"),
)

GENERATED = table(
    column("model", pa.string(), "name of the trained network, as in trained:RUN/NAME"),
    column("code", pa.string(), "code that changes along a row of pictures: category, or uniform and its number"),
    column("row", pa.int32(), "row of pictures, 0-based; all other codes are the same along it"),
    column("step", pa.int32(), "place in the row, 0-based"),
    column("value", pa.float64(), "of the code: number of the category, or from -1 to 1"),
    column("height", pa.int32(), "rows of the picture", unit="pixel"),
    column("width", pa.int32(), "columns of the picture", unit="pixel"),
    column("picture", pa.binary(), "grey values of the generated image, 0 to 255, row by row"),
)
