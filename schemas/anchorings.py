"""Labels under the other anchoring."""

import pyarrow as pa

from filterscope.schemas.columns import LAYER, MODEL, NONE, UNIT, column, table

UNIT_ANCHORINGS = table(
    MODEL,
    LAYER,
    UNIT,
    column("anchoring", pa.string(), "the anchoring that the run does not use: resize or receptive_field"),
    column("concept", pa.string(), "eligible concept of highest IoU under it", null=NONE),
    column("iou", pa.float64(), "its data-set IoU; 0 where none"),
)
