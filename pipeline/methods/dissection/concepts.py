"""Stage `concepts`: count what the labels of a geometry hold, over the images that could be decoded."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from filterscope.operators.dissection.labels import Labels
from filterscope.operators.dissection.masks import MaskBlock
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.stage import Fingerprint, Output, Stage, Unit, blocks
from filterscope.pipeline.methods.dissection import masks
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore, MaskStore, write_table
from filterscope.pipeline.stores.places import readable, write_atomically
from filterscope.pipeline.views.whole_images import whole_images
from filterscope.schemas.dataset import CATEGORIES
from filterscope.schemas.results import TABLES

_COUNTS = ("concepts", "category_images", "category_views", "coverage")


@dataclass(frozen=True)
class ConceptTask:
    """The labels of one geometry; `model` is any model that uses it and knows which images could be decoded."""

    unit: Unit
    plan: Plan
    model: PlannedModel


@dataclass(frozen=True)
class Vocabulary:
    """Concepts of a data set as the operators number them, from 0.

    Attributes
    ----------
    names : list of str
        Concept of each number.
    categories : list of str
        Categories in order: Broden's, then others by name.
    category : int64 ndarray of shape (concepts,)
        Number of each concept's primary category.
    """

    names: list[str]
    categories: list[str]
    category: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset) -> "Vocabulary":
        """Read the vocabulary of a data set."""
        own = dataset.concepts["category"].to_pylist()
        others = sorted(set(own) - set(CATEGORIES))
        categories = [category for category in (*CATEGORIES, *others) if category in own]
        number = {category: index for index, category in enumerate(categories)}
        names = dataset.concepts["name"].to_pylist()
        return cls(names, categories, np.array([number[category] for category in own], np.int64))


def fingerprint(plan: Plan, model: PlannedModel) -> Fingerprint:
    """Return what the counts of a geometry depend on."""
    key = plan.mask_key(model)
    rules = {"min_images": plan.options.min_images, "counted": "source images"}
    return Fingerprint(rules, {"masks": masks.fingerprint(plan, key).digest})


def concepts_stage(plan: Plan) -> Stage:
    """Plan the counts: one unit for each geometry."""
    tasks = {}
    for model in plan.models:
        unit = Unit("concepts", (plan.mask_key(model),), fingerprint(plan, model))
        tasks.setdefault(unit, ConceptTask(unit, plan, model))
    return Stage.of("concepts", tasks, count_labels)


def label_path(run: Path, key: str) -> Path:
    """Return where the label counts of a geometry lie."""
    return run / "masks" / key / "labels.npz"


def read_labels(run: Path, key: str) -> Labels:
    """Read the label counts of a geometry."""
    with np.load(readable(label_path(run, key)), allow_pickle=False) as stored:
        counts = (stored[name] for name in _COUNTS)
        return Labels(int(stored["views"]), *counts)


def read_eligible(run: Path, key: str) -> np.ndarray:
    """Read which concepts are in enough images to label a unit: bool of shape (concepts,)."""
    with np.load(readable(label_path(run, key)), allow_pickle=False) as stored:
        return stored["eligible"]


def count_labels(task: ConceptTask) -> list[Output]:
    """Sum the labels of all decoded images, store the sums and write the table of concepts."""
    plan, key = task.plan, task.plan.mask_key(task.model)
    vocabulary = Vocabulary.of(Dataset(plan.data))
    labels = Labels.empty(len(vocabulary.names), len(vocabulary.categories), plan.mask_size(task.model))
    store, seen = MaskStore(plan.run, key), ActivationStore(plan.run, task.model.name, task.model.layers[0].name)
    image = plan.views.image
    for views, held, _ in whole_images(_decoded(plan, store, seen), image):
        labels.add(held, vocabulary.category, image[views])
    sink = io.BytesIO()
    counts = {name: getattr(labels, name) for name in _COUNTS}
    eligible = labels.concepts[:, 0] >= plan.options.min_images
    np.savez_compressed(sink, views=labels.views, eligible=eligible, **counts)
    write_atomically(label_path(plan.run, key), sink.getvalue())
    rows, digest = write_table(plan.run, "concepts", task.unit.place, [_table(key, vocabulary, labels, plan)])
    return [Output(task.unit, rows, checksums={"concepts": digest})]


def _decoded(plan: Plan, store: MaskStore, seen: ActivationStore) -> Iterator[tuple[np.ndarray, MaskBlock, tuple[()]]]:
    for block, start, stop in blocks("images", plan.images, plan.options.image_block):
        decoded = np.flatnonzero(~np.isnan(seen.read_maxima(start, stop, slice(0, 1))[:, 0]))
        yield start + decoded, store.read(block).take(decoded), ()


def _table(key: str, vocabulary: Vocabulary, labels: Labels, plan: Plan) -> pa.Table:
    images, pixels = labels.concepts[:, 0], labels.concepts[:, 1]
    columns = {
        "geometry": [key] * len(images),
        "concept": vocabulary.names,
        "category": [vocabulary.categories[number] for number in vocabulary.category],
        "images": images,
        "pixels": pixels,
        "eligible": images >= plan.options.min_images,
    }
    return pa.table(columns, schema=TABLES["concepts"])
