"""Thresholds, the concepts units detect, and the images that excite them most. Symbols of Bau et al. (2017) in brackets."""

import pyarrow as pa

from filterscope.schemas.columns import CATEGORY, CONCEPT, IMAGE, LAYER, MODEL, NONE, UNIT, VIEW, column, table

CONCEPTS = table(
    column("geometry", pa.string(), "geometry and mask resolution, such as squash-112"),
    CONCEPT,
    CATEGORY,
    column("images", pa.int64(), "images that hold the concept in any of their views"),
    column("pixels", pa.int64(), "pixels it labels in all views [G]", unit="mask pixel"),
    column("eligible", pa.bool_(), "in at least min_images images, and min_groups groups, so that it can label a unit"),
    column("groups", pa.int64(), "groups with an image that holds the concept", null="the data set states no groups"),
    column("note", pa.string(), "why it is not eligible", null="it is"),
)

THRESHOLDS = table(
    MODEL,
    LAYER,
    UNIT,
    column("threshold", pa.float32(), "smallest stored value v with P(x > v) <= quantile [T]"),
    column("quantile", pa.float64(), "probability above the threshold, 0.005 by default"),
    column("count", pa.int64(), "values it was computed from: positions of all raw maps"),
)

ACTIVATION_HISTOGRAMS = table(
    MODEL,
    LAYER,
    UNIT,
    column("low", pa.float32(), "smallest stored activation, where the first bin begins"),
    column("high", pa.float32(), "largest stored activation, where the last bin ends"),
    column("counts", pa.list_(pa.int64()), "activations in equal bins; all in the first where the unit is constant"),
)

BEST = pa.struct([("category", pa.string()), ("concept", pa.string()), ("iou", pa.float64())])

UNITS = table(
    MODEL,
    LAYER,
    UNIT,
    column("status", pa.string(), "live; dead: never above zero or constant; saturated: T is the maximum"),
    column("concept", pa.string(), "eligible concept of highest IoU", null=NONE),
    column("category", pa.string(), "primary category of that concept", null=NONE),
    column("iou", pa.float64(), "its data-set IoU; 0 where none"),
    column("detector", pa.bool_(), "IoU > 0.04"),
    column("runner_up", pa.string(), "eligible concept of second-highest IoU", null="fewer than two"),
    column("runner_up_iou", pa.float64(), "its data-set IoU", null="fewer than two"),
    column("association_concept", pa.string(), "eligible concept of highest association", null=NONE),
    column("association", pa.float64(), "its association P(f,k); 0 where none"),
    column("activated_fraction", pa.float64(), "P(x > T) over the raw maps"),
    column("minimum", pa.float32(), "smallest stored activation"),
    column("maximum", pa.float32(), "largest stored activation"),
    column("mean", pa.float64(), "mean of the stored activations"),
    column("standard_deviation", pa.float64(), "population standard deviation of the stored activations"),
    column("best_per_category", pa.list_(BEST), "eligible concept of highest IoU in each category, where above 0"),
)

UNIT_CONCEPT = table(
    MODEL,
    LAYER,
    UNIT,
    CONCEPT,
    CATEGORY,
    column("intersection", pa.int64(), "pixels activated and labelled [I]", unit="mask pixel"),
    column("activated", pa.int64(), "activated pixels of images that have the category [A]", unit="mask pixel"),
    column("labelled", pa.int64(), "labelled pixels [G]", unit="mask pixel"),
    column("iou", pa.float64(), "I / (A + G - I); 0 where the union is empty"),
    column(
        "association",
        pa.float64(),
        "share of the concept's source images with IoU > 0.04 over their views [P(f,k)]",
        null="in no image",
    ),
    column("lift", pa.float64(), "I over its expectation under independence of image", null="expectation is 0"),
    column("effective_images", pa.float64(), "(sum I)^2 / sum I^2 over source images; 0 where I is 0"),
    column(
        "standard_error",
        pa.float64(),
        "of the IoU, over source images",
        null="under 5 effective images, too few to estimate it from (the case for most pairs of a small data set), or the data "
        "set states groups",
    ),
)

UNIT_IMAGE = table(
    MODEL,
    LAYER,
    UNIT,
    IMAGE,
    VIEW,
    column("maximum", pa.float32(), "largest activation on the view, above T"),
    column("y", pa.uint16(), "map row of the first maximum in row-major order"),
    column("x", pa.uint16(), "map column of that maximum"),
    column(
        "activated",
        pa.uint32(),
        "activated pixels; 0 where only the raw map exceeds T: its peak lies between the pixels that sample it",
        unit="mask pixel",
    ),
)

TOP_IMAGES = table(
    MODEL,
    LAYER,
    UNIT,
    column("rank", pa.int32(), "0 is the view of largest maximum; ties by number of the view"),
    IMAGE,
    VIEW,
    column("maximum", pa.float32(), "largest activation on the view"),
    column("height", pa.uint16(), "rows of the map"),
    column("width", pa.uint16(), "columns of the map"),
    column("map", pa.binary(), "raw map, row-major little-endian float16"),
)
