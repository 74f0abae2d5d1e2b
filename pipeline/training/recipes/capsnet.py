"""The recipe `capsnet`: capsules with dynamic routing that learn the classes of small grey images, and to draw them again."""

from typing import Annotated, Literal

from pydantic import StrictFloat, StrictInt

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.run.options import at_most, option
from filterscope.pipeline.training.lesson import LessonOptions, lesson_of, settings_of
from filterscope.pipeline.training.recipe import Recipe, Setting, Training

#: Share of the learning rate that is left after so many updates, and the smallest learning rate.
_DECAY, _EVERY, _FLOOR = 0.96, 2000, 1e-6


class CapsNetOptions(LessonOptions):
    """Options of the recipe `capsnet`."""

    filters: Annotated[StrictInt, at_most(4096, "this is one layer")] = option(
        64, "of the convolution; published: 256", ge=1
    )
    types: Annotated[StrictInt, at_most(256, "each votes for every class at every position")] = option(
        8, "types of primary capsules; published: 32", ge=1
    )
    routing: Annotated[StrictInt, at_most(100, "each passes over all votes")] = option(
        3, "iterations of routing; 1 and 0: every primary capsule votes for all classes alike, as an ablation", ge=0
    )
    reconstruction: StrictFloat = option(
        0.0005,
        "weight of the squared error of the decoded image, summed over its pixels; 0: no decoder is trained",
        ge=0,
    )
    margin: Literal["release", "paper"] = option(
        "release", "the margin loss: half of what the paper states, as in the authors' release, or as in the paper"
    )
    batch: Annotated[StrictInt, at_most(65_536, "a batch is in memory at once")] = option(
        128, "images of an update", ge=2
    )
    learning_rate: StrictFloat = option(1e-3, "of Adam, times 0.96 every 2,000 updates", gt=0, le=1)
    input_size: Annotated[StrictInt, at_most(128, "every position votes for every class")] = option(
        28, "height and width of the input in pixels", ge=17
    )
    shift: Annotated[StrictInt, at_most(64, "more leaves nothing of an image")] = option(
        2, "pixels that training images are shifted by, at most, each way", ge=0
    )


def check(options: CapsNetOptions, dataset: Dataset) -> None:
    """Refuse a data set whose images have no class of their own."""
    if lesson_of(dataset, options).several:
        raise InputError(
            f"capsules learn one class of each image, and {dataset.folder} states binary attributes; name the attribute "
            "that holds the class by --truth"
        )
    if options.shift >= options.input_size:
        raise InputError(f"--shift {options.shift} moves images of {options.input_size} pixels out of sight; give less")


def start(setting: Setting) -> Training:
    """Return the training before its first epoch."""
    import torch

    from filterscope.pipeline.models.architectures.capsules import CapsNet
    from filterscope.pipeline.models.tensors import channels_last
    from filterscope.pipeline.models.trained import Description
    from filterscope.pipeline.training.capsules import Capsules
    from filterscope.pipeline.training.images import images_of
    from filterscope.pipeline.views.transform import Transform

    options: CapsNetOptions = setting.options
    lesson, side = lesson_of(Dataset(setting.data), options), options.input_size
    transform = Transform((side, side), side, "bilinear", (0.0,), (1.0,))
    arguments = {"outputs": len(lesson.names), "height": side, "width": side}
    arguments |= {"filters": options.filters, "types": options.types, "routing": options.routing}
    network = CapsNet(**arguments)
    channels_last(network, setting.device)
    optimiser = torch.optim.Adam(network.parameters(), options.learning_rate)
    least = _FLOOR / options.learning_rate
    return Capsules(
        network,
        Description("capsnet", arguments, transform, lesson.names),
        lesson,
        images_of(setting.data, setting.data_identity, settings_of(options), transform),
        optimiser,
        torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: max(_DECAY ** (step / _EVERY), least)),
        batch=options.batch,
        device=setting.device,
        shift=options.shift,
        margin=0.5 if options.margin == "release" else 1.0,
        reconstruction=options.reconstruction,
    )


CAPSNET = Recipe(
    "capsnet",
    "capsules with dynamic routing, which tell the classes of small grey images and decode them, such as digits",
    "Sabour, Frosst & Hinton 2017, Dynamic Routing Between Capsules; network and losses as in their release",
    start,
    options=CapsNetOptions,
    check=check,
    control="of accuracy, what always the same answer would give on held-out images; of agreement, what the coupling of other "
    "classes gives; of entropy, uniform coupling",
)

__all__ = ["CAPSNET", "CapsNetOptions"]
