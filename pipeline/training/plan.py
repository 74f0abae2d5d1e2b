"""What a training run will compute: which trainings, and the chain of pieces of work of each."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from filterscope.pipeline.datasets.checks import check_dataset
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.engine.keys import Fingerprint, Key, Keys
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.engine.stage import Output, Stage, Step, Work
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.models.stated import stated_spec
from filterscope.pipeline.training.lesson import parameters_of
from filterscope.pipeline.training.recipe import Recipe, Setting, Subject
from filterscope.pipeline.training.registry import recipe
from filterscope.pipeline.training.segment import STAGE, Segment, block_of, state_path, train_epochs
from filterscope.pipeline.training.workers import together


@dataclass(frozen=True)
class Asked:
    """What is asked of a recipe; plain values, which ``training.toml`` records.

    Attributes
    ----------
    recipe : str
        Its name.
    data : Path
        Folder of the data set.
    options : mapping
        Options of the recipe; what is absent has its default.
    seeds : int
        Trainings of each subject, with the seeds from 0.
    models, layers : tuple of str
        What recipes start from that start from a network: sources and names of layers.
    device : str
        auto, cpu or cuda.
    threads : int
        Of the processor, of each worker of a training.
    workers : int
        That train one network together.
    """

    recipe: str
    data: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 3
    models: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    device: str = "auto"
    threads: int = 1
    workers: int = 1


@dataclass(frozen=True)
class Chain:
    """One training: its pieces of work, each of which reads what the one before it wrote."""

    setting: Setting
    segments: tuple[Segment, ...]

    @property
    def name(self) -> str:
        """Name of the network that it makes."""
        return self.setting.name

    @property
    def keys(self) -> list[Key]:
        """Keys of its pieces of work, in order."""
        return [segment.key for segment in self.segments]

    def stage(self, segment: Segment, gpus: float = 0.0) -> Stage:
        """Return one piece of work as a stage."""

        def group(missing: Iterable[Key]) -> Iterator[Work]:
            return (Work((key,), segment) for key in missing)

        # the tries of a stage are counted and forgotten by its name: those of other trainings are not touched
        return Stage(
            f"{STAGE}/{self.name}", Keys([[segment.key]]), group, (Step(self._call, float(self.setting.threads), gpus),)
        )

    def whole(self) -> Stage:
        """Return all its pieces of work as a stage, to be looked at."""
        return Stage(f"{STAGE}/{self.name}", Keys([self.keys]), lambda missing: iter(()), (Step(self._call),))

    @property
    def _call(self) -> Callable[[Segment], list[Output]]:
        return together if self.setting.workers > 1 else train_epochs

    def settle(self, run: Path, ledger: Ledger) -> int:
        """Forget finished work whose state is gone and that unfinished work would start from; return how much."""
        missing = set(ledger.missing(self.keys))
        first = next((place for place, key in enumerate(self.keys) if key in missing), len(self.keys))
        start = first
        while (
            0 < start < len(self.keys)
            and not state_path(run, self.name, block_of(self.segments[start].first)).is_file()
        ):
            start -= 1
        return ledger.forget(self.keys[start:first])


def subjects_of(asked: Asked, found: Recipe, tell: Callable[[str], None]) -> list[Subject]:
    """Open the networks that a recipe starts from, and find their layers.

    Raises
    ------
    InputError
        If there are none and the recipe needs some, or the other way round, or one does not open or has no such layer.
    """
    if not found.from_model:
        if asked.models or asked.layers:
            raise InputError(f"the recipe {found.name} starts from no network; drop --model and --layers")
        return [Subject()]
    if not asked.models:
        raise InputError(
            f"the recipe {found.name} starts from a network; name it with --model, such as torchvision:vgg16"
        )
    from filterscope.pipeline.models.model import open_model
    from filterscope.pipeline.models.probe import chosen

    subjects: list[Subject] = []
    for source in asked.models:
        spec = _named(source)
        if spec.scheme == "factory" and not found.code:
            raise InputError(
                f"{source}: what a recipe leaves is opened without executing anything, so that it cannot start from code of "
                "your own; start from torchvision, timm, package or trained"
            )
        model = open_model(spec)
        for note in model.notes:
            tell(f"{model.name}: {note}")
        found_layers = chosen(model, asked.layers or ("-1",))
        settings = source.partition(";")[2]
        subjects += [Subject(spec, model.name, model.weights_sha256, layer.name, settings) for layer in found_layers]
    names = [subject.name for subject in subjects]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{name} is named twice; name each network and layer once")
    return subjects


def _named(source: str) -> ModelSpec:
    """Return the network that --model names, with its settings."""
    try:
        return stated_spec(source)
    except ValueError as error:
        raise InputError(f"--model {source}: {error}") from error


def settings_of(asked: Asked, tell: Callable[[str], None] = lambda text: None) -> list[Setting]:
    """Return the trainings that are asked for, checked; nothing is computed.

    Raises
    ------
    InputError
        If something asked for cannot be done.
    ValueError
        If an option is unknown or out of bounds.
    """
    found = recipe(asked.recipe)
    if asked.workers > 1 and not found.divisible:
        raise InputError(f"the recipe {found.name} trains a network with one worker; drop --workers")
    options = found.options(**asked.options)
    dataset = Dataset.open(asked.data, need=None)
    check_dataset(dataset)
    found.check(options, dataset)
    device = device_of(asked.device)
    return [
        Setting(
            found.name,
            "-".join(filter(None, (variant or found.name, subject.name if subject.model else "", str(seed)))),
            options,
            dataset.folder,
            dataset.identity,
            subject,
            seed,
            variant,
            device,
            asked.threads,
            asked.workers,
        )
        for subject in subjects_of(asked, found, tell)
        for seed in range(asked.seeds)
        for variant in found.variants
    ]


def device_of(asked: str) -> str:
    """Return cpu or cuda; InputError where cuda is asked for and not there."""
    import torch

    available = torch.cuda.is_available()
    if asked == "cuda" and not available:
        raise InputError("--device cuda was asked for, but torch finds no CUDA device; use --device cpu")
    return "cuda" if asked != "cpu" and available else "cpu"


def chain_of(run: Path, setting: Setting) -> Chain:
    """Return the pieces of work of a training: the fingerprint of each holds that of the one before."""
    found = recipe(setting.recipe)
    before: Key | None = None
    segments: list[Segment] = []
    total: int = setting.options.epochs
    for first in range(0, total, found.segment):
        last = min(first + found.segment, total)
        inputs = {"before": before.fingerprint.digest} if before else {}
        key = Key(STAGE, (setting.name, block_of(last)), Fingerprint(_parameters(setting, found), inputs))
        segments.append(Segment(key, run, setting, first, last, total, before))
        before = key
    return Chain(setting, tuple(segments))


def _parameters(setting: Setting, found: Recipe) -> dict[str, Any]:
    import torch

    return {
        **parameters_of(setting.options),
        **setting.subject.parameters,
        "recipe": found.name,
        "version": found.version,
        "data": setting.data_identity,
        "seed": setting.seed,
        **({"variant": setting.variant} if setting.variant else {}),
        "device": setting.device,
        "threads": setting.threads,
        "torch": str(torch.__version__),
        **({"workers": setting.workers} if setting.workers > 1 else {}),
    }


def recorded(asked: Asked) -> dict[str, Any]:
    """Return what is asked as plain values for TOML."""
    stated = asdict(replace(asked, data=Path(asked.data)))
    return {name: str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
            for name, value in stated.items()}  # fmt: skip


def asked_of(stated: Mapping[str, Any]) -> Asked:
    """Read back what `recorded` returned."""
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in stated.items()}
    return Asked(**{**given, "data": Path(given["data"])})


__all__ = ["Asked", "Chain", "asked_of", "chain_of", "device_of", "recorded", "settings_of", "subjects_of"]
