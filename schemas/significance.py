"""Whether a unit's label is better than chance, and what IoU to expect of it on new images."""

import pyarrow as pa

from filterscope.schemas.columns import LAYER, MODEL, NONE, UNIT, column, table

#: What `unit_significance.note` says of labels that hardly move between images.
NOT_TESTABLE = "not testable on aligned data"

#: What it says where no activations were kept to permute annotations against.
NOT_STORED = "activations were not stored"

#: What it says of units that have no label to test.
DEAD = "dead: constant or never above zero"
SATURATED = "saturated: T is the unit's maximum, so nothing is above it"

_UNTESTED = "the unit is not live, its label is not testable, or activations were not stored"
_OLD = "the run was made by an earlier version"
_NOTHING = f"the unit is not live, {NONE}, activations were not stored, or {_OLD}"

UNIT_SIGNIFICANCE = table(
    MODEL,
    LAYER,
    UNIT,
    column(
        "q_value",
        pa.float64(),
        "share of chance among units with an IoU as high, by permuted annotations; not below the layer's own p value",
        null=_UNTESTED,
    ),
    column(
        "p_value", pa.float64(), "share of best IoUs as high under permuted annotations, units pooled", null=_UNTESTED
    ),
    column("significant", pa.bool_(), "q <= 0.05", null=NOT_STORED),
    column(
        "expected_iou",
        pa.float64(),
        "IoU to expect of the label on as many new images of the same kind, by 8-fold cross-validation",
        null=_NOTHING,
    ),
    column("interval_low", pa.float64(), "lower limit of its 90 % prediction interval", null=_NOTHING),
    column("interval_high", pa.float64(), "upper limit of its 90 % prediction interval", null=_NOTHING),
    column(
        "iou_heldout",
        pa.float64(),
        "IoU of the label over the folds held out while the other images chose it, with thresholds found without them",
        null="fewer than half of the folds choose the label, or activations were not stored",
    ),
    column(
        "folds_agree",
        pa.int32(),
        "number of the 8 folds for which the other images choose the same label",
        null=f"{NOT_STORED}, or {_OLD}",
    ),
    column("halves_agree", pa.bool_(), "both halves of the images choose the label", null=f"{NOT_STORED}, or {_OLD}"),
    column(
        "label_replicates",
        pa.bool_(),
        "both halves choose the label, and its IoU is > 0.04 on the half that did not choose it, both ways",
        null=NOT_STORED,
    ),
    column(
        "effective_groups",
        pa.float64(),
        "(sum I)^2 / sum I^2 of the label over groups, which are single images unless the data set states groups",
        null=f"{NOT_STORED}, or {_OLD}",
    ),
    column(
        "p_place", pa.float64(), "share of circular shifts of the label's masks that meet the unit as well", null=NONE
    ),
    column(
        "note",
        pa.string(),
        "why there is no q: the unit is dead or saturated; `not testable on aligned data`: the label lies alike in most "
        "images; `activations were not stored`",
        null="no note",
    ),
)

_ELIGIBLE = pa.struct([("category", pa.string()), ("concepts", pa.int64())])

LAYER_SIGNIFICANCE = table(
    MODEL,
    LAYER,
    column("live", pa.int64(), "live units, over which all other columns count"),
    column("over_cutoff", pa.int64(), "units with a best IoU > 0.04"),
    column("expected_by_chance", pa.float64(), "the same under permuted annotations, on average"),
    column("significant", pa.int64(), "units with q <= 0.05"),
    column("replicating", pa.int64(), "units whose label replicates on held-out images"),
    column("calibrated_cutoff", pa.float64(), "smallest best IoU with q <= 0.05", null="no unit has q <= 0.05"),
    column("testable", pa.int64(), "units whose label can be tested"),
    column("eligible", pa.list_(_ELIGIBLE), "eligible concepts of each category"),
    column("permutations", pa.int32(), "permutations of the annotations"),
    column("expected_by_chance_sd", pa.float64(), "standard deviation over the permutations", null=_OLD),
    column("least_by_chance", pa.int64(), "units over 0.04 in the permutation that has fewest", null=_OLD),
    column("most_by_chance", pa.int64(), "units over 0.04 in the permutation that has most", null=_OLD),
    column("significant_over_cutoff", pa.int64(), "significant units with an IoU > 0.04", null=_OLD),
    column("replicating_by_chance", pa.float64(), "units that replicate in a permutation, on average", null=_OLD),
    column("replicating_by_chance_sd", pa.float64(), "standard deviation over the permutations", null=_OLD),
    column("replicating_least_by_chance", pa.int64(), "units that replicate in the permutation with fewest", null=_OLD),
    column("replicating_most_by_chance", pa.int64(), "units that replicate in the permutation with most", null=_OLD),
)
