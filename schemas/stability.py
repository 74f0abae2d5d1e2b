"""Labels at other quantiles of activation."""

import pyarrow as pa

from filterscope.schemas.columns import LAYER, MODEL, NONE, UNIT, column, table

LABEL_STABILITY = table(
    MODEL,
    LAYER,
    UNIT,
    column("quantile", pa.float64(), "probability above the threshold: 0.001, 0.005, 0.01, 0.05 and the run's own"),
    column("threshold", pa.float32(), "smallest stored value v with P(x > v) <= quantile [T]"),
    column("concept", pa.string(), "eligible concept of highest IoU at it", null=NONE),
    column("iou", pa.float64(), "its data-set IoU; 0 where none"),
)
