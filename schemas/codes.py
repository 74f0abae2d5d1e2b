"""What the codes of a network stand for: of encoders, decoders and pooled units of layers."""

import pyarrow as pa

from filterscope.schemas.columns import IMAGE, LAYER, MODEL, column, table

_GROUP = column("group", pa.int32(), "group of the codes, such as a class's capsule; 0 where there is one")
_CODE = column("code", pa.int32(), "number of the code in its group; for a layer, the unit")
_FACTOR = column(
    "factor", pa.string(), "what varies in the images: an attribute of the data set, or a shape that is measured"
)
_NO_DECODER = "the network has no decoder, or the factor cannot be measured in decoded images"
_NO_CODES = "the network does not encode, or the factor does not vary"
_NO_AXIS = "nothing changes along the code, or it belongs to a choice, which no step is taken along"

CODE_FACTORS = table(
    MODEL,
    LAYER,
    _GROUP,
    _CODE,
    _FACTOR,
    column("provider", pa.string(), "where the factor is from: attributes or morphometry"),
    column(
        "mutual_information", pa.float64(), "of code and factor, in bins of equal count", unit="nat", null=_NO_CODES
    ),
    column("mutual_information_null", pa.float64(), "its mean over permuted images", unit="nat", null=_NO_CODES),
    column(
        "association_q",
        pa.float64(),
        "false discovery rate, over the layer, at which the code tells more of the factor than permuted images",
        null=_NO_CODES,
    ),
    column("spearman", pa.float64(), "rank correlation", null=f"{_NO_CODES}, or its values are names"),
    column(
        "partial_spearman",
        pa.float64(),
        "rank correlation given the other factors of the same provider",
        null=f"{_NO_CODES}, or its values are names",
    ),
    column(
        "effect",
        pa.float64(),
        "mean slope of the factor in decoded images, in standard deviations over the data per step of 1 along the code",
        null=_NO_DECODER,
    ),
    column(
        "effect_error", pa.float64(), "standard error of that mean", null=f"{_NO_DECODER}, or there is one base image"
    ),
    column("linearity", pa.float64(), "mean R2 of the lines", null=f"{_NO_DECODER}, or nothing changes"),
    column(
        "monotone",
        pa.float64(),
        "share of base images on which the factor rises, or falls, at every step",
        null=_NO_DECODER,
    ),
)

CODES = table(
    MODEL,
    LAYER,
    _GROUP,
    _CODE,
    column(
        "basis", pa.string(), "what specificity is of: the effects on decoded images (intervention), or association"
    ),
    column("variance", pa.float64(), "variance over the images", null="the network does not encode"),
    column(
        "active",
        pa.bool_(),
        "whether that is above a hundredth of the largest of the group",
        null="the network does not encode",
    ),
    column(
        "change",
        pa.float64(),
        "sizes of its effects on all factors together: a code that changes little may be special and not matter",
        null="there is no decoder",
    ),
    column("top_factor", pa.string(), "factor that it changes, or tells, most", null=_NO_AXIS),
    column("runner_up", pa.string(), "factor that comes second", null=f"{_NO_AXIS}, or there is one factor"),
    column(
        "specificity",
        pa.float64(),
        "share of the largest effect in all effects, or of the largest information above the null in all of it",
        null=_NO_AXIS,
    ),
    column(
        "specificity_whitened",
        pa.float64(),
        "the same once factors are uncorrelated over the data",
        null=f"{_NO_AXIS}, or there is no decoder",
    ),
    column(
        "random95",
        pa.float64(),
        "specificity that 95 % of random directions of the group are below",
        null="no random direction has one",
    ),
    column(
        "p",
        pa.float64(),
        "share of random directions, the code counted among them, that are at least as specific",
        null=_NO_AXIS,
    ),
    column("q_value", pa.float64(), "false discovery rate of that over the codes of the layer", null=_NO_AXIS),
    column(
        "identity_kept",
        pa.float64(),
        "share of images decoded along it on which an independent classifier keeps its class",
        null="there is no decoder, or --codes.classifier names no network",
    ),
    column(
        "identity_kept_random",
        pa.float64(),
        "the same along random directions of the group",
        null="there is no decoder, or --codes.classifier names no network",
    ),
    column("images", pa.int32(), "images that were encoded, or base images that were decoded"),
)

_NO_CLASSES = "no code is a choice, there is no decoder, or --codes.classifier names no network"
_NO_ENCODED = "no code is a choice, the network does not encode, or images have no attribute class"
_PERMUTED = "its mean over permuted images, each matched anew"
_ROTATED = "the same of randomly rotated codes, whose axes mean nothing"
_ONE = "the network does not encode, or there is one code or no factor that varies"

CODE_SUMMARY = table(
    MODEL,
    LAYER,
    _GROUP,
    column("codes", pa.int32(), "codes of the group"),
    column("factors", pa.int32(), "factors that vary"),
    column("images", pa.int32(), "images that were encoded"),
    column(
        "mig",
        pa.float64(),
        "mutual information gap: lead of the best code, over the factor's entropy; mean over factors",
        null=_ONE,
    ),
    column("mig_rotated", pa.float64(), _ROTATED, null=_ONE),
    column("sap", pa.float64(), "lead of the best code in variance explained; mean over factors", null=_ONE),
    column("sap_rotated", pa.float64(), _ROTATED, null=_ONE),
    column("disentanglement", pa.float64(), "1: each code matters to one factor", null=f"{_ONE}, or one factor"),
    column("disentanglement_rotated", pa.float64(), _ROTATED, null=f"{_ONE}, or one factor"),
    column("completeness", pa.float64(), "1: one code matters to each factor", null=_ONE),
    column("completeness_rotated", pa.float64(), _ROTATED, null=_ONE),
    column(
        "informativeness",
        pa.float64(),
        "R2, or accuracy of classes, of all codes on held-out images; mean over factors",
        null=_ONE,
    ),
    column("informativeness_rotated", pa.float64(), _ROTATED, null=_ONE),
    column("specificity", pa.float64(), "mean over the codes", null=_NO_AXIS),
    column("specificity_random", pa.float64(), "mean over random directions", null=_NO_AXIS),
    column("aligned", pa.int32(), "codes more specific than 95 % of random directions"),
    column("expected_aligned", pa.float64(), "as many as chance gives"),
    column("significant", pa.int32(), "codes with q < 0.05"),
    column(
        "purity",
        pa.float64(),
        "share of images, decoded from drawn codes, that an independent classifier puts into the class that the value of their "
        "choice is matched with, one to one; mean over choices",
        null=_NO_CLASSES,
    ),
    column("purity_null", pa.float64(), _PERMUTED, null=_NO_CLASSES),
    column(
        "purity_encoded",
        pa.float64(),
        "share of encoded images whose class in the data set is matched with the value that they are encoded to",
        null=_NO_ENCODED,
    ),
    column("purity_encoded_null", pa.float64(), _PERMUTED, null=_NO_ENCODED),
)

CODE_CLASSES = table(
    MODEL,
    LAYER,
    _GROUP,
    column("code", pa.int32(), "first code of the choice"),
    column("value", pa.int32(), "value of the choice, from 0"),
    column(
        "source",
        pa.string(),
        "decoded: the class is what an independent classifier says of images decoded from drawn codes; encoded: the data set's "
        "attribute class of images that are encoded to the value",
    ),
    column("label", pa.string(), "the class"),
    column("images", pa.int32(), "images of this value and class"),
    column("share", pa.float64(), "share of the value's images that are of this class"),
    column("matched", pa.bool_(), "whether value and class are matched, each with one, so that most images agree"),
)

CAPSULE_ROUTING = table(
    MODEL,
    LAYER,
    column("group", pa.int32(), "group of the capsule, such as a class"),
    column("images", pa.int32(), "encoded images on which its capsule is the longest"),
    column(
        "agreement",
        pa.float64(),
        "cosine of the votes for the capsule with the capsule, each weighing as much as it is coupled; mean over the images",
    ),
    column(
        "agreement_permuted",
        pa.float64(),
        "the same votes and capsule with the coupling of the other groups: as high where routing selects nothing",
    ),
    column(
        "selected",
        pa.float64(),
        "agreement less agreement_permuted: by how much routing favours votes that agree",
    ),
    column("selected_error", pa.float64(), "standard error of that mean", null="there is one image"),
    column("agreement_other", pa.float64(), "agreement of the capsules of the other groups on the same images"),
    column(
        "entropy",
        pa.float64(),
        "of the coupling of a primary capsule over the groups; 1 where routing leaves it uniform",
    ),
    column("top_type", pa.int32(), "type of primary capsules that has the largest share of the coupling"),
    column("top_type_share", pa.float64(), "that share"),
    column("top_type_share_other", pa.float64(), "the share of the same type in the coupling of the other groups"),
)

EQUIVARIANCE = table(
    MODEL,
    LAYER,
    _GROUP,
    column("transform", pa.string(), "what was done to images: rotation, shift, scale, shear, dilation"),
    column(
        "r2",
        pa.float64(),
        "share of the variance of its size that ridge regression tells from the codes of held-out images",
    ),
    column("r2_pixels", pa.float64(), "the same from 16 principal axes of the pixels"),
    column(
        "r2_layer",
        pa.float64(),
        "the same from 16 principal axes of a plain layer: the last map that was audited",
        null="no layer of maps was audited",
    ),
    column("r2_permuted", pa.float64(), "the same from the codes with sizes permuted over images"),
    column("images", pa.int32(), "images, a third of them held out"),
)

CODE_TRAVERSALS = table(
    MODEL,
    LAYER,
    _GROUP,
    _CODE,
    column("base", pa.int32(), "number of the base in its group"),
    IMAGE.with_nullable(True).with_metadata(
        {"meaning": "number of the image in the data set that was encoded", "null": "the codes were drawn"}
    ),
    column("step", pa.int32(), "number of the step"),
    column(
        "value", pa.float64(), "how far: 1 is one standard deviation of the code, or half the range of a uniform one"
    ),
    column("factors", pa.list_(pa.float32()), "measured shapes: area, slant, width, height, length, thickness, x, y"),
    column("height", pa.int32(), "rows of the picture", unit="pixel"),
    column("width", pa.int32(), "columns of the picture", unit="pixel"),
    column("picture", pa.binary(), "grey values of the decoded image, 0 to 255, row by row"),
)
