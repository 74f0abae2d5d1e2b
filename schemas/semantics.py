"""What the strongest images of units have in common, beside those of directions that are no units."""

import pyarrow as pa

from filterscope.schemas.columns import LAYER, MODEL, column, table

_BASIS = column(
    "basis",
    pa.string(),
    "unit: units; random: independent random directions; rotated: axes of a random rotation; standardised: the same of units "
    "that were divided by their standard deviation",
)
_NO_JUDGE = "no other network was named"
_UNITS = "these are the units"

DIRECTION_SEMANTICS = table(
    MODEL,
    LAYER,
    _BASIS,
    column("direction", pa.int32(), "number of the unit, or of the direction in the first draw of its basis"),
    column("images", pa.int32(), "strongest images, at most one of each group"),
    column("views", pa.list_(pa.int32()), "their views, the strongest first"),
    column("concept", pa.string(), "label that most of them have"),
    column("purity", pa.float64(), "share of the strongest images with the label that most of them have"),
    column("concept_share", pa.float64(), "share of all labelled images that have this label"),
    column(
        "coherence",
        pa.float64(),
        "mean cosine of two of the strongest images in the class scores of another network, less their mean over all images",
        null=_NO_JUDGE,
    ),
    column("likeness", pa.float64(), "the same in the colours of 8 x 8 cells: how alike they are without any network"),
)

LAYER_SEMANTICS = table(
    MODEL,
    LAYER,
    _BASIS,
    column("depth", pa.int32(), "place of the layer among the audited ones of the network, from 1"),
    column("directions", pa.int32(), "directions of one draw: as many as units that vary"),
    column("draws", pa.int32(), "how often they were drawn; 1 of units"),
    column("purity", pa.float64(), "mean purity of the directions, and over draws"),
    column("purity_low", pa.float64(), "2.5 % of the draws have a lower mean", null=_UNITS),
    column("purity_high", pa.float64(), "2.5 % of the draws have a higher mean", null=_UNITS),
    column("purity_chance", pa.float64(), "mean purity of as many images drawn at random"),
    column(
        "purity_p",
        pa.float64(),
        "share of the draws, with the units as one more, whose mean purity is at least that of the units",
        null=_UNITS,
    ),
    column("coherence", pa.float64(), "mean coherence of the directions, and over draws", null=_NO_JUDGE),
    column("coherence_chance", pa.float64(), "mean coherence of images drawn at random", null=_NO_JUDGE),
    column(
        "coherence_p",
        pa.float64(),
        "share of the draws, with the units as one more, whose mean coherence is at least that of the units",
        null=f"{_UNITS}, or {_NO_JUDGE}",
    ),
    column("likeness", pa.float64(), "mean likeness of the directions, and over draws"),
    column("likeness_chance", pa.float64(), "mean likeness of images drawn at random"),
)
