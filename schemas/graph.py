"""Explanatory graphs. Symbols of Zhang et al. (AAAI 2018) in brackets."""

import pyarrow as pa

from filterscope.schemas.columns import FEW, FILTER, FILTER_LAYER, MODEL, PIXEL, column, table
from filterscope.schemas.location import STEADINESS, TRIGGERED

_CATEGORY = column("category", pa.string(), "category of the objects whose crops the graph was learned from")
_NODE = column("node", pa.int32(), "number of the node in its filter")
_VIEW = column("view", pa.int32(), "number of the view, as in the table views")
_UPPER = "upper node that it is tied to"
_FILTER = "a raw filter, not a node"

GRAPH_NODES = table(
    MODEL,
    FILTER_LAYER,
    _CATEGORY,
    FILTER,
    _NODE,
    column("mu_y", pa.float64(), "mean row [mu]", unit=PIXEL),
    column("mu_x", pa.float64(), "mean column", unit=PIXEL),
    column("deformation", pa.float64(), "deviation along an axis about where it is expected [sigma]", unit=PIXEL),
    column("window", pa.float64(), "half the side of its window", unit=PIXEL),
    column("merged_into", pa.int32(), "node of the same filter that stands for it", null="it stands for itself"),
    column("survives", pa.bool_(), "stands for itself, and peak_share > chance_share"),
    column("peak_share", pa.float64(), "share of the filter's peaks about it, weighted by value"),
    column("chance_share", pa.float64(), "99th percentile of the best such share, peaks shuffled over positions"),
    column("images", pa.int32(), "learning views that trigger it: score of at least half the mean of its top 20"),
    column("share", pa.float64(), "the same as a share of the learning views"),
    column("mean_score", pa.float64(), "mean score on the learning views"),
    column("mass", pa.float64(), "activation that it explains on the learning views [A]"),
    column("filter_mass", pa.float64(), "activation of the whole filter on them, the dummy's included"),
    column(
        "recorded", pa.float64(), "sum of probability times activation [prob_record], by which candidates are ranked"
    ),
    column("mean_y", pa.float64(), "mean inferred row on the learning views", unit=PIXEL),
    column("mean_x", pa.float64(), "mean inferred column", unit=PIXEL),
    column("variance", pa.float64(), "variance of the inferred position, both axes", unit="square input pixel"),
)

GRAPH_EDGES = table(
    MODEL,
    FILTER_LAYER,
    _CATEGORY,
    FILTER,
    _NODE,
    column("upper_layer", pa.string(), "layer of the upper node"),
    column("upper_unit", pa.int32(), "filter of the " + _UPPER),
    column("upper_node", pa.int32(), "number of the " + _UPPER),
    column("weight", pa.float64(), "its part in where the node is expected: 1 / sigma^2, normalised"),
    column("displacement_y", pa.float64(), "mean row of the node less that of the upper node", unit=PIXEL),
    column("displacement_x", pa.float64(), "mean column less that of the upper node", unit=PIXEL),
    column("deviation", pa.float64(), "root mean squared change of the displacement", unit=PIXEL),
    column("coactivation", pa.float64(), "lift of triggering both over independence", null="one is never triggered"),
    column("together", pa.int32(), "learning views that trigger both"),
)

GRAPH_CANDIDATES = table(
    MODEL,
    FILTER_LAYER,
    _CATEGORY,
    column("rank", pa.int32(), "0 is the heaviest candidate for edges from the layer below"),
    FILTER,
    _NODE,
    column("deformation", pa.float64(), "deviation along an axis [sigma]", unit=PIXEL),
    column("y", pa.list_(pa.float32()), "inferred row on every view of the category, in order", unit=PIXEL),
    column("x", pa.list_(pa.float32()), "inferred column", unit=PIXEL),
    column("triggered", pa.list_(pa.bool_()), "whether the view triggers it"),
)

NODE_POSITIONS = table(
    MODEL,
    FILTER_LAYER,
    _CATEGORY,
    FILTER,
    _NODE,
    _VIEW,
    column("y", pa.float32(), "inferred row", unit=PIXEL),
    column("x", pa.float32(), "inferred column", unit=PIXEL),
    column("score", pa.float32(), "probability times activation there; 0 where nothing fires in its window"),
    column("triggered", pa.bool_(), "score of at least half the mean of its top 20 on learning views"),
    column("heldout", pa.bool_(), "the graph was not learned from the view's image"),
)

NODE_INSTABILITY = table(
    MODEL,
    FILTER_LAYER,
    _CATEGORY,
    column("landmark", pa.string(), "name of the landmark"),
    column("protocol", pa.string(), "survey or explanatory-graph"),
    FILTER,
    column("node", pa.int32(), "number of the node in its filter", null=_FILTER),
    column("survives", pa.bool_(), "as in graph_nodes", null=_FILTER),
    *STEADINESS,
    column("fixed", pa.float64(), "instability of the crop's centre", null=FEW),
    column("own", pa.float64(), "the same of the node's mean position", null=f"{FEW}, or {_FILTER}"),
    column("window", pa.float64(), "the same of positions drawn in the node's window", null=f"{FEW}, or {_FILTER}"),
    column("shuffled", pa.float64(), "the same of its positions on other images", null=f"{FEW}, or {_FILTER}"),
    column("raw", pa.float64(), "the same of its filter's maximum, on the same views", null=f"{FEW}, or {_FILTER}"),
    *TRIGGERED,
    column("images", pa.int32(), "held-out views measured"),
    column(
        "dropped",
        pa.int32(),
        "held-out views on which it fires, left out since they lack the landmark (none, or several) or a maximum of its filter",
    ),
    column("p_own", pa.float64(), "that the node is no steadier than `own`, by bootstrap", null=f"{FEW}, or {_FILTER}"),
    column("p_window", pa.float64(), "the same of `window`", null=f"{FEW}, or {_FILTER}"),
    column("p_shuffled", pa.float64(), "the same of `shuffled`", null=f"{FEW}, or {_FILTER}"),
    column("p_raw", pa.float64(), "the same of `raw`", null=f"{FEW}, or {_FILTER}"),
    column("beats_controls", pa.bool_(), "own, window and shuffled each with p < 0.05"),
)

GRAPH_SUMMARY = table(
    MODEL,
    FILTER_LAYER,
    _CATEGORY,
    column("mode", pa.string(), "paper or release"),
    column("filters", pa.int32(), "filters of the layer"),
    column("silent", pa.int32(), "of these, filters that never fire on the learning views and have no nodes"),
    column("learned", pa.int32(), "nodes that learning began with"),
    column("nodes", pa.int32(), "nodes after merging"),
    column("surviving", pa.int32(), "surviving nodes"),
    column("represented", pa.int32(), "filters with a surviving node"),
    column("patterns_per_filter", pa.float64(), "surviving nodes a represented filter", null="no node survives"),
    column("learning_views", pa.int32(), "views that the graph was learned from"),
    column("heldout_views", pa.int32(), "views of images that were held out"),
    column("nodes_per_view", pa.float64(), "surviving nodes that a learning view triggers", null="no node survives"),
    column("views_per_node", pa.float64(), "learning views that trigger a surviving node", null="no node survives"),
    column(
        "explained", pa.float64(), "share of the layer's activation that all its nodes explain", null="no activation"
    ),
    column("explained_by_surviving", pa.float64(), "share that surviving nodes explain", null="no activation"),
)

_PART = column("landmark", pa.string(), "name of the landmark that is found")
_BEST = "a baseline, or the best baseline errs nowhere"
_LOW, _HIGH = "2.5th percentile, images drawn anew", "97.5th percentile"

PART_GROUPS = table(
    MODEL,
    _CATEGORY,
    _PART,
    column("method", pa.string(), "nodes, or what finds the landmark without a graph"),
    column("members", pa.int32(), "nodes or filters of the group", null="not a group"),
    column("learning", pa.int32(), "crops that the group was chosen on, mirrored ones too"),
    column("heldout", pa.int32(), "held-out crops on which the landmark is looked for"),
    column("distance", pa.float64(), "mean distance from the landmark there, in diagonals"),
    column("distance_low", pa.float64(), _LOW),
    column("distance_high", pa.float64(), _HIGH),
    column("less", pa.float64(), "by what share the distance is below that of the best baseline", null=_BEST),
    column("less_low", pa.float64(), _LOW, null=_BEST),
    column("less_high", pa.float64(), _HIGH, null=_BEST),
)

PART_NODES = table(
    MODEL,
    _CATEGORY,
    _PART,
    column("method", pa.string(), "group that it is in: nodes or filters"),
    column("rank", pa.int32(), "0 is the steadiest of the group"),
    FILTER_LAYER,
    FILTER,
    column("node", pa.int32(), "number of the node in its filter", null=_FILTER),
    column("offset_y", pa.float64(), "mean row of the landmark less its own on learning crops, by score", unit=PIXEL),
    column("offset_x", pa.float64(), "mean column of the landmark less its own", unit=PIXEL),
    column("displacement", pa.float64(), "deviation of that vector on learning crops, by score, in diagonals"),
    column("effective_images", pa.float64(), "images that it rests on: (sum w)^2 / sum w^2"),
    column(
        "heldout_distance",
        pa.float64(),
        "mean distance from the landmark on held-out crops, by score, in diagonals",
        null="it fires on none",
    ),
)
