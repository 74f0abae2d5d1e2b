"""The recipe `inverter`: networks that make images again of what a layer gives for them, and the same of random weights."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, StrictFloat, StrictInt, StrictStr

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.run.options import at_most, option
from filterscope.pipeline.training.lesson import views_option
from filterscope.pipeline.training.recipe import Recipe, RecipeOptions, Setting, Training

if TYPE_CHECKING:
    from filterscope.pipeline.views.transform import Transform


class InverterOptions(RecipeOptions):
    """Options of the recipe `inverter`."""

    epochs: Annotated[StrictInt, at_most(100_000, "each is a piece of work")] = option(
        10, "passes over the training images", ge=1
    )
    views: Annotated[StrictStr, AfterValidator(views_option)] = option(
        "image", "what is inverted: image, objects or objects:CATEGORY"
    )
    held_out: StrictFloat = option(
        0.25, "share of the images that it never learns from; those of a group stay together", ge=0.01, le=0.9
    )
    width: StrictFloat = option(1.0, "factor of its channels; 1: 256 in the first layers", gt=0, le=16)
    batch: Annotated[StrictInt, at_most(65_536, "a batch is in memory at once")] = option(
        64, "images of an update", ge=1
    )
    learning_rate: StrictFloat = option(1e-3, "of Adam, the largest of one cycle", gt=0, le=1)


def check(options: InverterOptions, dataset: Dataset) -> None:
    """Refuse a data set with too few images."""
    from filterscope.pipeline.training.inverting import check_images
    from filterscope.pipeline.views.views import ViewSettings

    check_images(dataset, ViewSettings(options.views), options.held_out)


def start(setting: Setting) -> Training:
    """Return the training before its first epoch."""
    import torch

    from filterscope.pipeline.models.architectures.inverter import Inverter
    from filterscope.pipeline.models.model import open_model
    from filterscope.pipeline.models.trained import Description
    from filterscope.pipeline.training.features import features_of
    from filterscope.pipeline.training.images import images_of
    from filterscope.pipeline.training.inverting import UNTRAINED, Frozen, Inverting, first_images, split_of, untrained
    from filterscope.pipeline.views.views import ViewSettings, open_views

    options, subject, spec = setting.options, setting.subject, setting.subject.spec
    assert spec is not None
    assert setting.shared is not None
    drawn = torch.get_rng_state()  # initial weights follow from the seed, whatever opening a network draws
    if setting.variant == UNTRAINED:
        spec = untrained(spec)
    views = ViewSettings(options.views)
    split = split_of(setting.data, setting.data_identity, views, options.held_out)
    transform = open_model(spec).transform
    images = images_of(setting.data, setting.data_identity, views, transform)
    count = len(open_views(setting.data, setting.data_identity, views))
    layer = Frozen(spec, subject.layer, setting.device, first_images(images, count))
    stated = {**subject.parameters, "data": setting.data_identity, **views.parameters, "device": setting.device}
    stated |= {"kind": setting.variant, "transform": repr(transform)}
    features = features_of(setting.shared / "features", stated, images, split, layer, mirrored=False)
    arguments = _arguments(features.train.shape[2:], transform, options.width)
    torch.set_rng_state(drawn)
    return Inverting(
        Inverter(**arguments),
        Description("inverter", arguments, transform, about=_about(setting)),
        features,
        split,
        images,
        batch=options.batch,
        learning_rate=options.learning_rate,
        epochs=options.epochs,
        device=setting.device,
    )


def _arguments(shape: tuple[int, ...], transform: "Transform", width: float) -> dict[str, Any]:
    """Return what the inverter of maps of a shape (channels, rows, columns) is built from."""
    channels, rows, columns = shape
    height, across = transform.input_size
    return {
        "channels": channels, "rows": rows, "columns": columns, "height": height, "width": across,
        "colours": 1 if transform.channels == 1 else 3, "multiplier": width,
    }  # fmt: skip


def _about(setting: Setting) -> dict[str, Any]:
    """Return what the checkpoint says of the layer that it inverts, and of the views that it learned from."""
    options, subject = setting.options, setting.subject
    return {
        "kind": setting.variant, "layer": subject.layer, "model": subject.model, "weights": subject.weights_sha256,
        "views": options.views, "held_out": options.held_out,
    }  # fmt: skip


INVERTER = Recipe(
    "inverter",
    "networks that make images again of what layers of an existing network give, and of the same layers untrained",
    "Dosovitskiy & Brox 2016, Inverting Visual Representations with Convolutional Networks",
    start,
    options=InverterOptions,
    check=check,
    from_model=True,
    code=True,
    variants=("inverter", "untrained"),
    control="of the error, that of the mean training image",
)

__all__ = ["INVERTER", "InverterOptions"]
