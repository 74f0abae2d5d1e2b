"""How well units tell images that have an attribute from those that have not."""

import pyarrow as pa

from filterscope.schemas.columns import LAYER, MODEL, UNIT, column, table

_ATTRIBUTE = column("attribute", pa.string(), "name of a binary attribute; `class=cat` is one value of several")
_POSITIVES = column("positives", pa.int64(), "images that have it")
_NEGATIVES = column("negatives", pa.int64(), "images that have it not; others are left out")
_FEW = "too few images, or groups of images, have the attribute or lack it"

UNIT_ATTRIBUTE = table(
    MODEL,
    LAYER,
    UNIT,
    _ATTRIBUTE,
    _POSITIVES,
    _NEGATIVES,
    column(
        "auc",
        pa.float64(),
        "share of pairs, an image with and one without, of which the first has the larger maximum; ties count half",
    ),
    column("auc_by_chance", pa.float64(), "AUC or 1 - AUC, whichever is larger, under permuted images, on average"),
    column(
        "d_prime",
        pa.float64(),
        "difference of the mean maxima, with less without, over the root of the mean of their variances",
        null="the maxima do not vary",
    ),
    column(
        "q_value",
        pa.float64(),
        "share of chance among the pairs of unit and attribute of the layer that stand out as far; not below the layer's own p",
        null=_FEW,
    ),
)

LAYER_ATTRIBUTE = table(
    MODEL,
    LAYER,
    _ATTRIBUTE,
    _POSITIVES,
    _NEGATIVES,
    column("best_unit", pa.int32(), "unit whose AUC is farthest from 0.5; the first of equal ones"),
    column("best_auc", pa.float64(), "its AUC"),
    column(
        "best_by_chance", pa.float64(), "largest AUC or 1 - AUC of the layer's units under permuted images, on average"
    ),
    column(
        "p_value",
        pa.float64(),
        "share of permutations, with the images as stated as one more, in which the best unit of the layer tells it as well",
        null=_FEW,
    ),
    column("significant", pa.int64(), "units with q <= 0.05", null=_FEW),
    column(
        "expected_by_chance", pa.float64(), "units that stand out as far under permuted images, on average", null=_FEW
    ),
    column("most_by_chance", pa.int64(), "units that do in the permutation that has most", null=_FEW),
)
