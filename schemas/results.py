"""Result tables of a run. METHODS names in brackets: the symbols of network dissection (Bau et al. 2017)."""

import pyarrow as pa

from filterscope.schemas.columns import column, table
from filterscope.schemas.dataset import REJECTS
from filterscope.schemas.graphs import GRAPH_TABLES
from filterscope.schemas.localization import PART_LOCALIZATION
from filterscope.schemas.patterns import PATTERN_TABLES

_MODEL = column("model", pa.string(), "name of the model in this run")
_LAYER = column("layer", pa.string(), "qualified name of the tapped module, name#k for its k-th call")
_UNIT = column("unit", pa.int32(), "channel of the layer, 0-based")
_CONCEPT = column("concept", pa.string(), "name of the concept")
_CATEGORY = column("category", pa.string(), "primary category of the concept")
_IMAGE = column("image", pa.int32(), "number of the image in the data set")
_VIEW = column("view", pa.int32(), "number of the view, as in the table views; the image's own where views are images")
_WHOLE = "the view is the whole image"
_NO_FIELD = "no field of constant size and stride; see no_field"
_NONE = "no eligible concept meets the unit anywhere"

MODELS = table(
    _MODEL,
    column("source", pa.string(), "how the model was named, such as torchvision:resnet18@random:0"),
    column("architecture", pa.string(), "name of the architecture"),
    column("weights_sha256", pa.string(), "digest of the weights, hexadecimal"),
    column("transform_hash", pa.string(), "digest of the preprocessing, hexadecimal"),
    column("input_height", pa.int32(), "height of the network input", unit="pixel"),
    column("input_width", pa.int32(), "width of the network input", unit="pixel"),
    column("parameters", pa.int64(), "learnable parameters"),
)

LAYERS = table(
    _MODEL,
    _LAYER,
    column("type", pa.string(), "class of the module"),
    column("channels", pa.int32(), "units of the layer"),
    column("height", pa.int32(), "rows of its maps"),
    column("width", pa.int32(), "columns of its maps"),
    column(
        "stride", pa.float64(), "between neighbouring positions, the larger axis", unit="input pixel", null=_NO_FIELD
    ),
    column("receptive_field", pa.int32(), "theoretical size, the larger axis", unit="input pixel", null=_NO_FIELD),
    column("field_height", pa.int32(), "rows of the theoretical field", unit="input pixel", null=_NO_FIELD),
    column("field_width", pa.int32(), "columns of the theoretical field", unit="input pixel", null=_NO_FIELD),
    column("centre_y", pa.float64(), "row of the first position's centre, 0 in the first pixel", null=_NO_FIELD),
    column("centre_x", pa.float64(), "column of the first position's centre, 0 in the first pixel", null=_NO_FIELD),
    column("through_global", pa.bool_(), "depends on the whole input beside its field", null=_NO_FIELD),
    column("no_field", pa.string(), "why there is no field of constant size and stride", null="there is one"),
)

VIEWS = table(
    column("view", pa.int32(), "number of the view, 0-based and dense"),
    column("image", pa.int32(), "image it shows; views of one image stay together in every resampling"),
    column("object", pa.int32(), "object whose box it shows", null=_WHOLE),
    column("category", pa.string(), "category of the object", null=_WHOLE),
    column("flip", pa.bool_(), "mirrored left to right"),
    column("x0", pa.int32(), "left edge of what it shows", unit="pixel", null=_WHOLE),
    column("y0", pa.int32(), "top edge", unit="pixel", null=_WHOLE),
    column("x1", pa.int32(), "right edge, outside", unit="pixel", null=_WHOLE),
    column("y1", pa.int32(), "bottom edge, outside", unit="pixel", null=_WHOLE),
)

THRESHOLDS = table(
    _MODEL,
    _LAYER,
    _UNIT,
    column("threshold", pa.float32(), "smallest stored value v with P(x > v) <= quantile [T]"),
    column("quantile", pa.float64(), "probability above the threshold, 0.005 by default"),
    column("count", pa.int64(), "values it was computed from: positions of all raw maps"),
)

ACTIVATION_HISTOGRAMS = table(
    _MODEL,
    _LAYER,
    _UNIT,
    column("low", pa.float32(), "smallest stored activation, where the first bin begins"),
    column("high", pa.float32(), "largest stored activation, where the last bin ends"),
    column("counts", pa.list_(pa.int64()), "activations in equal bins; all in the first where the unit is constant"),
)

BEST = pa.struct([("category", pa.string()), ("concept", pa.string()), ("iou", pa.float64())])

UNITS = table(
    _MODEL,
    _LAYER,
    _UNIT,
    column("status", pa.string(), "live; dead: never above zero or constant; saturated: T is the maximum"),
    column("concept", pa.string(), "eligible concept of highest IoU", null=_NONE),
    column("category", pa.string(), "primary category of that concept", null=_NONE),
    column("iou", pa.float64(), "its data-set IoU; 0 where none"),
    column("detector", pa.bool_(), "IoU > 0.04"),
    column("runner_up", pa.string(), "eligible concept of second-highest IoU", null="fewer than two"),
    column("runner_up_iou", pa.float64(), "its data-set IoU", null="fewer than two"),
    column("association_concept", pa.string(), "eligible concept of highest association", null=_NONE),
    column("association", pa.float64(), "its association P(f,k); 0 where none"),
    column("activated_fraction", pa.float64(), "P(x > T) over the raw maps"),
    column("minimum", pa.float32(), "smallest stored activation"),
    column("maximum", pa.float32(), "largest stored activation"),
    column("mean", pa.float64(), "mean of the stored activations"),
    column("standard_deviation", pa.float64(), "population standard deviation of the stored activations"),
    column("best_per_category", pa.list_(BEST), "eligible concept of highest IoU in each category, where above 0"),
)

UNIT_CONCEPT = table(
    _MODEL,
    _LAYER,
    _UNIT,
    _CONCEPT,
    _CATEGORY,
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
    column("standard_error", pa.float64(), "of the IoU, over source images", null="under 5 effective images"),
)

UNIT_IMAGE = table(
    _MODEL,
    _LAYER,
    _UNIT,
    _IMAGE,
    _VIEW,
    column("maximum", pa.float32(), "largest activation on the view, above T"),
    column("y", pa.uint16(), "map row of the first maximum in row-major order"),
    column("x", pa.uint16(), "map column of that maximum"),
    column("activated", pa.uint32(), "activated pixels", unit="mask pixel"),
)

#: What `unit_significance.note` says of labels that hardly move between images.
NOT_TESTABLE = "not testable on aligned data"
#: What it says where no activations were kept to permute annotations against.
NOT_STORED = "activations were not stored"
_UNTESTED = "the unit is not live, its label is not testable, or activations were not stored"

UNIT_SIGNIFICANCE = table(
    _MODEL,
    _LAYER,
    _UNIT,
    column(
        "q_value",
        pa.float64(),
        "share of chance among units with an IoU as high, by permuted annotations",
        null=_UNTESTED,
    ),
    column(
        "p_value", pa.float64(), "share of best IoUs as high under permuted annotations, units pooled", null=_UNTESTED
    ),
    column("significant", pa.bool_(), "q <= 0.05", null=NOT_STORED),
    column("iou_heldout", pa.float64(), "IoU of the concept chosen on the other half of the images", null=_NONE),
    column("interval_low", pa.float64(), "2.5th percentile of iou_heldout over bootstrapped source images", null=_NONE),
    column(
        "interval_high", pa.float64(), "97.5th percentile of iou_heldout over bootstrapped source images", null=_NONE
    ),
    column(
        "label_replicates",
        pa.bool_(),
        "both halves of the images choose the label, with IoU > 0.04 on the other half",
        null=NOT_STORED,
    ),
    column(
        "p_place", pa.float64(), "share of circular shifts of the label's masks that meet the unit as well", null=_NONE
    ),
    column(
        "note",
        pa.string(),
        "`not testable on aligned data`: the label lies alike in most images; `activations were not stored`",
        null="no note",
    ),
)

_ELIGIBLE = pa.struct([("category", pa.string()), ("concepts", pa.int64())])

LAYER_SIGNIFICANCE = table(
    _MODEL,
    _LAYER,
    column("live", pa.int64(), "live units, over which all other columns count"),
    column("over_cutoff", pa.int64(), "units with a best IoU > 0.04"),
    column("expected_by_chance", pa.float64(), "the same under permuted annotations, on average"),
    column("significant", pa.int64(), "units with q <= 0.05"),
    column("replicating", pa.int64(), "units whose label replicates on held-out images"),
    column("calibrated_cutoff", pa.float64(), "smallest best IoU with q <= 0.05", null="no unit has q <= 0.05"),
    column("testable", pa.int64(), "units whose label can be tested"),
    column("eligible", pa.list_(_ELIGIBLE), "eligible concepts of each category"),
    column("permutations", pa.int32(), "permutations of the annotations"),
)

DETECTOR_GROWTH = table(
    _MODEL,
    _LAYER,
    _UNIT,
    column("images", pa.int32(), "source images of the sample: an eighth, a quarter, half and all of them, nested"),
    column(
        "concept",
        pa.string(),
        "concept of highest IoU on the sample, of those eligible on all images, under T of all images",
        null="no such concept meets the unit on the sample",
    ),
    column("iou", pa.float64(), "its data-set IoU on the sample; 0 where none"),
    column("detector", pa.bool_(), "IoU > 0.04 on the sample"),
    column("chance", pa.float64(), "share of 10 permutations of the sample's annotations with a best IoU > 0.04"),
)

TOP_IMAGES = table(
    _MODEL,
    _LAYER,
    _UNIT,
    column("rank", pa.int32(), "0 is the view of largest maximum; ties by number of the view"),
    _IMAGE,
    _VIEW,
    column("maximum", pa.float32(), "largest activation on the view"),
    column("height", pa.uint16(), "rows of the map"),
    column("width", pa.uint16(), "columns of the map"),
    column("map", pa.binary(), "raw map, row-major little-endian float16"),
)

_FEW = "fewer images than the protocol asks for"

LOCATION_INSTABILITY = table(
    _MODEL,
    _LAYER,
    _UNIT,
    column("category", pa.string(), "category of the objects that the views show", null=_WHOLE),
    column("landmark", pa.string(), "name of the landmark"),
    column("protocol", pa.string(), "survey, explanatory-graph or interpretable-cnn"),
    column("instability", pa.float64(), "deviation of the distance to the landmark, in diagonals [D]", null=_FEW),
    column("fixed", pa.float64(), "the same of the crop's centre, on the same views", null=_FEW),
    column("uniform", pa.float64(), "the same of positions drawn over the crop, on the same views", null=_FEW),
    column(
        "tracking",
        pa.float64(),
        "1 - tr Cov(landmark - unit) / tr Cov(landmark): 0 for a constant, 1 for a follower",
        null=f"{_FEW}, or the landmark never moves",
    ),
    column("images", pa.int32(), "views measured: the unit's strongest that show the landmark once"),
    column("p_fixed", pa.float64(), "that the unit is no steadier than `fixed`, by bootstrap over images", null=_FEW),
    column("p_uniform", pa.float64(), "that the unit is no steadier than `uniform`", null=_FEW),
    column("beats_fixed", pa.bool_(), "p_fixed < 0.05"),
    column("beats_uniform", pa.bool_(), "p_uniform < 0.05"),
    column("no_maximum", pa.int32(), "views on which the map has no spatial maximum; dropped in the protocol survey"),
    column("repeated", pa.int32(), "views dropped because they show the landmark more than once"),
    column("outside", pa.int32(), "views dropped because the landmark lies outside of them"),
)

_UNSEEN = "no view shows the part"

PART_INTERPRETABILITY = table(
    _MODEL,
    _LAYER,
    _UNIT,
    column("concept", pa.string(), "name of the part, a concept of the category part [k]"),
    column("views", pa.int64(), "views that show the part"),
    column("matched", pa.int64(), "of these, views on which the unit's receptive-field mask has IoU > 0.2 with it"),
    column("share", pa.float64(), "matched / views [P(f,k)]", null=_UNSEEN),
    column("mean_iou", pa.float64(), "IoU averaged over these views [IoU^I]", null=_UNSEEN),
    column("largest_iou", pa.float64(), "largest IoU on one of them", null=_UNSEEN),
    column("eligible", pa.bool_(), "in at least min_images images, so that it can be the unit's part"),
    column("best", pa.bool_(), "eligible and of largest share above 0, which is then P_f; ties to the first part"),
)

UNIT_ANCHORINGS = table(
    _MODEL,
    _LAYER,
    _UNIT,
    column("anchoring", pa.string(), "the anchoring that the run does not use: resize or receptive_field"),
    column("concept", pa.string(), "eligible concept of highest IoU under it", null=_NONE),
    column("iou", pa.float64(), "its data-set IoU; 0 where none"),
)

LABEL_STABILITY = table(
    _MODEL,
    _LAYER,
    _UNIT,
    column("quantile", pa.float64(), "probability above the threshold: 0.001, 0.005, 0.01, 0.05 and the run's own"),
    column("threshold", pa.float32(), "smallest stored value v with P(x > v) <= quantile [T]"),
    column("concept", pa.string(), "eligible concept of highest IoU at it", null=_NONE),
    column("iou", pa.float64(), "its data-set IoU; 0 where none"),
)

CONCEPTS = table(
    column("geometry", pa.string(), "geometry and mask resolution, such as squash-112"),
    _CONCEPT,
    _CATEGORY,
    column("images", pa.int64(), "images that hold the concept in any of their views"),
    column("pixels", pa.int64(), "pixels it labels in all views [G]", unit="mask pixel"),
    column("eligible", pa.bool_(), "in at least min_images images, so that it can label a unit"),
)

_UNMOVED = "no occluder moves the unit, or no image gives its map a spatial maximum"
_NO_CENTRE = f"{_UNMOVED}; or the layer has no theoretical field"
_NO_UNIT = "no unit is measured"

RECEPTIVE_FIELDS = table(
    _MODEL,
    _LAYER,
    _UNIT,
    column("theoretical_size", pa.float64(), "root of its rows times columns", unit="input pixel", null=_NO_FIELD),
    column(
        "theoretical_area",
        pa.float64(),
        "pixels of it inside the input, averaged over the maximal positions",
        unit="input pixel",
        null="no field of constant size, or no image gives the map a spatial maximum",
    ),
    column("empirical_size", pa.float64(), "square root of empirical_area", unit="input pixel", null=_UNMOVED),
    column(
        "empirical_area",
        pa.int64(),
        "pixels of at least half the largest discrepancy; about the occluder's at least",
        unit="input pixel",
        null=_UNMOVED,
    ),
    column("offset_y", pa.float64(), "centroid minus theoretical centre, rows", unit="input pixel", null=_NO_CENTRE),
    column("offset_x", pa.float64(), "centroid minus theoretical centre, columns", unit="input pixel", null=_NO_CENTRE),
    column("images", pa.int32(), "strongest views that were occluded and have a spatial maximum"),
    column("occluder", pa.int32(), "rows and columns of an occluder", unit="input pixel"),
    column("step", pa.int32(), "between neighbouring occluders", unit="input pixel"),
)

LAYER_FIELDS = table(
    _MODEL,
    _LAYER,
    column("units", pa.int64(), "units that were measured and have an empirical field"),
    column("theoretical_size", pa.float64(), "mean over these units", unit="input pixel", null=_NO_UNIT),
    column("theoretical_area", pa.float64(), "mean over these units", unit="input pixel", null=_NO_UNIT),
    column("empirical_size", pa.float64(), "mean over these units", unit="input pixel", null=_NO_UNIT),
    column("empirical_area", pa.float64(), "mean over these units", unit="input pixel", null=_NO_UNIT),
    column("anchor_offset_y", pa.float64(), "mean offset_y of these units", unit="input pixel", null=_NO_UNIT),
    column("anchor_offset_x", pa.float64(), "mean offset_x of these units", unit="input pixel", null=_NO_UNIT),
    column(
        "standard_error_y", pa.float64(), "of anchor_offset_y, over units", unit="input pixel", null="under two units"
    ),
    column(
        "standard_error_x", pa.float64(), "of anchor_offset_x, over units", unit="input pixel", null="under two units"
    ),
)

RUNS = table(
    column("started", pa.timestamp("us", tz="UTC"), "when the command began"),
    column("seconds", pa.float64(), "how long it took"),
    column("outcome", pa.string(), "done, failed or interrupted"),
    column("command", pa.string(), "arguments as given"),
    column("parameters", pa.string(), "resolved configuration, JSON"),
    column("versions", pa.string(), "versions of python, torch, ray and the other libraries, JSON"),
)

TABLES = {
    "models": MODELS,
    "layers": LAYERS,
    "views": VIEWS,
    "concepts": CONCEPTS,
    "thresholds": THRESHOLDS,
    "activation_histograms": ACTIVATION_HISTOGRAMS,
    "units": UNITS,
    "unit_concept": UNIT_CONCEPT,
    "unit_image": UNIT_IMAGE,
    "top_images": TOP_IMAGES,
    "unit_significance": UNIT_SIGNIFICANCE,
    "layer_significance": LAYER_SIGNIFICANCE,
    "detector_growth": DETECTOR_GROWTH,
    "part_interpretability": PART_INTERPRETABILITY,
    "unit_anchorings": UNIT_ANCHORINGS,
    "label_stability": LABEL_STABILITY,
    "receptive_fields": RECEPTIVE_FIELDS,
    "layer_fields": LAYER_FIELDS,
    "location_instability": LOCATION_INSTABILITY,
    **PATTERN_TABLES,
    **GRAPH_TABLES,
    "part_localization": PART_LOCALIZATION,
    "rejects": REJECTS,
    "runs": RUNS,
}

_UNMEASURED = "see no_offset"

#: Columns that `schemas.scan` joins to a table from another one.
JOINED = {
    "layers": table(
        column(
            "anchor_offset_y",
            pa.float64(),
            "mean empirical centroid minus theoretical centre, rows",
            unit="input pixel",
            null=_UNMEASURED,
        ),
        column("anchor_offset_x", pa.float64(), "the same, columns", unit="input pixel", null=_UNMEASURED),
        column("no_offset", pa.string(), "why there is no anchor offset", null="there is one"),
    )
}

#: All columns of every table as `schemas.scan` returns it.
SCANNED = {name: pa.schema([*schema, *JOINED.get(name, ())]) for name, schema in TABLES.items()}
