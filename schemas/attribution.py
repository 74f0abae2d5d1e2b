"""Where in a view the score of a class comes from, and how well methods that say so point at its regions."""

import pyarrow as pa

from filterscope.schemas.columns import IMAGE, MODEL, VIEW, column, table

_METHOD = column("method", pa.string(), "way to explain a score; centre, edges and random look at no network")
_NOTHING = "the map says nothing, or is broken"
_NO_CURVES = "not measured on this view; see --attribution.curves"

ATTRIBUTION_SCORES = table(
    MODEL,
    _METHOD,
    column("network", pa.string(), "trained; random: weights in another order; none: the method looks at no network"),
    IMAGE,
    VIEW,
    column("class", pa.int32(), "index of the class whose score is explained, that of the trained network"),
    column("region", pa.string(), "landmark or concept that the view shows"),
    column("share", pa.float64(), "share of the input that the region covers"),
    column("hit", pa.float64(), "share of the map's largest values that lie in the region: 1 or 0 if one is largest"),
    column("hit15", pa.float64(), "the same of the region and all that is fewer than 15 input pixels away from it"),
    column("energy", pa.float64(), "share of what is positive in the map that lies in the region", null=_NOTHING),
    column("lift", pa.float64(), "energy over share; 1: no more than anywhere else", null=_NOTHING),
    column("zero", pa.bool_(), "the map is nowhere positive, or the same everywhere: it says nothing, a miss"),
    column("broken", pa.bool_(), "the map holds NaN or infinities: a miss"),
    column(
        "deletion_blur",
        pa.float64(),
        "area under the probability of the class as pixels of largest value are blurred; less is better",
        null=_NO_CURVES,
    ),
    column("deletion_mean", pa.float64(), "the same as they become the mean colour", null=_NO_CURVES),
    column(
        "insertion_blur",
        pa.float64(),
        "area under the probability of the class as pixels of largest value come into a blurred image; more is better",
        null=_NO_CURVES,
    ),
    column("insertion_mean", pa.float64(), "the same into the mean colour", null=_NO_CURVES),
    column("fit", pa.float64(), "R^2 of the method's own model of the score", null="the method fits none"),
    column("passes", pa.float64(), "forward passes that the map took as long as; a way back counts two"),
)

ATTRIBUTION_SANITY = table(
    MODEL,
    _METHOD,
    IMAGE,
    VIEW,
    column("randomised", pa.string(), "top: the last module with weights; all: every one"),
    column(
        "rho",
        pa.float64(),
        "Spearman's rank correlation of the map with that of the network so randomised; near 0 if the map depends on weights",
        null="one of the maps is the same everywhere, or broken",
    ),
)
