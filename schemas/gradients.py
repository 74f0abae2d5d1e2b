"""Gradients of class scores with respect to the maps of layers; the gradients themselves are arrays."""

import pyarrow as pa

from filterscope.schemas.columns import IMAGE, LAYER, MODEL, VIEW, column, table

GRADIENT_VIEWS = table(
    MODEL,
    LAYER,
    IMAGE,
    VIEW,
    column("class", pa.int32(), "index of the class whose score is differentiated"),
    column("largest", pa.float32(), "largest magnitude of its gradient over all units and positions; 0: no influence"),
)
