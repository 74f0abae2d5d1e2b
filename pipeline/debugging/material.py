"""What the loop learns from and is measured on: the images a network was trained on, the pool, and images that measure."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.names import RECORD, located
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.models.trained import Description, read_description
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.training.fine_tune import Rows
from filterscope.pipeline.training.folder import TrainingFolder
from filterscope.pipeline.training.images import Images
from filterscope.pipeline.training.lesson import ATTRIBUTES, Lesson, LessonOptions, lesson_of, settings_of
from filterscope.pipeline.training.registry import recipe
from filterscope.pipeline.views.views import Views, ViewSettings, open_views


@dataclass(frozen=True)
class Side:
    """Views of one data set with what is true of them."""

    folder: Path
    identity: str
    settings: ViewSettings
    lesson: Lesson
    images: Images

    @property
    def views(self) -> Views:
        """What enters the network."""
        return open_views(self.folder, self.identity, self.settings)

    def rows(self, views: np.ndarray) -> Rows:
        """Return views, without those that cannot be decoded."""
        return Rows.of(self.lesson, self.images, views)


@dataclass(frozen=True)
class Material:
    """All that the loop takes images from.

    Attributes
    ----------
    source : str
        The network, as in ``trained:SOURCE``.
    description : Description
        What it is.
    old, new : Side
        The data set that it was trained on, and the one that was audited; they may be one.
    learned : int64 ndarray
        Views of `old` that it was trained on.
    pool, measured : int64 ndarray
        Views of `new` that it was not trained on: those that may be chosen, and those that measure. Of no image in both.
    """

    source: str
    description: Description
    old: Side
    new: Side
    learned: np.ndarray
    pool: np.ndarray
    measured: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """What the scores of the network are called."""
        return self.old.lesson.names

    def measuring(self) -> np.ndarray:
        """Return the views that measure and can be decoded, int64."""
        return self.measured[self.new.images.take(self.measured)[1]]


def source_of(model: PlannedModel) -> str:
    """Return RUN/NAME of a network that was trained here.

    Raises
    ------
    InputError
        If it was not, or its training is not at hand.
    """
    spec: ModelSpec = model.spec
    if spec.scheme != "trained" or spec.seed is not None:
        raise InputError(
            f"{model.name} is {spec.source}: debug mends networks that `filterscope train` made; audit trained:RUN/NAME"
        )
    file = located(spec.architecture)
    if not (file.parent.parent / RECORD).is_file():
        raise InputError(
            f"{spec.source}: {file.parent.parent} holds no {RECORD}, so that it is not known what the network was trained on; "
            "audit trained:RUN/NAME of a folder that `filterscope train` wrote"
        )
    return str(file)


def trained_on(source: str) -> tuple[Path, LessonOptions]:
    """Return the data set that a network was trained on, and the options of its recipe.

    Raises
    ------
    InputError
        If its recipe learns no labels, or is not recorded.
    """
    file = Path(source)
    description = read_description(file)
    asked = next((one for one in TrainingFolder(file.parent.parent).asked() if one.recipe == description.recipe), None)
    if asked is None:
        raise InputError(f"{file.parent.parent / RECORD} does not say how {file.stem} was trained; train it again")
    options = recipe(asked.recipe).options(**asked.options)
    if not isinstance(options, LessonOptions):
        raise InputError(f"{file.stem} was trained by {asked.recipe}, which learns no labels; debug needs labels")
    return asked.data, options


def material_of(plan: Plan, model: PlannedModel, share: float) -> Material:
    """Collect what there is for a model of an audit; `share` of the views that it was not trained on measures.

    Raises
    ------
    InputError
        If the network was not trained here, its data set is gone or changed, or the audited one states other labels.
    """
    return _material(source_of(model), plan.data, plan.data_identity, share)


@lru_cache(maxsize=2)
def _material(source: str, data: Path, identity: str, share: float) -> Material:
    description = read_description(Path(source))
    folder, options = trained_on(source)
    dataset = Dataset.open(folder, need=None)
    if description.about.get("data") not in (None, dataset.identity):
        raise InputError(f"{folder} is not the data set that {Path(source).stem} was trained on; put that one back")
    old = _side(dataset, options, description)
    same = dataset.identity == identity
    new = old if same else _side(Dataset.open(data, need=None), _elsewhere(options, old.lesson), description)
    if new.lesson.names != old.lesson.names:
        raise InputError(
            f"the audited data set {data} states {', '.join(new.lesson.names[:8])}, and the network was trained on "
            f"{', '.join(old.lesson.names[:8])}; audit images with the same labels"
        )
    views = new.lesson.heldout if same else _unseen(old, new)
    measures = _drawn(new.views.group, views, share, identity)
    return Material(source, description, old, new, old.lesson.train, views[~measures], views[measures])


def _side(dataset: Dataset, options: LessonOptions, description: Description) -> Side:
    lesson, settings = lesson_of(dataset, options), settings_of(options)
    images = Images(dataset.folder, dataset.identity, settings, description.transform)
    return Side(dataset.folder, dataset.identity, settings, lesson, images)


def _elsewhere(options: LessonOptions, lesson: Lesson) -> LessonOptions:
    """Return the options that read the same labels of another data set."""
    names = lesson.names if lesson.kind == ATTRIBUTES else ()
    return options.model_copy(update={"train_on": "", "attributes": names, "learn": lesson.kind})


def _unseen(old: Side, new: Side) -> np.ndarray:
    """Return the labelled views of the audited data set whose images were not trained on, by their content."""
    digests = [np.array(Dataset(side.folder).images["sha256"].to_pylist()) for side in (old, new)]
    learned = set(digests[0][old.views.image[old.lesson.train]].tolist())
    views = np.sort(np.concatenate([new.lesson.train, new.lesson.heldout]))
    return views[[digest not in learned for digest in digests[1][new.views.image[views]].tolist()]]


def _drawn(group: np.ndarray, views: np.ndarray, share: float, identity: str) -> np.ndarray:
    """Return which of some views measure: a share of the groups of images, drawn by the data set alone."""
    groups = np.unique(group[views])
    order = np.random.default_rng(seed_of("debug", identity)).permutation(len(groups))
    count = min(max(round(share * len(groups)), 1), len(groups) - 1) if len(groups) > 1 else 0
    if not count:
        raise InputError(
            f"{len(groups)} groups of images were not trained on; debug needs a pool and images that measure"
        )
    return np.isin(group[views], groups[order[:count]])


__all__ = ["Material", "Side", "material_of", "source_of", "trained_on"]
