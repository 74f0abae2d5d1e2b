"""What is to be learned of a data set: which views train, which are held out, and what is true of each."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow.compute as pc
from pydantic import AfterValidator, BeforeValidator, StrictFloat, StrictStr

from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.datasets.attributes import CLASS, attribute_values
from filterscope.pipeline.datasets.layout import NEGATIVE, Dataset
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.run.options import option
from filterscope.pipeline.training.recipe import RecipeOptions
from filterscope.pipeline.views.views import Views, ViewSettings, open_views

#: What a network learns to tell.
CLASSES, ATTRIBUTES, CATEGORIES = "classes", "attributes", "categories"

#: No label is known.
UNKNOWN = -1


def views_option(value: str) -> str:
    """Check an option that says what enters a network."""
    kind, colon, category = value.partition(":")
    if value not in ("image", "objects") and not (kind == "objects" and colon and category):
        raise ValueError("image, objects or objects:CATEGORY")
    return value


def _names(value: object) -> object:
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, (list, tuple)) or not all(isinstance(name, str) for name in given):
        return value
    return tuple(dict.fromkeys(part.strip() for name in given for part in name.split(",") if part.strip()))


class LessonOptions(RecipeOptions):
    """Options of recipes that learn labels."""

    learn: Literal["auto", "classes", "attributes", "categories"] = option(
        "auto",
        "what it learns: the class of an image, its binary attributes or the category of an object; auto: the first of "
        "categories (with views of objects), classes and attributes that the data set has",
    )
    truth: StrictStr = option(CLASS, "attribute of the data set that holds the class of an image")
    attributes: Annotated[tuple[str, ...], BeforeValidator(_names)] = option(
        (), "binary attributes to learn; unset: all"
    )
    views: Annotated[StrictStr, AfterValidator(views_option)] = option(
        "image", "what enters the network: image, objects or objects:CATEGORY"
    )
    negatives: bool = option(False, "with objects: the images of the split negative too, as a category of their own")
    held_out: StrictFloat = option(
        0.25, "share of the images that it never learns from; those of a group stay together", ge=0.01, le=0.9
    )
    train_on: StrictStr = option(
        "", "text file of images to train on, one file name per line; all others are held out, whatever --held-out says"
    )


@dataclass(frozen=True)
class Lesson:
    """What a network learns.

    Attributes
    ----------
    kind : str
        `CLASSES`, `ATTRIBUTES` or `CATEGORIES`; of attributes several may be true at once.
    names : tuple of str
        What its scores are called.
    target : int64 ndarray of shape (views,), or int8 ndarray of shape (views, names)
        Index of the class, -1 where it is not known; or of each attribute 1, 0 or, where it is not known, -1.
    train, heldout : int64 ndarray
        Views that train and views that test, ascending; those without any label are in neither.
    """

    kind: str
    names: tuple[str, ...]
    target: np.ndarray
    train: np.ndarray
    heldout: np.ndarray

    @property
    def several(self) -> bool:
        """Whether more than one of the names may be true of a view."""
        return self.target.ndim == 2


def settings_of(options: LessonOptions) -> ViewSettings:
    """Return which views enter the network."""
    return ViewSettings(options.views, negatives=options.negatives)


def lesson_of(dataset: Dataset, options: LessonOptions) -> Lesson:
    """Read labels and split the views; the same for every seed.

    Raises
    ------
    InputError
        If the data set does not say what is to be learned, or too little of it.
    """
    return _lesson(dataset.folder, dataset.identity, options, _listed_digest(options))


@lru_cache(maxsize=4)
def _lesson(folder: Path, identity: str, options: LessonOptions, listed: str) -> Lesson:
    dataset = Dataset(folder)
    views = open_views(folder, identity, settings_of(options))
    kind = _kind(dataset, options, views)
    names, target = {CLASSES: _classes, ATTRIBUTES: _attributes, CATEGORIES: _categories}[kind](dataset, options, views)
    known = np.asarray(np.atleast_2d((target >= 0).T).any(axis=0))
    if options.train_on:
        train = _listed(dataset, options.train_on)[views.image]
    else:
        train = ~held_out_groups(views.group, known, target, options.held_out, identity)
    lesson = Lesson(kind, tuple(names), target, np.flatnonzero(train & known), np.flatnonzero(~train & known))
    _refuse_little(lesson, dataset)
    return lesson


def _kind(dataset: Dataset, options: LessonOptions, views: Views) -> str:
    if options.learn == CATEGORIES and not settings_of(options).of_objects:
        raise InputError("--learn categories: whole images have no category; add --views objects")
    if options.learn != "auto":
        return options.learn
    if len(set(views.category)) > 1:
        return CATEGORIES
    return CLASSES if options.truth in _stated(dataset) and not options.attributes else ATTRIBUTES


def _stated(dataset: Dataset) -> list[str]:
    """Return the attributes that a data set has, sorted."""
    return sorted(dataset.table("attributes", ["attribute"])["attribute"].unique().to_pylist())


def _classes(dataset: Dataset, options: LessonOptions, views: Views) -> tuple[list[str], np.ndarray]:
    table = dataset.table("attributes")
    table = table.filter(pc.equal(table["attribute"], options.truth)).group_by(["image", "value"]).aggregate([])
    if not table.num_rows:
        stated = _stated(dataset)
        has = f"it has {', '.join(stated[:10])}" if stated else "it has no attributes"
        raise InputError(
            f"--truth {options.truth}: no image of {dataset.folder} has this attribute; {has}."
            f"{did_you_mean(options.truth, stated)}"
        )
    image, value = table["image"].to_numpy(), table["value"].to_pylist()
    names = sorted(set(value), key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))
    index = {name: number for number, name in enumerate(names)}
    of_image = np.full(dataset.rows("images"), UNKNOWN)
    of_image[image] = [index[name] for name in value]
    of_image[np.bincount(image, minlength=len(of_image)) > 1] = UNKNOWN  # it cannot be of two classes
    return names, of_image[views.image]


def _attributes(dataset: Dataset, options: LessonOptions, views: Views) -> tuple[list[str], np.ndarray]:
    names, values = attribute_values(dataset)
    if not names:
        raise InputError(
            f"{dataset.folder} has neither the attribute {options.truth!r} nor binary ones, so there is nothing to learn; "
            "`filterscope import attributes` reads them from a CSV"
        )
    for name in options.attributes:
        if name not in names:
            raise InputError(
                f"--attributes {name}: no such binary attribute in {dataset.folder}.{did_you_mean(name, names)}"
            )
    kept = [names.index(name) for name in options.attributes]
    # the class of an image, where there are two, is no attribute of its own
    kept = kept or [place for place, name in enumerate(names) if not name.startswith(f"{options.truth}=")]
    return [names[place] for place in kept], values[:, kept][views.image]


def _categories(dataset: Dataset, options: LessonOptions, views: Views) -> tuple[list[str], np.ndarray]:
    found = [category or NEGATIVE for category in views.category]
    names, target = np.unique(np.array(found, str), return_inverse=True)
    return names.tolist(), target.astype(np.int64)


def held_out_groups(
    group: np.ndarray, known: np.ndarray, target: np.ndarray, share: float, identity: str
) -> np.ndarray:
    """Return which views are held out: a share of the groups of each class, or of all; drawn by the data set alone."""
    rows = np.flatnonzero(known)
    groups, first = np.unique(group[rows], return_index=True)
    random = np.random.default_rng(seed_of("held out", identity))
    place = random.permutation(int(group.max()) + 1 if len(group) else 0)[groups]
    of_class = target[rows][first] if target.ndim == 1 else np.zeros(len(groups), np.int64)
    chosen: list[int] = []
    for one in np.unique(of_class):
        mine = np.flatnonzero(of_class == one)
        count = min(max(round(share * len(mine)), 1), len(mine) - 1)
        chosen += groups[mine[np.argsort(place[mine])][:count]].tolist()
    return np.isin(group, chosen)


def _listed(dataset: Dataset, path: str) -> np.ndarray:
    """Return which images a file names, by the last part of where they lie or by all of it: bool of shape (images,)."""
    wanted = [line.strip() for line in _read(path).decode("utf-8-sig").splitlines()]
    places: dict[str, list[int]] = {}
    for image, uri in enumerate(dataset.images["uri"].to_pylist()):
        for name in {uri, Path(uri).name}:
            places.setdefault(name, []).append(image)
    chosen = np.zeros(dataset.rows("images"), bool)
    for number, name in enumerate(wanted, start=1):
        found = places.get(name, [])
        if name and len(found) != 1:
            wrong = f"{len(found)} images are called so" if found else "no image is called so"
            raise InputError(f"--train-on {path}, line {number}: {name!r}: {wrong}.{did_you_mean(name, places)}")
        chosen[found] = True
    return chosen


def _listed_digest(options: LessonOptions) -> str:
    return hashlib.sha256(_read(options.train_on)).hexdigest() if options.train_on else ""


def _read(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise InputError(f"--train-on {path} cannot be read: {error.strerror}") from error


def _refuse_little(lesson: Lesson, dataset: Dataset) -> None:
    if not lesson.several and len(lesson.names) < 2:
        raise InputError(
            f"all images of {dataset.folder} are of one class, {lesson.names[0]!r}; there is nothing to learn"
        )
    if min(len(lesson.train), len(lesson.heldout)) < 2:
        raise InputError(
            f"{dataset.folder} leaves {len(lesson.train)} images to train on and {len(lesson.heldout)} held out; a training "
            "needs two of each"
        )


def parameters_of(options: RecipeOptions) -> dict[str, Any]:
    """Return what results depend on of the options of a recipe: of a file its content, wherever it lies."""
    stated = options.model_dump(mode="json")
    if isinstance(options, LessonOptions):
        stated["train_on"] = _listed_digest(options)
    if stated.get("classifier"):  # what it measures depends on the weights, wherever they lie
        from filterscope.pipeline.models.model import open_model
        from filterscope.pipeline.models.spec import ModelSpec

        stated["classifier"] = open_model(ModelSpec(stated["classifier"])).weights_sha256
    return stated


def majority(target: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return the constant answer that is right most often on the training views.

    Returns
    -------
    int64 ndarray
        The class, of shape (); or of each attribute 0 or 1, of shape (names,).
    """
    mine = target[train]
    if target.ndim == 1:
        return np.asarray(np.bincount(mine[mine >= 0]).argmax())
    return np.asarray((mine == 1).sum(axis=0) > (mine == 0).sum(axis=0)).astype(np.int64)


def accuracies(target: np.ndarray, answer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how often answers are right where the truth is known, and how many such there are, one by one for attributes.

    Parameters
    ----------
    target : ndarray of shape (n,) or (n, names)
        Truth, as in `Lesson`.
    answer : ndarray
        As many answers, or a constant one.

    Returns
    -------
    float64 ndarray, int64 ndarray
        Of shape (1,) or (names,); NaN where nothing is known.
    """
    known = target >= 0
    right, count = ((known & (target == answer)).sum(axis=0), known.sum(axis=0))
    with np.errstate(invalid="ignore"):
        return np.atleast_1d(right / count), np.atleast_1d(count)


__all__ = [
    "ATTRIBUTES",
    "CATEGORIES",
    "CLASSES",
    "UNKNOWN",
    "Lesson",
    "LessonOptions",
    "accuracies",
    "held_out_groups",
    "lesson_of",
    "majority",
    "parameters_of",
    "settings_of",
    "views_option",
]
