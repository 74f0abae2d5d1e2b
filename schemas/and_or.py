"""And-Or graphs of parts: what templates are grown from, their patterns, where they find the part, how well, and questions."""

import pyarrow as pa

from filterscope.schemas.columns import LAYER, MODEL, UNIT, column, table
from filterscope.schemas.localize import MEASURED

_CATEGORY = column("category", pa.string(), "category of the objects whose crops are looked at")
#: What a template belongs to: a set of annotated images, of some part, and the crop of it that the template is grown from.
_TRIAL = (
    _CATEGORY,
    column("part", pa.string(), "name of the landmark, such as head"),
    column("layers", pa.string(), "layers that templates have patterns in, from the top, separated by commas"),
    column("shots", pa.int32(), "annotated images"),
)
_DRAWN = (
    column("draw", pa.int32(), "number of the random set of annotated images"),
    column("template", pa.int32(), "view that the template is grown from: an annotated crop or its mirror image"),
)

AOG_UNITS = table(
    MODEL,
    LAYER,
    _CATEGORY,
    UNIT,
    column(
        "mean", pa.float64(), "mean activation, negative ones as 0, over other views than of objects, or over the crops"
    ),
    column("deviation", pa.float64(), "their standard deviation"),
    column(
        "usual",
        pa.list_(pa.float64()),
        "how usual each cell is of the category: mean over learning crops of the highest .1 response + log G in its window, "
        "row by row [gen_V]",
    ),
)

AOG_PATTERNS = table(
    MODEL,
    LAYER,
    *_TRIAL,
    *_DRAWN,
    column("pattern", pa.int32(), "number of the pattern among those of its template and layer, best first"),
    UNIT,
    column("y", pa.float64(), "row at which the unit lies on the annotated crop", unit="input pixels"),
    column("x", pa.float64(), "column at which it lies there", unit="input pixels"),
    column("displacement_y", pa.float64(), "from there down to the part's centre", unit="input pixels"),
    column("displacement_x", pa.float64(), "from there right to the part's centre", unit="input pixels"),
    column("usual", pa.float64(), "how usual the unit is of the category [gen_V]"),
    column("near", pa.float64(), "log G of the distance from the part"),
    column("score", pa.float64(), "what it was chosen by [GenDisL]"),
    column("parents", pa.list_(pa.int32()), "patterns of the layer above that it is tied to; none in the top layer"),
)

AOG_PARSE = table(
    MODEL,
    *_TRIAL,
    *_DRAWN,
    column("view", pa.int32(), "held-out crop"),
    column("y", pa.float64(), "row of the part's centre as found", unit="input pixels"),
    column("x", pa.float64(), "column of the part's centre as found", unit="input pixels"),
    column("score", pa.float64(), "score of the template there; the part is where the best of a draw says"),
)

AOG_SUMMARY = table(
    MODEL,
    *_TRIAL,
    column("method", pa.string(), "And-Or, or a baseline; mixed: the mean of all templates counts, not the best one"),
    column("patterns", pa.float64(), "patterns of a template, on average", null="a baseline, which has none"),
    *MEASURED,
)

QUESTIONS = table(
    MODEL,
    *_TRIAL[:3],
    column("seed", pa.int32(), "number of the random pool that is asked about, the same for all strategies"),
    column("strategy", pa.string(), "who chooses: gain, random, lowest score, most different"),
    column("question", pa.int32(), "number of the question, from 1"),
    column("view", pa.int32(), "crop that was asked about"),
    column("answer", pa.string(), "right, place (right template, wrong place), other (template), or new (template)"),
    column("template", pa.int32(), "number of the template that the part belongs to, by that answer"),
    column("templates", pa.int32(), "templates after the answer"),
    column("patterns", pa.int32(), "patterns of all of them"),
    column("heldout", pa.int32(), "held-out crops on which the part is looked for"),
    column("distance", pa.float64(), "mean distance there from the part's centre, after the answer, in diagonals"),
)
