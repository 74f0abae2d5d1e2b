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

#: What a person is asked about.
_ASKED = (MODEL, *_TRIAL[:3])

PART_ANSWERS = table(
    *_ASKED,
    column(
        "number", pa.int32(), "place of the answer among those about the part, from 1; they are replayed in this order"
    ),
    column("image", pa.int32(), "source image"),
    column("view", pa.int32(), "crop that was asked about"),
    column(
        "answer", pa.string(), "right, place (right template, wrong place), other (template), new (template) or absent"
    ),
    column("template", pa.int32(), "view that its template began with, by that answer", null="the part is absent"),
    column(
        "y", pa.float64(), "row of the part's centre by that answer", null="the part is absent", unit="input pixels"
    ),
    column(
        "x", pa.float64(), "column of the part's centre by that answer", null="the part is absent", unit="input pixels"
    ),
    column("height", pa.float64(), "of the box", null="a point, or no box was drawn", unit="input pixels"),
    column("width", pa.float64(), "of the box", null="a point, or no box was drawn", unit="input pixels"),
    column(
        "predicted_gain",
        pa.float64(),
        "by how much KL(P || Q) is predicted to fall, which the crop was chosen by",
        null="chance chose it",
    ),
    column("source", pa.string(), "file and row that the answer was read from"),
)

_BEFORE = "the first template errs nowhere"
ANSWERED_LOCALIZATION = table(
    *_ASKED,
    column(
        "method",
        pa.string(),
        "person: the graph grown from their answers; mean position: of the part on the crops that they marked; random "
        "crops: as many crops drawn at random, each marked by its landmark",
    ),
    column("answers", pa.int32(), "the first so many answers"),
    column("annotated", pa.float64(), "of these, those that mark where the part is, on average"),
    column("templates", pa.float64(), "after them, on average", null="mean position has none"),
    column("patterns", pa.float64(), "of all templates, on average", null="mean position has none"),
    column("images", pa.int32(), "held-out crops on which the part is looked for"),
    column("distance", pa.float64(), "mean distance from the part's centre there, in diagonals of the input"),
    column("distance_low", pa.float64(), "2.5th percentile, images (and random crops) drawn anew"),
    column("distance_high", pa.float64(), "97.5th percentile"),
    column(
        "less", pa.float64(), "by what share the distance is below that of the person's first template", null=_BEFORE
    ),
    column("less_low", pa.float64(), "2.5th percentile, the same images before and after", null=_BEFORE),
    column("less_high", pa.float64(), "97.5th percentile", null=_BEFORE),
)

#: Patterns of a template on a crop.
_PLACES = (
    column("view", pa.int32(), "crop: the annotated one, or a held-out one that the template parses"),
    column("parse", pa.string(), "annotated; or best, second, median, worst: by the score among the held-out crops"),
    column("score", pa.float64(), "of the template there", null="the annotated crop"),
    column("part_y", pa.float64(), "row of the part's centre as annotated or found", unit="input pixels"),
    column("part_x", pa.float64(), "column of the part's centre as annotated or found", unit="input pixels"),
    column("layer", pa.string(), "of the patterns of this row"),
    column("unit", pa.list_(pa.int32()), "channels of the strongest patterns that respond there, best first"),
    column("y", pa.list_(pa.float64()), "where each lies", unit="input pixels"),
    column("x", pa.list_(pa.float64()), "where each lies", unit="input pixels"),
    column("vote_y", pa.list_(pa.float64()), "where each expects the part", unit="input pixels"),
    column("vote_x", pa.list_(pa.float64()), "where each expects the part", unit="input pixels"),
)

AOG_PLACES = table(MODEL, *_TRIAL, *_DRAWN, *_PLACES)

ANSWERED_PLACES = table(
    *_ASKED,
    column("answers", pa.int32(), "from which the graph was grown"),
    column("template", pa.int32(), "view that the template began with"),
    *_PLACES,
)
