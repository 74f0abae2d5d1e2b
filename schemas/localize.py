"""Multi-shot localisation of parts."""

import pyarrow as pa

from filterscope.schemas.columns import MODEL, column, table

_NO_BOX = "see no_box"
_BASELINE = "a baseline, which has no nodes"
_LOW, _HIGH = "2.5th percentile, sets of annotated images and images drawn anew", "97.5th percentile"
_LESS = "a baseline, or the best baseline errs nowhere"

#: How well a part is found.
MEASURED = (
    column("draws", pa.int32(), "random sets of annotated images"),
    column("images", pa.int32(), "held-out crops on which the part is looked for, each by every set"),
    column("distance", pa.float64(), "mean distance from the part's centre, in diagonals of the input [normDist]"),
    column("distance_low", pa.float64(), _LOW),
    column("distance_high", pa.float64(), _HIGH),
    column("detected", pa.float64(), "share of the boxes found with an intersection over union of 0.5", null=_NO_BOX),
    column("detected_low", pa.float64(), _LOW, null=_NO_BOX),
    column("detected_high", pa.float64(), _HIGH, null=_NO_BOX),
    column("inside", pa.float64(), "share of the centres found that lie inside the part's box [LOC]", null=_NO_BOX),
    column("inside_low", pa.float64(), _LOW, null=_NO_BOX),
    column("inside_high", pa.float64(), _HIGH, null=_NO_BOX),
    column("less", pa.float64(), "by what share the distance is below that of the best baseline", null=_LESS),
    column("less_low", pa.float64(), _LOW, null=_LESS),
    column("less_high", pa.float64(), _HIGH, null=_LESS),
    column("no_box", pa.string(), "why boxes are not measured", null="they are"),
)

PART_LOCALIZATION = table(
    MODEL,
    column("category", pa.string(), "category of the objects whose crops are looked at"),
    column("part", pa.string(), "name of the landmark, such as head"),
    column("layers", pa.string(), "layers whose nodes and filters are used, from the top, separated by commas"),
    column("shots", pa.int32(), "annotated images"),
    column(
        "method",
        pa.string(),
        "nodes, nodes as released, or a baseline; mixed: the mean of all templates counts, not the best one; squared: scores "
        "are squared, in votes and templates",
    ),
    column("share", pa.float64(), "share of the nodes that are retrieved for a template", null=_BASELINE),
    column("nodes", pa.int32(), "nodes of a template: that share, or the most that was allowed", null=_BASELINE),
    *MEASURED,
)

_ASKED = (
    MODEL,
    column("category", pa.string(), "category of the objects whose crops are looked at"),
    column("part", pa.string(), "name of the landmark, such as head"),
    column("layers", pa.string(), "layers whose nodes are used, from the top, separated by commas"),
    column("shots", pa.int32(), "annotated images"),
    column("share", pa.float64(), "share of the nodes that are retrieved for a template"),
    column("draw", pa.int32(), "number of the set of annotated images, as of `localize`; 0 is the first"),
)

EDIT_DECISIONS = table(
    *_ASKED,
    column("fingerprint", pa.string(), "of the graph and the question that the decisions are about"),
    column("order", pa.int32(), "place of the decision, from 1"),
    column("node", pa.string(), "LAYER/UNIT/NODE"),
    column("decision", pa.string(), "keep, remove or unsure, which keeps the node"),
    column("seconds", pa.float64(), "that the person looked at it"),
)

_BEFORE = "the part is found without error before"
EDITED_LOCALIZATION = table(
    *_ASKED,
    column(
        "method",
        pa.string(),
        "before; after: without the nodes that the person removed; simulated user: without those that miss landmarks of "
        "learning crops by more than the median; oracle: the same with landmarks of the held-out crops; random removal: as "
        "many as the person removed, or as the simulated user",
    ),
    column("decisions", pa.int32(), "of the person, in their order", null="they play no role"),
    column("seconds", pa.float64(), "that those decisions took", null="they play no role"),
    column("nodes", pa.int32(), "retrieved by all templates together"),
    column("removed", pa.int32(), "of these"),
    column("images", pa.int32(), "held-out crops on which the part is looked for"),
    column("distance", pa.float64(), "mean distance from the part's centre, in diagonals of the input"),
    column("distance_low", pa.float64(), "2.5th percentile, images (and random removals) drawn anew"),
    column("distance_high", pa.float64(), "97.5th percentile"),
    column("less", pa.float64(), "by what share the distance is below that of before", null=_BEFORE),
    column("less_low", pa.float64(), "2.5th percentile, the same images before and after", null=_BEFORE),
    column("less_high", pa.float64(), "97.5th percentile", null=_BEFORE),
)
