"""Which training views a linear head on the maps of a layer learned what it says of test views from."""

import pyarrow as pa

from filterscope.schemas.columns import IMAGE, LAYER, MODEL, VIEW, column, table

_TEST_VIEW = column("view", pa.int32(), "number of the test view")
_TRAIN_VIEW = column("train_view", pa.int32(), "number of the training view")
_TRAIN_IMAGE = column("train_image", pa.int32(), "number of its image")
_LABEL = column("given_label", pa.string(), "what the data set says the view is of")
_PREDICTED = column("predicted", pa.string(), "label of highest score by the head")
_LOSS = column("loss", pa.float64(), "cross-entropy of the head on the view")

POOLED_MAPS = table(
    MODEL,
    LAYER,
    IMAGE,
    VIEW,
    column("means", pa.list_(pa.float32()), "mean over all positions of the map of each unit, in order"),
)

INFLUENCE_HEAD = table(
    MODEL,
    LAYER,
    column("label", pa.string(), "a class of the head: a value of the attribute that holds true classes"),
    column("train_views", pa.int32(), "training views of this label"),
    column("test_views", pa.int32(), "test views of this label"),
    column("bias", pa.float64(), "bias of the class; all biases sum to 0"),
    column(
        "weights",
        pa.list_(pa.float64()),
        "weight of each unit, per standard deviation of its mean over the training views; those of all classes sum to 0",
    ),
)

INFLUENCE_SUMMARY = table(
    MODEL,
    LAYER,
    column("classes", pa.int32(), "labels that training views have"),
    column("train_views", pa.int32(), "views that the head was trained on"),
    column("test_views", pa.int32(), "views that it was tested on, of other images or groups of images"),
    column(
        "left_out", pa.int32(), "decoded views without one label, of a label that no training view has, or over a limit"
    ),
    column("parameters", pa.int32(), "(classes - 1) x (units + 1)"),
    column("gradient", pa.float64(), "norm of the gradient at which training ended; near 0: converged"),
    column("steps", pa.int32(), "steps of Newton's method"),
    column("train_accuracy", pa.float64(), "share of training views whose label is predicted"),
    column("test_accuracy", pa.float64(), "the same of test views"),
    column("constant", pa.float64(), "share of test views of the label that is commonest among training views"),
    column("solver", pa.string(), "how products with the inverse of the Hessian are computed: exact, cg or lissa"),
    column("damping", pa.float64(), "added to all eigenvalues of the Hessian"),
    column("largest_eigenvalue", pa.float64(), "of the damped Hessian, by power iteration"),
    column("scale", pa.float64(), "that LiSSA divides by", null="the solver is another"),
    column(
        "pearson", pa.float64(), "correlation of predicted and actual changes, `influence_check`", null="fewer than 3"
    ),
    column("spearman", pa.float64(), "their rank correlation", null="fewer than 3"),
    column(
        "slope", pa.float64(), "of actual on predicted changes; above 1: influence understates", null="fewer than 3"
    ),
    column("errors", pa.int32(), "training views whose labels were made wrong for the rehearsal, `label_fixes`"),
)

SELF_INFLUENCE = table(
    MODEL,
    LAYER,
    IMAGE,
    VIEW,
    column(
        "influence",
        pa.float64(),
        "by how much the view's own loss would rise if the head were trained without it, to first order",
        null="not computed: without the exact solver those 500 of largest loss have it",
    ),
    _LOSS,
    column("rank", pa.int32(), "place by influence, 0 the largest: suspect first", null="no influence was computed"),
    column("loss_rank", pa.int32(), "place by loss, 0 the largest"),
    _LABEL,
    _PREDICTED,
)

INFLUENCE = table(
    MODEL,
    LAYER,
    IMAGE,
    _TEST_VIEW,
    _LABEL,
    _PREDICTED,
    _LOSS,
    column("kind", pa.string(), "helpful: without the training view the loss would be higher; harmful: lower"),
    column("rank", pa.int32(), "place among those of its kind, 0 the strongest"),
    _TRAIN_IMAGE,
    _TRAIN_VIEW,
    column("train_label", pa.string(), "what the data set says the training view is of"),
    column("same_class", pa.bool_(), "both are said to be of one class"),
    column(
        "influence",
        pa.float64(),
        "by how much the test view's loss would rise if the head were trained without the training view, to first order",
    ),
    column("residual", pa.float64(), "|H s - g| / |g| of the product s that the influence is made of; 0: exact"),
)

INFLUENCE_CHECK = table(
    MODEL,
    LAYER,
    IMAGE,
    _TEST_VIEW,
    _TRAIN_IMAGE,
    _TRAIN_VIEW,
    column("predicted_change", pa.float64(), "of the test view's loss without the training view, by influence"),
    column("actual_change", pa.float64(), "the same by training again"),
    column("gradient", pa.float64(), "norm of the gradient at which that training ended"),
)

LABEL_FIXES = table(
    MODEL,
    LAYER,
    column("order", pa.string(), "what is checked first: largest self-influence, largest loss, or at random"),
    column("checked", pa.float64(), "share of the training views whose labels are checked"),
    column("errors", pa.int32(), "training views whose labels were made wrong"),
    column("found", pa.float64(), "share of them among those checked"),
    column("accuracy", pa.float64(), "share of test views that is right once the errors found are put right"),
)

GROUP_INFLUENCE = table(
    MODEL,
    LAYER,
    column("attribute", pa.string(), "attribute of the data set"),
    column("value", pa.string(), "its value that the views of the group have"),
    column("train_views", pa.int32(), "training views in the group"),
    column(
        "left_out",
        pa.int32(),
        "those that the head is trained without: all, or half of the views of a class that the group holds whole",
    ),
    column("test_views", pa.int32(), "test views with the value"),
    column("predicted_change", pa.float64(), "of the mean loss of all test views without the group, by influence"),
    column("actual_change", pa.float64(), "the same by training again"),
    column(
        "own_predicted",
        pa.float64(),
        "predicted change of the mean loss of test views with the value",
        null="none has it",
    ),
    column("own_actual", pa.float64(), "the same by training again", null="no test view has the value"),
    column("pearson", pa.float64(), "correlation of predicted and actual changes over test views", null="fewer than 3"),
    column(
        "slope", pa.float64(), "of actual on predicted changes; above 1: influence understates", null="fewer than 3"
    ),
    column("accuracy", pa.float64(), "share of test views that the head without the group is right on"),
    column(
        "random_predicted", pa.float64(), "predicted change of the mean loss without a random group of the same size"
    ),
    column("random_actual", pa.float64(), "the same by training again"),
    column("random_own", pa.float64(), "the same of test views with the value", null="no test view has the value"),
    column("random_pearson", pa.float64(), "correlation without the random group", null="fewer than 3"),
    column("random_accuracy", pa.float64(), "share of test views that the head without the random group is right on"),
)

TRAINING_ATTACK = table(
    MODEL,
    LAYER,
    IMAGE,
    _TEST_VIEW,
    _LABEL,
    column("perturbed", pa.int32(), "training views that are changed"),
    column("train_views", pa.list_(pa.int32()), "their numbers, that of most leverage first"),
    column("linf", pa.float64(), "largest change of a value in them", unit="grey levels of 255"),
    column("l2", pa.float64(), "mean Euclidean length of the changes", unit="black to white"),
    column("predicted", pa.string(), "label of highest score once the head is trained on the changed views"),
    column("flipped", pa.bool_(), "whether that is another than the test view's label, which the head had"),
    column("loss_before", pa.float64(), "loss of the test view before"),
    column("loss_after", pa.float64(), "its loss once the head is trained on the changed views"),
    column("noise_flipped", pa.bool_(), "whether random noise of equal l2 in the same training views flips the label"),
    column("noise_loss", pa.float64(), "loss of the test view after training on those"),
)
