"""How boxes are parsed by an And-Or graph over a grid of cells, and what their parts carry."""

import pyarrow as pa

from filterscope.schemas.columns import LAYER, MODEL, column, table

_CATEGORY = column("category", pa.string(), "category of the boxes, as the data set states it, or background")
_TREE = column(
    "tree", pa.string(), "leaves in reading order, each by its rows and columns of cells from 1, such as 1:1-3 2-3:1-3"
)
_NO_MARK = "no box that has this leaf has a landmark"

PARSES = table(
    MODEL,
    LAYER,
    column("box", pa.int64(), "number of the box among those of the run"),
    column("view", pa.int32(), "view that it lies in"),
    column("object", pa.int32(), "object whose box it is", null="it is a whole image or background"),
    _CATEGORY,
    column("predicted", pa.string(), "category of the highest score"),
    column("score", pa.float64(), "score of the best parse of the predicted category"),
    column("margin", pa.float64(), "what it scores above the best parse with other leaves", null="there is no other"),
    _TREE,
    column("leaves", pa.int32(), "leaves of the parse"),
    column("depth", pa.int32(), "cuts on the longest way from the whole box to a leaf"),
)

PARSE_NODES = table(
    MODEL,
    LAYER,
    _CATEGORY,
    column("y", pa.int32(), "first row of the leaf's cells, from 0"),
    column("x", pa.int32(), "first column"),
    column("height", pa.int32(), "rows", unit="cells"),
    column("width", pa.int32(), "columns", unit="cells"),
    column("boxes", pa.int64(), "held-out boxes of the category whose parse has this leaf"),
    column("share", pa.float64(), "share of the held-out boxes of the category that these are"),
    column("mean_score", pa.float64(), "what the leaf adds to the score, on average"),
    column("deletion", pa.float64(), "drop of the score when the leaf's cells are set to the data mean, on average"),
    column(
        "deletion_random",
        pa.float64(),
        "the same for the other rectangles of as many cells, on average",
        null="no other rectangle has as many cells",
    ),
    column("landmark", pa.string(), "landmark that most often lies in the leaf where the parse has it", null=_NO_MARK),
    column("inside", pa.float64(), "share of these boxes in which it does, among those that have it", null=_NO_MARK),
    column(
        "inside_any",
        pa.float64(),
        "share of all boxes of the category that have it in which it lies in these cells, whatever their parse",
        null=_NO_MARK,
    ),
    column(
        "instability",
        pa.float64(),
        "deviation of the distance from the leaf's centre to the landmark, in diagonals of the box, over boxes parsed so",
        null=_NO_MARK,
    ),
    column("fixed", pa.float64(), "the same over all boxes of the category", null=_NO_MARK),
)

PARSE_TREES = table(
    MODEL,
    LAYER,
    _CATEGORY,
    _TREE,
    column("boxes", pa.int64(), "held-out boxes of the category that are parsed so"),
    column("share", pa.float64(), "share of the held-out boxes of the category"),
    column("share_others", pa.float64(), "share of the held-out boxes of other categories", null="there are none"),
)

_ONE = "fewer than two held-out boxes"
_NO_FLIPS = "the run has no mirrored views, or fewer than two boxes in them"

PARSE_SUMMARY = table(
    MODEL,
    LAYER,
    column("category", pa.string(), "category of the boxes", null="all categories together"),
    column("boxes", pa.int64(), "held-out boxes"),
    column("accuracy", pa.float64(), "share of them whose category the head tells"),
    column("accuracy_pooled", pa.float64(), "the same for a linear head on the mean over the box, learned alike"),
    column("constant", pa.float64(), "the same for always the category most frequent among the boxes learned from"),
    column("mean_leaves", pa.float64(), "leaves of a parse, on average"),
    column(
        "entropy", pa.float64(), "entropy of the trees of a category; over all, mean weighted by boxes", unit="bits"
    ),
    column("entropy_null", pa.float64(), "the same with categories permuted over boxes, on average", unit="bits"),
    column("entropy_p", pa.float64(), "share of permutations, with the categories as they are as one more, as low"),
    column("deletion", pa.float64(), "drop of the score when a leaf is set to the data mean, on average over leaves"),
    column(
        "deletion_random",
        pa.float64(),
        "the same for other rectangles of as many cells, over leaves that have any",
        null="no leaf has any",
    ),
    column("flip_agreement", pa.float64(), "share of boxes whose mirror image has the mirrored tree", null=_NO_FLIPS),
    column("flip_chance", pa.float64(), "the same for the mirror image of another box of the category", null=_NO_FLIPS),
    column("seed_agreement", pa.float64(), "share of boxes that a head of another seed parses alike"),
    column(
        "seed_chance", pa.float64(), "the same for the other head's parse of another box of the category", null=_ONE
    ),
)

PARSE_PICTURES = table(
    MODEL,
    LAYER,
    _CATEGORY,
    column("rank", pa.int32(), "place of the tree among those of the category, from 0 for the most frequent"),
    column("view", pa.int32(), "view of the box of largest margin that is parsed so"),
    column("predicted", pa.string(), "category that the head tells of it"),
    _TREE,
    column("share", pa.float64(), "share of the held-out boxes of the category that are parsed so"),
    column("margin", pa.float64(), "what its parse scores above the best one with other leaves", null="there is none"),
    column("picture", pa.binary(), "the box as the network sees it, with the outlines of its leaves, a PNG"),
)
