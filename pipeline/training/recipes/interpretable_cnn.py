"""The recipe `interpretable-cnn`: filters that each learn one part of an object, beside a twin that is trained without."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, StrictFloat, StrictInt, StrictStr

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.run.options import at_most, option
from filterscope.pipeline.training.lesson import Lesson, LessonOptions, lesson_of, settings_of, views_option
from filterscope.pipeline.training.recipe import Recipe, Setting, Training

if TYPE_CHECKING:
    from filterscope.pipeline.models.architectures.interpretable_cnn import InterpretableCNN
    from filterscope.pipeline.models.model import Model

#: The twins: trained without mask and pull, and with.
PLAIN, INTERPRETABLE = "plain", "interpretable"
_DIFFER = 1e-4


class InterpretableOptions(LessonOptions):
    """Options of the recipe `interpretable-cnn`."""

    epochs: Annotated[StrictInt, at_most(100_000, "each is a piece of work")] = option(
        25, "passes over the training views", ge=1
    )
    views: Annotated[StrictStr, AfterValidator(views_option)] = option(
        "objects", "what enters the network: image, objects or objects:CATEGORY"
    )
    held_out: StrictFloat = option(
        0.33, "share of the images that it never learns from; those of a group stay together", ge=0.01, le=0.9
    )
    single: bool = option(False, "all objects are one category, against the negatives, instead of one each")
    mode: Literal["paper", "release"] = option(
        "paper", "masks and derivative of the loss: as the paper has them, or as the authors' code does"
    )
    kappa: StrictFloat = option(
        4.0,
        "size of the pull towards templates, over that of the classification loss's derivative; in the mode paper",
        ge=0,
        le=1000,
    )
    filters: Annotated[StrictInt, at_most(8192, "each learns a part")] = option(64, "new filters", ge=1)
    pca: Annotated[StrictInt, at_most(8192, "no layer has as many channels")] = option(
        128, "principal directions of the layer's channels that the new filters see; 0: all channels as they are", ge=0
    )
    batch: Annotated[StrictInt, at_most(65_536, "a batch is in memory at once")] = option(
        64, "views of an update; the information of a filter is that of a batch", ge=2
    )
    learning_rate: StrictFloat = option(1e-3, "of Adam", gt=0, le=1)
    dropout: StrictFloat = option(0.5, "share of the values that the head does not see in training", ge=0, lt=1)
    flips: bool = option(True, "show mirror images too")


def check(options: InterpretableOptions, dataset: Dataset) -> None:
    """Refuse a data set that says nothing to learn."""
    _lesson(options, dataset)


def _lesson(options: InterpretableOptions, dataset: Dataset) -> Lesson:
    from filterscope.pipeline.training.filters import single

    lesson = lesson_of(dataset, options)
    return single(lesson) if options.single else lesson


def start(setting: Setting) -> Training:
    """Return the training of a twin before its first epoch."""
    from filterscope.pipeline.models.architectures.interpretable_cnn import refuse_unknown
    from filterscope.pipeline.models.trained import Description
    from filterscope.pipeline.training.filters import Categories, FilterTraining, seen_of

    options: InterpretableOptions = setting.options
    dataset, subject = Dataset(setting.data), setting.subject
    lesson = _lesson(options, dataset)
    model = _opened(setting)
    refuse_unknown(*_named(model))  # before the features are computed
    features = _features(setting, model, lesson)
    seen = seen_of(features, options.pca)
    mode = "none" if setting.variant == PLAIN else options.mode
    arguments = _arguments(model, subject.layer, features.train.shape[2:], lesson, options)
    network = _network(model, {**arguments, "mode": mode}, seen).to(setting.device)
    about = {"name": setting.name, "layer": "filters", "twin": setting.variant}
    return FilterTraining(
        network,
        Description("interpretable-cnn", {**arguments, "mode": mode}, model.transform, lesson.names, about=about),
        lesson,
        Categories.of(lesson),
        features,
        seen,
        kappa=0.0 if setting.variant == PLAIN else options.kappa,
        batch=options.batch,
        learning_rate=options.learning_rate,
        flips=options.flips,
        device=setting.device,
        located=lambda maps, rows: _located(setting, network, lesson, maps, rows),
    )


def _opened(setting: Setting) -> "Model":
    from filterscope.pipeline.models.model import open_model

    assert setting.subject.spec is not None
    return open_model(setting.subject.spec)


def _named(model: "Model") -> tuple[str, dict[str, Any]]:
    """Return name and arguments by which a checkpoint can have the backbone built again."""
    return f"{model.spec.scheme}:{model.spec.architecture}", dict(model.spec.arguments)


def _features(setting: Setting, model: "Model", lesson: Lesson) -> Any:
    """Return the maps of the subject's layer for the lesson's views."""
    import torch

    from filterscope.pipeline.models.architectures.interpretable_cnn import reached
    from filterscope.pipeline.models.tensors import channels_last, normalisation, prepare
    from filterscope.pipeline.training.features import features_of
    from filterscope.pipeline.training.images import images_of

    settings, subject = settings_of(setting.options), setting.subject
    assert setting.shared is not None
    stated = {**subject.parameters, "data": setting.data_identity, **settings.parameters, "device": setting.device}
    module = channels_last(model.module, setting.device)
    mean, std = normalisation(model, setting.device)

    def layer(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            maps = reached(module, subject.layer, prepare(pixels, mean, std, setting.device))
        if maps.ndim != 4:
            raise InputError(f"layer {subject.layer!r} of {model.name} gives no maps (n, channels, rows, columns)")
        found: np.ndarray = maps.float().cpu().numpy()
        return found

    images = images_of(setting.data, setting.data_identity, settings, model.transform)
    mirrored = setting.options.flips
    return features_of(setting.shared / "features", stated, images, lesson, layer, mirrored=mirrored)


def _arguments(
    model: "Model", layer: str, shape: tuple[int, ...], lesson: Lesson, options: InterpretableOptions
) -> dict[str, Any]:
    """Return what the network is built from but for its mode: numbers and words."""
    import torch

    from filterscope.pipeline.models.architectures.interpretable_cnn import behind

    channels, height, width = shape
    noise = torch.rand(
        (1, model.transform.channels, *model.transform.input_size), generator=torch.Generator().manual_seed(0)
    )
    with torch.inference_mode():
        dropped = behind(model.module, layer, noise.to(next(model.module.parameters()).device))
    backbone, made_with = _named(model)
    return {
        "backbone": backbone,
        "arguments": made_with,
        "layer": layer,
        "dropped": dropped,
        "channels": channels,
        "height": height,
        "width": width,
        "reduced": options.pca,
        "filters": options.filters,
        "outputs": len(lesson.names),
        "dropout": options.dropout,
    }


def _network(model: "Model", arguments: dict[str, Any], seen: Any) -> "InterpretableCNN":
    """Build the network on the backbone's weights; InputError if it is not the same up to the layer."""
    import torch

    from filterscope.pipeline.models.architectures.interpretable_cnn import InterpretableCNN, reached

    torch_state = torch.get_rng_state()
    network = InterpretableCNN(**arguments)
    theirs = model.module.state_dict()
    own = network.backbone.state_dict()
    network.backbone.load_state_dict({name: theirs.get(name, value) for name, value in own.items()})
    network.scale.fill_(seen.scale)
    if isinstance(network.reduce, torch.nn.Conv2d) and network.reduce.bias is not None:
        with torch.no_grad():
            network.reduce.weight.copy_(torch.from_numpy(seen.weight)[:, :, None, None])
            network.reduce.bias.copy_(torch.from_numpy(seen.bias))
    noise = torch.rand(
        (2, model.transform.channels, *model.transform.input_size), generator=torch.Generator().manual_seed(0)
    )
    with torch.inference_mode():
        at = next(model.module.parameters()).device
        expected = reached(model.module, arguments["layer"], noise.to(at)).cpu()
        network.eval()
        found = network.maps(noise)
    if not torch.allclose(found, expected, rtol=_DIFFER, atol=_DIFFER * float(expected.abs().max())):
        raise InputError(
            f"{model.name} cannot be built again from its name alone, so that what is trained on it could not be opened; start "
            "from another network"
        )
    # initial weights follow from the seed, whatever the backbone drew
    torch.set_rng_state(torch_state)
    for part in (network.filters, network.linear):
        part.reset_parameters()
    return network


def _located(
    setting: Setting, network: "InterpretableCNN", lesson: Lesson, maps: np.ndarray, rows: np.ndarray
) -> Iterator[Any]:
    """Yield where the filters fire beside the landmarks of the data set, on held-out views."""
    from filterscope.pipeline.models.field import Field
    from filterscope.pipeline.models.geometry import receptive_fields
    from filterscope.pipeline.training.filters import LAYER, Categories
    from filterscope.pipeline.training.located import located
    from filterscope.pipeline.views.geometry import Geometry
    from filterscope.pipeline.views.landmarks import landmarks_in_views
    from filterscope.pipeline.views.views import open_views

    dataset = Dataset(setting.data)
    transform = _opened(setting).transform
    field = receptive_fields(network, transform.input_size, transform.channels).get(LAYER)
    categories = Categories.of(lesson)
    if not isinstance(field, Field) or not dataset.rows("landmarks"):
        return
    views = open_views(setting.data, setting.data_identity, settings_of(setting.options))
    geometry = Geometry.of(transform, "squash")
    chosen = lesson.heldout[rows]
    member = categories.member[chosen]
    category = np.where(member.sum(axis=1) == 1, member.argmax(axis=1), -1)
    yield from located(
        maps, chosen, views.group[chosen], category, categories.names,
        landmarks_in_views(dataset, views, geometry), field, geometry.size, setting.name, LAYER,
    )  # fmt: skip


INTERPRETABLE_CNN = Recipe(
    "interpretable-cnn",
    "filters that each learn one part of an object, on a layer of an existing network, beside a twin trained without",
    "Zhang, Wu and Zhu, Interpretable Convolutional Neural Networks, CVPR 2018",
    start,
    options=InterpretableOptions,
    check=check,
    from_model=True,
    segment=5,
    variants=(PLAIN, INTERPRETABLE),
    tables=("filter_categories", "location_instability"),
)

__all__ = ["INTERPRETABLE", "INTERPRETABLE_CNN", "PLAIN", "InterpretableOptions"]
