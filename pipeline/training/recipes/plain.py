"""The recipe `plain`: a small network that learns classes or attributes of any data set."""

from typing import Annotated

from pydantic import BeforeValidator, Field, StrictFloat, StrictInt

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.run.options import at_most, option
from filterscope.pipeline.training.lesson import LessonOptions, lesson_of, settings_of
from filterscope.pipeline.training.recipe import Recipe, Setting, Training


def _sides(value: object) -> object:
    sides = (value,) if type(value) is int else value
    return (*sides, *sides) if isinstance(sides, (list, tuple)) and len(sides) == 1 else sides


_Side = Annotated[StrictInt, at_most(1024, "this is a small network"), Field(ge=16)]


class PlainOptions(LessonOptions):
    """Options of the recipe `plain`."""

    batch: Annotated[StrictInt, at_most(65_536, "a batch is in memory at once")] = option(
        64, "images of an update", ge=2
    )
    learning_rate: StrictFloat = option(3e-3, "of Adam, at the top of its one cycle", gt=0, le=1)
    input_size: Annotated[tuple[_Side, _Side], BeforeValidator(_sides)] = option(
        (88, 88), "height and width of the input in pixels; one number for a square"
    )
    flips: bool = option(True, "mirror half of the images of an epoch left to right")


def check(options: PlainOptions, dataset: Dataset) -> None:
    """Refuse a data set that says nothing to learn."""
    lesson_of(dataset, options)


def start(setting: Setting) -> Training:
    """Return the training before its first epoch."""
    import torch

    from filterscope.pipeline.models.architectures import ARCHITECTURES
    from filterscope.pipeline.models.tensors import channels_last
    from filterscope.pipeline.models.trained import Description
    from filterscope.pipeline.training.images import images_of
    from filterscope.pipeline.training.supervised import Supervised, batches_of
    from filterscope.pipeline.views.transform import Transform

    options: PlainOptions = setting.options
    lesson = lesson_of(Dataset(setting.data), options)
    (height, width), half = options.input_size, (0.5, 0.5, 0.5)
    transform = Transform((height, width), max(height, width), "bilinear", half, (0.25, 0.25, 0.25))
    arguments = {"outputs": len(lesson.names), "height": height, "width": width}
    network = channels_last(ARCHITECTURES["small-cnn"](**arguments), setting.device)
    optimiser = torch.optim.Adam(network.parameters(), options.learning_rate)
    updates = options.epochs * batches_of(len(lesson.train), options.batch)
    return Supervised(
        network,
        Description("small-cnn", arguments, transform, lesson.names),
        lesson,
        images_of(setting.data, setting.data_identity, settings_of(options), transform),
        optimiser,
        torch.optim.lr_scheduler.OneCycleLR(optimiser, options.learning_rate, total_steps=updates + 1),
        batch=options.batch,
        flips=options.flips,
        device=setting.device,
    )


PLAIN = Recipe(
    "plain",
    "a small network of four convolutions that learns the classes or the binary attributes of a data set",
    "The network of the face experiments in docs/train.md",
    start,
    options=PlainOptions,
    check=check,
    divisible=True,
)

__all__ = ["PLAIN", "PlainOptions"]
