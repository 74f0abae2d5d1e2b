"""What class scores depend on: gradients by three rules for rectifiers, and images that raise scores."""

import pyarrow as pa

from filterscope.schemas.columns import IMAGE, MODEL, VIEW, column, table

_NO_MAP = "see `reason`; or the map or the other one is constant"

SALIENCY = table(
    MODEL,
    IMAGE,
    VIEW,
    column("class", pa.int32(), "class of highest score, whose gradient is taken"),
    column("name", pa.string(), "its name"),
    column("rule", pa.string(), "of the rectifiers on the way back: saliency, deconvnet or guided"),
    column("rectifiers", pa.int32(), "rectifiers that followed the rule", null="the rule is the plain gradient's"),
    column(
        "rho_top",
        pa.float64(),
        "rank correlation with the map of the network whose last module has its weights in another order",
        null=_NO_MAP,
    ),
    column(
        "rho_all", pa.float64(), "the same with that of the network all of whose weights are shuffled", null=_NO_MAP
    ),
    column("rho_edges", pa.float64(), "the same with the strength of the edges of the image", null=_NO_MAP),
    column("reason", pa.string(), "why there is no map", null="there is one"),
    column(
        "picture",
        pa.binary(),
        "the view, its map, and those of the network with its head shuffled and with all weights shuffled, a PNG",
        null="see `reason`",
    ),
)

CLASS_MODELS = table(
    MODEL,
    column("class", pa.int32(), "class whose score the image raises"),
    column("name", pa.string(), "its name"),
    column("steps", pa.int32(), "updates"),
    column("score", pa.float64(), "score of the class on the image as it is kept, in 8 bits"),
    column("probability", pa.float64(), "its probability there"),
    column(
        "dataset_maximum",
        pa.float64(),
        "largest score of the class on the drawn views",
    ),
    column("noise_score", pa.float64(), "score on the noise that the image was made from"),
    column(
        "scrambled_score", pa.float64(), "score on the image with random phases: its mean colour and frequencies alone"
    ),
    column(
        "shuffled_score",
        pa.float64(),
        "score that the network gives to the image made for this class by its twin with shuffled weights",
    ),
    column("twin_gain", pa.float64(), "score of the twin on that image, less its score on the noise"),
    column("picture", pa.binary(), "the image, a PNG of the size of the input"),
)
