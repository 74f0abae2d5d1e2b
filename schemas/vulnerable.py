"""How little changes a network's mind, and which units change with it."""

import pyarrow as pa

from filterscope.schemas.columns import IMAGE, LAYER, MODEL, UNIT, VIEW, column, table

_ATTACK = column("attack", pa.string(), "lbfgs, fgsm, pgd or one_pixel")
_STRENGTH = column(
    "strength",
    pa.float64(),
    "of fgsm and pgd the largest change of a value, in grey levels of 255; of one_pixel the pixels that may change",
    null="the attack searches the smallest change itself",
)
_CLASS = column("class", pa.int32(), "class before: the true one, or where none is known the one of highest score")
_UNCHANGED = "the attack changed no view's class"

ADVERSARIAL_VIEWS = table(
    MODEL,
    IMAGE,
    VIEW,
    _CLASS,
    column("predicted", pa.int32(), "class of highest score"),
    column("probability", pa.float64(), "probability of `class`"),
    column(
        "status",
        pa.string(),
        "attacked; wrong: another class than the true one is predicted; unsure: no true class is known and the "
        "probability is below --vulnerable.confidence; target: it has the class that is asked for already",
    ),
)

ADVERSARIAL = table(
    MODEL,
    _ATTACK,
    _STRENGTH,
    IMAGE,
    VIEW,
    _CLASS,
    column("class_name", pa.string(), "what it is called; its index where nothing names it"),
    column("target", pa.int32(), "class that the attack is after", null="any other will do"),
    column("predicted", pa.int32(), "class of highest score after the attack"),
    column("predicted_name", pa.string(), "what that is called"),
    column("success", pa.bool_(), "whether that is the target, or any other class"),
    column("rounded", pa.bool_(), "whether it still is when the attacked image is rounded to 8 bits per value"),
    column("queries", pa.int64(), "forward passes that the attack took as long as; a way back counts two"),
    column("l2", pa.float64(), "Euclidean length of the change", unit="black to white"),
    column("distortion", pa.float64(), "root mean square of the change", unit="black to white"),
    column("linf", pa.float64(), "largest change of a value", unit="black to white"),
    column("pixels", pa.int64(), "pixels that changed"),
    column(
        "weight", pa.float64(), "smallest weight of the loss that succeeds [c]", null="another attack, or none succeeds"
    ),
    column("probability_before", pa.float64(), "probability of `class` before the attack"),
    column("probability_after", pa.float64(), "probability of `class` after the attack"),
    column(
        "control_success",
        pa.bool_(),
        "whether random noise of equal l2 does the same; of one_pixel: the best of as many random changes as it took queries",
    ),
    column("control_probability", pa.float64(), "probability of `class` after the control"),
    column(
        "check",
        pa.bool_(),
        "whether projected gradient descent in a Euclidean ball 5 % larger than the change succeeds too",
        null="another attack than lbfgs, or it did not succeed",
    ),
    column("pictured", pa.bool_(), "whether the attacked image is kept, for the gallery of the report"),
)

UNIT_SHIFT = table(
    MODEL,
    LAYER,
    UNIT,
    _ATTACK,
    _STRENGTH,
    column("views", pa.int32(), "views whose class the attack changed"),
    column(
        "shift",
        pa.float64(),
        "mean change of the unit's maximum, in standard deviations of its maxima over all views",
        null=f"{_UNCHANGED}, or the unit's maxima are all the same",
    ),
    column(
        "size", pa.float64(), "mean size of that change", null=f"{_UNCHANGED}, or the unit's maxima are all the same"
    ),
    column(
        "noise_size",
        pa.float64(),
        "mean size of the change under random noise of equal l2",
        null=f"{_UNCHANGED}, or the unit's maxima are all the same",
    ),
    column(
        "larger", pa.float64(), "share of views that the attack changes more than the noise; ties half", null=_UNCHANGED
    ),
    column("level", pa.float32(), "upper quartile of the unit's maxima over all views: it is on above"),
    column("on", pa.int32(), "of the views, those on which the unit is on before"),
    column("off_after", pa.int32(), "of these, those on which it is off after the attack"),
    column("off_in_noise", pa.int32(), "of these, those on which it is off in noise"),
    column("on_after", pa.int32(), "views on which it was off and is on after the attack"),
    column("on_in_noise", pa.int32(), "views on which it was off and is on in noise"),
)

VIEW_SHIFT = table(
    MODEL,
    LAYER,
    IMAGE,
    VIEW,
    _ATTACK,
    _STRENGTH,
    column("rank", pa.int32(), "place of the unit among those that change most on the view, 0 the most; five are kept"),
    UNIT,
    column("change", pa.float64(), "change of its maximum, in standard deviations of its maxima over all views"),
    column("noise_change", pa.float64(), "the same under random noise of equal l2"),
    column("switch", pa.string(), "on or off: what the attack turns it", null="it stays what it was"),
    column("noise_switch", pa.string(), "the same of noise", null="it stays what it was"),
)
