"""The recipe `rule-distil`: a small network that learns attributes and rules about them, beside a twin without rules."""

from typing import Annotated

from pydantic import BeforeValidator, StrictFloat, StrictStr

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.run.options import option
from filterscope.pipeline.run.rule_file import rule_rows, rules_of
from filterscope.pipeline.training.lesson import Lesson, lesson_of, settings_of
from filterscope.pipeline.training.recipe import Recipe, Setting, Training
from filterscope.pipeline.training.recipes.plain import PlainOptions

#: The twins: trained without the rules, and with them.
PLAIN, DISTILLED = "plain", "distilled"
#: Labels that rules may name: all their assignments are weighed.
MOST = 10


class RuleDistilOptions(PlainOptions):
    """Options of the recipe `rule-distil`."""

    rules: Annotated[tuple[StrictStr, ...], BeforeValidator(rule_rows)] = option(
        (), 'TOML file of rules on attributes, such as [[rule]] with rule = "label:beard => ~label:child"'
    )
    strength: StrictFloat = option(6.0, "strength C with which the teacher imposes rules", ge=0, le=1000)
    decay: StrictFloat = option(0.95, "the teacher's share is 1 - decay^t after t epochs", ge=0, le=1)


def check(options: RuleDistilOptions, dataset: Dataset) -> None:
    """Refuse a data set that says nothing to learn, and rules that it cannot follow."""
    _lesson(options, dataset)


def _lesson(options: RuleDistilOptions, dataset: Dataset) -> Lesson:
    lesson = lesson_of(dataset, options)
    if not options.rules:
        raise InputError("the recipe rule-distil learns rules: name a TOML file of them by --rules")
    if not lesson.several:
        raise InputError(
            f"rules are about several labels of an image, and this lesson is of {lesson.kind}; add --learn attributes"
        )
    named = {atom for rule in rules_of(options.rules) for atom in rule.formula.atoms()}
    for atom in sorted(named):
        if atom.kind != "label":
            raise InputError(
                f"{atom.kind}:{atom.name}: the recipe rule-distil takes rules on labels, label:NAME, alone"
            )
        if atom.name not in lesson.names:
            hint = did_you_mean(atom.name, lesson.names) or f" Labels are: {', '.join(lesson.names[:50])}."
            raise InputError(f"label:{atom.name}: the network learns no such attribute.{hint}")
    if len(named) > MOST:
        raise InputError(f"rules name {len(named)} labels; at most {MOST}, for all their assignments are weighed")
    return lesson


def start(setting: Setting) -> Training:
    """Return the training of a twin before its first epoch."""
    import torch

    from filterscope.pipeline.models.architectures import ARCHITECTURES
    from filterscope.pipeline.models.tensors import channels_last
    from filterscope.pipeline.models.trained import Description
    from filterscope.pipeline.training.distilled import Distilled, Teacher
    from filterscope.pipeline.training.images import images_of
    from filterscope.pipeline.training.supervised import batches_of
    from filterscope.pipeline.views.transform import Transform

    options: RuleDistilOptions = setting.options
    lesson = _lesson(options, Dataset(setting.data))
    (height, width), half = options.input_size, (0.5, 0.5, 0.5)
    transform = Transform((height, width), max(height, width), "bilinear", half, (0.25, 0.25, 0.25))
    arguments = {"outputs": len(lesson.names), "height": height, "width": width}
    network = channels_last(ARCHITECTURES["small-cnn"](**arguments), setting.device)
    optimiser = torch.optim.Adam(network.parameters(), options.learning_rate)
    updates = options.epochs * batches_of(len(lesson.train), options.batch)
    rules = [(rule.formula, rule.weight) for rule in rules_of(options.rules)]
    return Distilled(
        network,
        Description("small-cnn", arguments, transform, lesson.names, about={"twin": setting.variant}),
        lesson,
        images_of(setting.data, setting.data_identity, settings_of(options), transform),
        optimiser,
        torch.optim.lr_scheduler.OneCycleLR(optimiser, options.learning_rate, total_steps=updates + 1),
        batch=options.batch,
        flips=options.flips,
        device=setting.device,
        teacher=Teacher.of(rules, lesson.names, options.strength),
        decay=1.0 if setting.variant == PLAIN else options.decay,
    )


RULE_DISTIL = Recipe(
    "rule-distil",
    "a small network that learns attributes from labels and from rules about them, beside a twin trained without the rules",
    "Hu, Ma, Liu, Hovy & Xing 2016, Harnessing Deep Neural Networks with Logic Rules, section 3; schedule as in their release",
    start,
    options=RuleDistilOptions,
    check=check,
    variants=(PLAIN, DISTILLED),
    control="of accuracy, the most frequent answers of the training images; of posterior_accuracy, the network's own; of "
    "violations, answers to each label from another image",
)

__all__ = ["DISTILLED", "PLAIN", "RULE_DISTIL", "RuleDistilOptions"]
