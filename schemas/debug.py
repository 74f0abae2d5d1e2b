"""The loop: what was found wrong with a network, what was done about it, and what that did beside its control."""

import pyarrow as pa

from filterscope.schemas.columns import MODEL, column, table

_PROBLEM = column("problem", pa.string(), "what was to be mended, such as two attributes that are tied together")
_STEP = column("step", pa.string(), "what was done, such as collect:50")
_NO_REPEAT = "it could not be measured in the trials"
_NO_CONTROL = "it could not be measured in the control"

DEBUG_FOUND = table(
    MODEL,
    _PROBLEM,
    column("kind", pa.string(), "conflict: attributes that are tied together; blind-spot; label-errors"),
    _STEP,
    column("line", pa.int32(), "number of the sentence"),
    column("text", pa.string(), "what was found, a sentence"),
)

DEBUG_STEPS = table(
    MODEL,
    _PROBLEM,
    _STEP,
    column("kind", pa.string(), "collect, relabel, paste, drop, reweight or last"),
    column("what", pa.string(), "what was done, how images were chosen, and what the control did"),
    column("cost", pa.int32(), "images that a person labels for it; its control costs as many"),
    column("looked", pa.float64(), "images of the pool that a person looks at to find these, on average"),
    column(
        "measure",
        pa.string(),
        "accuracy; worst group: accuracy of the group of lowest accuracy; omega: the mined relation of both attributes; "
        "context share: what painting over a region where the attribute is not seen takes from the score, for the region of "
        "largest effect, over the same for its own region",
    ),
    column("label", pa.string(), "the attribute that is measured", null="the pair, or all attributes or classes"),
    column(
        "group",
        pa.string(),
        "contradicts: images on which a relation is wrong, or members of the blind spot; agrees: the others",
        null="all images that measure",
    ),
    column("examples", pa.int32(), "images that count"),
    column("before", pa.float64(), "the measure on the network as it was", null="it could not be measured"),
    column("after", pa.float64(), "the mean over trials of the measure on the mended network", null=_NO_REPEAT),
    column("low", pa.float64(), "lower end of its 95 % interval (bootstrap over trials and images)", null=_NO_REPEAT),
    column("high", pa.float64(), "upper end of that interval", null=_NO_REPEAT),
    column("control", pa.float64(), "the same as after, of the control", null=_NO_CONTROL),
    column("control_low", pa.float64(), "lower end of the control's interval", null=_NO_CONTROL),
    column("control_high", pa.float64(), "upper end of the control's interval", null=_NO_CONTROL),
    column("gain", pa.float64(), "after less control", null=_NO_CONTROL),
    column("gain_low", pa.float64(), "lower end of the 95 % interval of the gain", null=_NO_CONTROL),
    column("gain_high", pa.float64(), "upper end of that interval", null=_NO_CONTROL),
    column("seeds", pa.int32(), "trials of the fix, and as many of its control"),
    column("network", pa.string(), "file of the mended network with seed 0, below the run folder"),
)

DEBUG_CHOICES = table(
    MODEL,
    _PROBLEM,
    _STEP,
    column("arm", pa.string(), "fix, or control"),
    column("seed", pa.int32(), "number of the trial"),
    column("place", pa.int32(), "place among what was chosen, 0 first"),
    column("image", pa.int32(), "number of its image in the data set", null="a unit was chosen"),
    column("view", pa.int32(), "its view", null="a unit was chosen"),
    column("unit", pa.int32(), "unit that was dropped", null="a view was chosen"),
)

DEBUG_LABELS = table(
    MODEL,
    column("what", pa.string(), "the attribute that was asked about", null="the class"),
    column("image", pa.int32(), "image of the data set that the network was trained on"),
    column("view", pa.int32(), "its view there"),
    column("label", pa.string(), "what the person says is true: a class, or of an attribute 0 or 1"),
    column("source", pa.string(), "file and row that it was read from"),
)
