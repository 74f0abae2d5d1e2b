"""Class scores of whole networks."""

import pyarrow as pa

from filterscope.schemas.columns import IMAGE, MODEL, VIEW, column, table

OUTPUTS = table(
    MODEL,
    IMAGE,
    VIEW,
    column("class", pa.int32(), "index of a class, 0-based: one of the highest scores of the view, or its true class"),
    column("score", pa.float32(), "what the network gives it, before any softmax"),
    column("probability", pa.float32(), "softmax of the scores over all classes"),
    column(
        "rank", pa.int32(), "place among all classes by score, 0 the highest; of equal scores the lower index first"
    ),
    column("true", pa.bool_(), "it is the view's true class; false for all classes where that is unknown"),
)

CLASSES = table(
    MODEL,
    column("index", pa.int32(), "index of the class, 0-based"),
    column("name", pa.string(), "what it is called; its index where nothing names it; two classes may share a name"),
)
