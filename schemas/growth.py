"""How the number of detectors grows with the number of images."""

import pyarrow as pa

from filterscope.schemas.columns import LAYER, MODEL, UNIT, column, table

DETECTOR_GROWTH = table(
    MODEL,
    LAYER,
    UNIT,
    column("images", pa.int32(), "source images of the sample: an eighth, a quarter, half and all of them, nested"),
    column(
        "concept",
        pa.string(),
        "concept of highest IoU on the sample, of those eligible on all images, under T of all images",
        null="no such concept meets the unit on the sample",
    ),
    column("iou", pa.float64(), "its data-set IoU on the sample; 0 where none"),
    column("detector", pa.bool_(), "IoU > 0.04 on the sample"),
    column("chance", pa.float64(), "share of 10 permutations of the sample's annotations with a best IoU > 0.04"),
)
