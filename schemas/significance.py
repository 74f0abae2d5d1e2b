"""Whether a unit's label is better than chance and holds on held-out images."""

import pyarrow as pa

from filterscope.schemas.columns import LAYER, MODEL, NONE, UNIT, column, table

#: What `unit_significance.note` says of labels that hardly move between images.
NOT_TESTABLE = "not testable on aligned data"

#: What it says where no activations were kept to permute annotations against.
NOT_STORED = "activations were not stored"

_UNTESTED = "the unit is not live, its label is not testable, or activations were not stored"

UNIT_SIGNIFICANCE = table(
    MODEL,
    LAYER,
    UNIT,
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
    column("iou_heldout", pa.float64(), "IoU of the concept chosen on the other half of the images", null=NONE),
    column("interval_low", pa.float64(), "2.5th percentile of iou_heldout over bootstrapped source images", null=NONE),
    column(
        "interval_high", pa.float64(), "97.5th percentile of iou_heldout over bootstrapped source images", null=NONE
    ),
    column(
        "label_replicates",
        pa.bool_(),
        "both halves of the images choose the label, with IoU > 0.04 on the other half",
        null=NOT_STORED,
    ),
    column(
        "p_place", pa.float64(), "share of circular shifts of the label's masks that meet the unit as well", null=NONE
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
)
