"""Decision trees: gradients pooled to filters, the modes that images are decided by, and what filters and parts gave."""

import pyarrow as pa

from filterscope.schemas.columns import IMAGE, LAYER, MODEL, VIEW, column, table

_CATEGORY = column(
    "category",
    pa.string(),
    "category of the objects that are explained",
    null="views are whole images, and none was asked",
)
_FEW = "fewer than 10 views had a score above 0 and a gradient, so that no tree was grown"
_CUT = column("cut", pa.string(), "where the tree is cut: root, second layer, a number of nodes, leaves")
_NODES = column("nodes", pa.int32(), "nodes of the tree there")
_NODE = column("node", pa.int32(), "number of the node: leaves first, by view; the root last")

POOLED_GRADIENTS = table(
    MODEL,
    LAYER,
    _CATEGORY,
    IMAGE,
    VIEW,
    column("member", pa.bool_(), "it shows the category; if not, it is one of the negatives"),
    column("class", pa.int32(), "index of the class whose score is differentiated"),
    column("score", pa.float32(), "that score, before any softmax [y]"),
    column("linear", pa.float32(), "gradient times map, summed over units and positions"),
    column("maps", pa.list_(pa.float32()), "sum of each unit's map over positions"),
    column("slopes", pa.list_(pa.float32()), "sum of the gradient with respect to each unit's map over positions"),
    column(
        "peaks", pa.list_(pa.int32()), "position at which each unit's map is largest, row-major; -1: it is constant"
    ),
)

DECISION_TREES = table(
    MODEL,
    LAYER,
    _CATEGORY,
    column("target", pa.string(), "class that is explained, or classes: the one of highest score among them"),
    column("target_by", pa.string(), "why: asked, named as the category, predicted most often"),
    column("views", pa.int32(), "views of the category, mirrored ones left out, at most as many as were asked"),
    column("not_positive", pa.int32(), "of these left out, for their score is not above 0"),
    column("no_gradient", pa.int32(), "of these left out, for their score does not depend on the layer"),
    column("positives", pa.int32(), "views that the tree is grown from"),
    column("negatives", pa.int32(), "views of no such object that scores are compared with"),
    column("second", pa.int32(), "nodes of the second layer, where the likelihood stops merging", null=_FEW),
    column(
        "agreement", pa.float64(), "least cosine between a view's gradient and the root's; 1: a linear head", null=_FEW
    ),
    column("linear_share", pa.float64(), "median of gradient times map over score, before pooling", null=_FEW),
    column("pooled_share", pa.float64(), "the same after pooling: what places inside maps hold is lost", null=_FEW),
    column("majority", pa.float64(), "accuracy of a constant sign on positives and negatives", null=_FEW),
    column(
        "parts", pa.list_(pa.string()), "parts that filters were assigned to; none without landmarks and part masks"
    ),
    column("part_filters", pa.list_(pa.int32()), "filters of each part"),
    column("deletions", pa.int32(), "views on which the filters of each part were silenced"),
)

DECISION_NODES = table(
    MODEL,
    LAYER,
    _CATEGORY,
    _NODE,
    column("parent", pa.int32(), "node that it is merged into", null="it is the root"),
    column("left", pa.int32(), "child of lower number", null="it is a leaf"),
    column("right", pa.int32(), "child of higher number", null="it is a leaf"),
    column("views", pa.int32(), "views of the node"),
    column("level_nodes", pa.int32(), "nodes of the coarsest cut that has it; it is in all cuts up to `finest_nodes`"),
    column("finest_nodes", pa.int32(), "nodes of the finest cut that has it"),
    column("gain", pa.float64(), "by how much its merge raised log E", null="it is a leaf"),
    column(
        "fitness", pa.float64(), "mean fitness on its views: 1 where it is each view's own gradient", null="all are 0"
    ),
    column(
        "error", pa.float64(), "mean distance of its score from the true one, over the range of scores", null="no range"
    ),
    column(
        "filters", pa.list_(pa.int32()), "its filters of largest contribution on average, at most 20, largest first"
    ),
    column("weights", pa.list_(pa.float32()), "weight of each of these in w, pooled units"),
    column("bias", pa.float64(), "offset of h(x) = w . x + bias, pooled units"),
    column(
        "part_contributions", pa.list_(pa.float32()), "mean contribution of each part in `decision_trees`, of the score"
    ),
    column("nearest", pa.list_(pa.int32()), "its views, those nearest by gradient first, at most 12"),
)

DECISION_PATHS = table(
    MODEL,
    LAYER,
    _CATEGORY,
    IMAGE,
    VIEW,
    _CUT,
    _NODES,
    _NODE,
    column("cosine", pa.float64(), "of the view's gradient and the node's"),
    column("score", pa.float64(), "of the network [y]"),
    column("predicted", pa.float64(), "of the node [h]"),
    column(
        "fitness", pa.float64(), "how alike the node's contributions are to gradient times response", null="both are 0"
    ),
)

DECISION_CONTRIBUTIONS = table(
    MODEL,
    LAYER,
    _CATEGORY,
    IMAGE,
    VIEW,
    _CUT,
    column("kind", pa.string(), "filter or part"),
    column("name", pa.string(), "number of the filter, of the 5 that contribute most, or name of the part"),
    column("contribution", pa.float64(), "what the node says that it gave to the score"),
    column(
        "measured",
        pa.float64(),
        "by how much the score falls when its filters are silenced",
        null="a filter, or a view beyond those that were asked to be tried",
    ),
)

DECISION_SUMMARY = table(
    MODEL,
    LAYER,
    _CATEGORY,
    _CUT,
    _NODES,
    column(
        "grouping",
        pa.string(),
        "tree; random tree: its shape over shuffled views; k-means of gradients, as many clusters",
    ),
    column("fitness", pa.float64(), "mean fitness over the positives", null="all contributions are 0"),
    column(
        "part_error",
        pa.float64(),
        "mean distance of parts' contributions from measured ones, over the score",
        null="no part has filters, or no deletion was asked",
    ),
    column("accuracy", pa.float64(), "share of positives and negatives whose sign is right"),
    column("score_error", pa.float64(), "mean |h - y| over the range of scores", null="all scores are equal"),
)
