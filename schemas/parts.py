"""How well units detect parts, and the parts of Pascal-Part merged as in the evaluation of the interpretable CNN.

References
----------
Zhang, Wu, Zhu. Interpretable convolutional neural networks. CVPR 2018, section 4 and the released code.
"""

from collections.abc import Mapping

import pyarrow as pa

from filterscope.schemas.columns import LAYER, MODEL, UNIT, column, table

#: Category of concepts that are parts.
PART = "part"

_FACE = ("head", "leye", "reye", "lear", "rear")
_TORSO = ("torso", "neck")
_PAWS = {"front legs": ("lfleg", "lfpa", "rfleg", "rfpa"), "back legs": ("lbleg", "lbpa", "rbleg", "rbpa")}
_LEGS = {"front legs": ("lfuleg", "lflleg", "rfuleg", "rflleg"), "back legs": ("lbuleg", "lblleg", "rbuleg", "rblleg")}
_HORNED = {"head": (*_FACE, "muzzle", "lhorn", "rhorn"), "torso": _TORSO, **_LEGS}

#: For each category, the merged parts and the names of the annotated parts they hold; other parts are left out.
PART_MERGES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "bird": {
        "head": ("head", "leye", "reye", "beak"),
        "torso": (*_TORSO, "lwing", "rwing"),
        "legs": ("lleg", "lfoot", "rleg", "rfoot"),
        "tail": ("tail",),
    },
    "cat": {"head": (*_FACE, "nose"), "torso": _TORSO, **_PAWS, "tail": ("tail",)},
    "cow": _HORNED,
    "dog": {"head": (*_FACE, "nose", "muzzle"), "torso": _TORSO, **_PAWS, "tail": ("tail",)},
    "horse": {
        "head": (*_FACE, "muzzle"),
        "torso": _TORSO,
        "front legs": (*_LEGS["front legs"], "lfho", "rfho"),
        "back legs": (*_LEGS["back legs"], "lbho", "rbho"),
    },
    "sheep": _HORNED,
}

#: Landmarks of the published tables of location instability.
LOCATION_PARTS = ("head", "neck", "torso")

_UNSEEN = "no view shows the part"

PART_INTERPRETABILITY = table(
    MODEL,
    LAYER,
    UNIT,
    column("concept", pa.string(), "name of the part, a concept of the category part [k]"),
    column("views", pa.int64(), "views that show the part"),
    column("matched", pa.int64(), "of these, views on which the unit's receptive-field mask has IoU > 0.2 with it"),
    column("share", pa.float64(), "matched / views [P(f,k)]", null=_UNSEEN),
    column("mean_iou", pa.float64(), "IoU averaged over these views [IoU^I]", null=_UNSEEN),
    column("largest_iou", pa.float64(), "largest IoU on one of them", null=_UNSEEN),
    column("eligible", pa.bool_(), "in at least min_images images, so that it can be the unit's part"),
    column("best", pa.bool_(), "eligible and of largest share above 0, which is then P_f; ties to the first part"),
)
