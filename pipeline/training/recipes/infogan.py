"""The recipe `infogan`: a generator of small grey images with codes that another network reads off them, without labels."""

from typing import Annotated

from pydantic import StrictFloat, StrictInt, StrictStr

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.run.options import at_most, option
from filterscope.pipeline.training.lesson import LessonOptions, lesson_of, settings_of
from filterscope.pipeline.training.recipe import Recipe, Setting, Training


class InfoGANOptions(LessonOptions):
    """Options of the recipe `infogan`."""

    epochs: Annotated[StrictInt, at_most(100_000, "each is a piece of work")] = option(
        50, "passes over the training images", ge=1
    )
    categories: Annotated[StrictInt, at_most(1000, "each is a code")] = option(
        10, "values of the categorical code", ge=2
    )
    uniforms: Annotated[StrictInt, at_most(1000, "each is a code")] = option(2, "codes from -1 to 1 that Q reads", ge=0)
    noise: Annotated[StrictInt, at_most(4096, "each is a code")] = option(
        62, "codes from -1 to 1 that it does not", ge=1
    )
    width: Annotated[StrictInt, at_most(256, "weights grow with its square")] = option(
        16, "units of the first convolution, from which the others follow; published: 64", ge=2
    )
    weight: StrictFloat = option(1.0, "of the bound on the information in both losses", ge=0, le=1000)
    batch: Annotated[StrictInt, at_most(65_536, "a batch is in memory at once")] = option(
        128, "real and generated images of an update", ge=2
    )
    learning_rate: StrictFloat = option(2e-4, "of Adam, of the discriminator and Q", gt=0, le=1)
    generator_rate: StrictFloat = option(1e-3, "of Adam, of the generator", gt=0, le=1)
    input_size: Annotated[StrictInt, at_most(128, "this is a small network")] = option(
        28, "height and width of the images in pixels, a multiple of 4", ge=8
    )
    classifier: StrictStr = option(
        "", "independent network that names generated images, as trained:RUN/plain-0; unset: no purity of them"
    )


def check(options: InfoGANOptions, dataset: Dataset) -> None:
    """Refuse what cannot be learned or measured."""
    if lesson_of(dataset, options).several:
        raise InputError(
            f"purity is measured by one class of each image, and {dataset.folder} states binary attributes; name the "
            "attribute that holds the class by --truth"
        )
    if options.input_size % 4:
        raise InputError(f"--input-size {options.input_size} is no multiple of 4; 28 and 32 are")
    if options.classifier:
        from filterscope.pipeline.models.model import open_model
        from filterscope.pipeline.models.spec import ModelSpec

        open_model(ModelSpec(options.classifier))


def start(setting: Setting) -> Training:
    """Return the training before its first epoch."""
    from filterscope.pipeline.models.architectures.infogan import InfoGAN
    from filterscope.pipeline.models.model import open_model
    from filterscope.pipeline.models.spec import ModelSpec
    from filterscope.pipeline.models.tensors import channels_last
    from filterscope.pipeline.models.trained import Description
    from filterscope.pipeline.training.images import images_of
    from filterscope.pipeline.training.infogan import Informing, Judge
    from filterscope.pipeline.views.transform import Transform

    options: InfoGANOptions = setting.options
    size = options.input_size
    transform = Transform((size, size), size, "bilinear", (0.0,), (1.0,))
    arguments = {
        "size": size,
        **{name: getattr(options, name) for name in ("categories", "uniforms", "noise", "width")},
    }
    network = InfoGAN(**arguments)
    channels_last(network, setting.device)
    judge = Judge(open_model(ModelSpec(options.classifier)), setting.device) if options.classifier else None
    return Informing(
        network,
        Description("infogan", arguments, transform),
        lesson_of(Dataset(setting.data), options),
        images_of(setting.data, setting.data_identity, settings_of(options), transform),
        judge,
        name=setting.name,
        batch=options.batch,
        rates=(options.learning_rate, options.generator_rate),
        weight=options.weight,
        device=setting.device,
    )


INFOGAN = Recipe(
    "infogan",
    "a generator of small grey images with codes that a second network reads off them, without labels",
    "Chen et al. 2016, InfoGAN; network, losses and rates as in their release",
    start,
    options=InfoGANOptions,
    check=check,
    tables=("generated",),
    control="what the same codes, permuted, would give",
)

__all__ = ["INFOGAN", "InfoGANOptions"]
