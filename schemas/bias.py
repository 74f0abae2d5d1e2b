"""Which attributes a network ties together, where in a view it looks for each, and what edits of a region do."""

import pyarrow as pa

from filterscope.schemas.columns import IMAGE, LAYER, MODEL, VIEW, column, table

_ATTRIBUTE = column("attribute", pa.string(), "name of an output of the network")
_NOT_EXPECTED = "nothing is expected of the pair"
_UNLABELLED = "the data set does not label both attributes, or one is the same on all images"
_NO_REGRESSION = "fewer than three pairs have a correlation in the labels"

ATTRIBUTE_RELATIONS = table(
    MODEL,
    LAYER,
    _ATTRIBUTE,
    column("other", pa.string(), "name of another output, of higher index"),
    column(
        "mean",
        pa.float64(),
        "mined relation: the cosine of both outputs' gradients where each output has its evidence, mean over views [mu]",
        null="no view has evidence for both",
    ),
    column(
        "standard_deviation",
        pa.float64(),
        "standard deviation of the cosine over views [sigma]",
        null="no view has evidence for both",
    ),
    column(
        "low",
        pa.float64(),
        "lower limit of the mean's 95 % interval over source images",
        null="no view has evidence for both",
    ),
    column(
        "high",
        pa.float64(),
        "upper limit of the mean's 95 % interval over source images",
        null="no view has evidence for both",
    ),
    column("views", pa.int64(), "views that have evidence for both"),
    column("unmasked", pa.float64(), "the mean with all elements of the maps", null="a gradient is 0 on every view"),
    column(
        "random",
        pa.float64(),
        "the mean in the same network with its weights in another order, centred",
        null="no view has it",
    ),
    column("expected", pa.string(), "what the user expects: +, - or 0", null=_NOT_EXPECTED),
    column(
        "divergence",
        pa.float64(),
        "KL divergence of the relation from what is expected, in nats",
        null=f"{_NOT_EXPECTED}, or no view has evidence for both",
    ),
    column(
        "kind",
        pa.string(),
        "agrees; blind_spot: a relation that is expected is missing; failure_mode: one is there that is not expected, or of "
        "the other sign",
        null=f"{_NOT_EXPECTED}, or no view has evidence for both",
    ),
    column(
        "assumed",
        pa.bool_(),
        "whether fewer than three other pairs have the same expectation, so that the median size of all relations is used",
        null=f"{_NOT_EXPECTED}, or no view has evidence for both",
    ),
    column("data_correlation", pa.float64(), "correlation phi of both attributes in the labels", null=_UNLABELLED),
    column(
        "data_information",
        pa.float64(),
        "H(attribute) - H(attribute | other) in the labels, in bits",
        null="the data set does not label both attributes",
    ),
    column("data_images", pa.int64(), "images of which both labels are known"),
    column(
        "residual",
        pa.float64(),
        "the mean, less what a straight line through all pairs predicts from data_correlation",
        null=f"{_UNLABELLED}, or {_NO_REGRESSION}",
    ),
    column(
        "rank", pa.int32(), "place among the pairs by the size of residual, or of the mean where none has a residual"
    ),
)

ATTRIBUTE_PATTERNS = table(
    MODEL,
    LAYER,
    IMAGE,
    VIEW,
    _ATTRIBUTE,
    column("score", pa.float32(), "score of the attribute on the view"),
    column("height", pa.int32(), "rows of the map"),
    column("width", pa.int32(), "columns of the map"),
    column(
        "map",
        pa.list_(pa.float32()),
        "gradient times map where the attribute has its evidence, summed over units; row by row",
    ),
    column("scale", pa.float64(), "99.5 % quantile of the size of such values of the attribute over all views"),
)

REGION_EDITS = table(
    MODEL,
    _ATTRIBUTE,
    column("region", pa.string(), "the region that is edited"),
    column("role", pa.string(), "own: the attribute is seen there, context: it is not", null="the user does not say"),
    column(
        "edit",
        pa.string(),
        "mask: the region's mean colour, grey, blur; paste: what a view without the attribute shows there",
    ),
    column("views", pa.int32(), "views with the attribute, by score and label, that were edited"),
    column("labelled", pa.bool_(), "whether the data set labels the attribute; if not, the score alone decides"),
    column(
        "contrast", pa.float64(), "mean score of the views with the attribute less that of the views without it [C]"
    ),
    column("share_lost", pa.float64(), "part of the contrast that the edit takes from the score"),
    column("low", pa.float64(), "lower limit of its 95 % interval over source images"),
    column("high", pa.float64(), "upper limit of its 95 % interval over source images"),
    column(
        "control",
        pa.float64(),
        "the same of the control: what another view with the attribute shows is pasted; an equal region elsewhere is painted",
    ),
    column("effect", pa.float64(), "share_lost less control"),
    column("effect_low", pa.float64(), "lower limit of its 95 % interval over source images"),
    column("effect_high", pa.float64(), "upper limit of its 95 % interval over source images"),
    column("flips", pa.float64(), "share of the views whose score falls below 0"),
    column("control_flips", pa.float64(), "the same of the control"),
)

EDITED_VIEWS = table(
    MODEL,
    IMAGE,
    VIEW,
    _ATTRIBUTE,
    column("region", pa.string(), "the region that is edited"),
    column("edit", pa.string(), "mask, grey, blur or paste, as of region_edits"),
    column("before", pa.float32(), "score of the attribute on the view"),
    column("after", pa.float32(), "score after the edit"),
    column("control", pa.float32(), "score after the control of the edit"),
)
