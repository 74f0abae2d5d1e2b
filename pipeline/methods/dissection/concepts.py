"""Stage `concepts`: count what the labels of a geometry hold, over the images that could be decoded."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.dissection.labels import Labels
from filterscope.operators.dissection.masks import MaskBlock
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.keys import Key, blocks
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.dissection.artifacts import LABELS, MASKS, label_path
from filterscope.pipeline.methods.dissection.options import DissectionOptions, mask_key, mask_size
from filterscope.pipeline.methods.extraction.artifacts import DECODED
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import ModelTask, Planner, each_model, key_of, one
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.arrays import read_arrays, write_arrays
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.masks import MaskStore
from filterscope.pipeline.stores.promises import Promise
from filterscope.pipeline.stores.tables import write_table
from filterscope.pipeline.views.whole_images import whole_images
from filterscope.schemas.dataset import CATEGORIES
from filterscope.schemas.results import TABLES

_COUNTS = ("concepts", "category_images", "category_views", "coverage")


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


def by_geometry(call: Callable[[ModelTask], Any]) -> Planner:
    """Return what plans a piece of work for each geometry, with any model that uses it: it knows what could be decoded."""

    def plan_geometries(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
        tasks: dict[Key, ModelTask] = {}
        for model, own in each_model(plan):
            key = key_of(kind, (mask_key(plan, model),), model, prints)
            tasks.setdefault(key, ModelTask(key, own, model))
        return one(kind, tasks, call)

    return plan_geometries


def read_labels(run: Path, key: str) -> Labels:
    """Read the label counts of a geometry."""
    stored = _stored(run, key)
    return Labels(int(stored["views"]), *(stored[name] for name in _COUNTS))


def read_eligible(run: Path, key: str) -> np.ndarray:
    """Read which concepts are in enough images to label a unit: bool of shape (concepts,)."""
    return _stored(run, key, "eligible")["eligible"]


def _stored(run: Path, key: str, *names: str) -> dict[str, np.ndarray]:
    return read_arrays(Promise(run, ("concepts",), (key,)).read(LABELS.name, label_path(run, key)), *names)


def count_labels(task: ModelTask) -> list[Output]:
    """Sum the labels of all decoded images, store the sums and write the table of concepts."""
    plan, key = task.plan, mask_key(task.plan, task.model)
    vocabulary = Vocabulary.of(Dataset(plan.data))
    labels = Labels.empty(len(vocabulary.names), len(vocabulary.categories), mask_size(plan, task.model))
    store, seen = MaskStore(plan.run, key), ActivationStore(plan.run, task.model.name, task.model.layers[0].name)
    image, pairs = plan.views.image, set[tuple[int, int]]()
    for views, held, _ in whole_images(_decoded(plan, store, seen), image):
        labels.add(held, vocabulary.category, image[views])
        if plan.grouped:
            pairs |= _held(held, plan.views.group[views], len(vocabulary.names))
    counts = {name: getattr(labels, name) for name in _COUNTS}
    groups = np.bincount([concept for concept, _ in pairs], minlength=len(vocabulary.names)) if plan.grouped else None
    table = _table(key, vocabulary, labels, groups, plan.of(DissectionOptions))
    path = label_path(plan.run, key)
    stored = write_arrays(path, {"views": labels.views, "eligible": table["eligible"].to_numpy(), **counts})
    rows, digest = write_table(plan.run, "concepts", task.key.place, [table])
    return [Output(task.key, rows, checksums={"concepts": digest, LABELS.name: stored})]


def _decoded(plan: Plan, store: MaskStore, seen: ActivationStore) -> Iterator[tuple[np.ndarray, MaskBlock, tuple[()]]]:
    for block, start, stop in blocks("images", plan.view_count, plan.options.image_block):
        decoded = np.flatnonzero(~np.isnan(seen.read_maxima(start, stop, slice(0, 1))[:, 0]))
        yield start + decoded, store.read(block).take(decoded), ()


def _held(masks: MaskBlock, group: np.ndarray, concepts: int) -> set[tuple[int, int]]:
    """Return which concepts are in which groups, from the masks of n views and their groups, int64 of shape (n,)."""
    label = masks.concept < concepts
    return set(zip(masks.concept[label].tolist(), np.repeat(group, np.diff(masks.first))[label].tolist(), strict=True))


def _table(
    key: str, vocabulary: Vocabulary, labels: Labels, groups: np.ndarray | None, options: DissectionOptions
) -> pa.Table:
    images, pixels = labels.concepts[:, 0], labels.concepts[:, 1]
    few = [(images < options.min_images, f"in fewer than {options.min_images} images")]
    if groups is not None:
        few.append((groups < options.min_groups, f"in fewer than {options.min_groups} groups of images"))
    note = [next((why for lacking, why in few if lacking[number]), None) for number in range(len(images))]
    columns = {
        "geometry": [key] * len(images),
        "concept": vocabulary.names,
        "category": [vocabulary.categories[number] for number in vocabulary.category],
        "images": images,
        "pixels": pixels,
        "eligible": [why is None for why in note],
        "groups": pa.nulls(len(images), pa.int64()) if groups is None else groups,
        "note": pa.array(note, pa.string()),
    }
    return pa.table(columns, schema=TABLES["concepts"])


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what eligibility depends on; groups where there are any."""
    options = plan.of(DissectionOptions)
    grouped = {"min_groups": options.min_groups} if plan.grouped else {}
    return {"min_images": options.min_images, "counted": "source images", **grouped}


CONCEPTS_STAGE = StageKind(
    "concepts",
    reads=(MASKS, DECODED),
    writes=(LABELS, Table("concepts")),
    plan=by_geometry(count_labels),
    parameters=parameters,
)
