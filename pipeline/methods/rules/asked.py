"""What rules name: outputs of the network, and what the data set says that images show."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from filterscope.pipeline.datasets.attributes import attribute_values
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.methods.outputs.truth import class_of, indexes_of, true_classes
from filterscope.pipeline.methods.rules.options import RulesOptions
from filterscope.pipeline.methods.tasks import view_blocks
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.run.rule_file import Rule, rules_of

#: What the data set does not say.
UNKNOWN = -1


def names_in(rules: Sequence[Rule], kind: str) -> list[str]:
    """Return the names of the atoms of a kind in rules, sorted, each once."""
    return sorted({atom.name for rule in rules for atom in rule.formula.atoms() if atom.kind == kind})


def outputs_named(rules: Sequence[Rule], names: Sequence[str], model: str) -> list[int]:
    """Return the index of the output of each label in rules, in the order of `names_in`.

    Raises
    ------
    InputError
        If the network, whose outputs have these names, does not have one, or has it twice.
    """
    found = []
    for label in names_in(rules, "label"):
        index = class_of([label], indexes_of(names), len(names))
        if not isinstance(index, int):
            hint = did_you_mean(label, names) or f" It has: {', '.join(names[:50])}."
            raise InputError(f"--rules.file: label:{label} of {model} {index}.{hint}")
        if index in found:
            raise InputError(f"--rules.file: label:{label} is an output of {model} that rules call by another name too")
        found.append(index)
    return found


def concept_values(dataset: Dataset, names: Sequence[str]) -> np.ndarray:
    """Return whether images show concepts: int8 of shape (images, len(names)), `UNKNOWN` where the data set does not say.

    A concept is a binary attribute, by the name that `attribute_values` gives it, or an annotated concept: it is on the images
    that have a label of it, not on others that have labels of its category, and not known on the rest.

    Raises
    ------
    InputError
        If the data set has no such attribute or concept, or both.
    """
    return _concept_values(dataset.folder, dataset.identity, tuple(names))


@lru_cache(maxsize=2)
def _concept_values(folder: Path, identity: str, names: tuple[str, ...]) -> np.ndarray:
    dataset = Dataset(folder)
    attributes, values = attribute_values(dataset, classes=True)
    annotated = dataset.concepts["name"].to_pylist()
    found = np.full((dataset.rows("images"), len(names)), UNKNOWN, np.int8)
    for column, name in enumerate(names):
        if name in attributes and name in annotated:
            raise InputError(
                f"--rules.file: concept:{name} is an attribute and an annotated concept of {folder}; rename one of them"
            )
        if name in attributes:
            found[:, column] = values[:, attributes.index(name)]
        elif name in annotated:
            found[:, column] = _shown(dataset, annotated.index(name))
        else:
            known = [*attributes, *annotated]
            others = f" It has: {', '.join(known[:50])}." if known else " It has none at all."
            raise InputError(
                f"--rules.file: the data set {folder} has no attribute and no annotated concept {name!r}, which a rule "
                f"names.{did_you_mean(name, known) or others}"
            )
    return found


def _shown(dataset: Dataset, row: int) -> np.ndarray:
    """Return whether images show an annotated concept, that of a row of the table of concepts."""
    numbers, category = dataset.concepts["concept"], dataset.concepts["category"]
    siblings = numbers.filter(pc.equal(category, category[row]))
    segments = dataset.table("segments", ["image", "concept"])
    same = segments.filter(pc.is_in(segments["concept"], siblings.combine_chunks()))
    found = np.full(dataset.rows("images"), UNKNOWN, np.int8)
    found[same["image"].to_numpy()] = 0
    if dataset.has_ignored:
        ignored = dataset.table("ignored", ["image", "concept", "category"])
        unsure = pc.or_kleene(pc.equal(ignored["concept"], numbers[row]), pc.equal(ignored["category"], category[row]))
        found[ignored.filter(unsure)["image"].to_numpy()] = UNKNOWN
    found[same.filter(pc.equal(same["concept"], numbers[row]))["image"].to_numpy()] = 1
    return found


def true_class(plan: Plan, names: Sequence[str]) -> np.ndarray:
    """Return the true class of each view, int64; -1 where none is known. `names` are those of the network's outputs."""
    return np.concatenate([true_classes(plan, names, start, stop).classes for _, start, stop in view_blocks(plan)])


def stated_labels(plan: Plan, names: Sequence[str], labels: Sequence[str], outputs: Sequence[int]) -> np.ndarray:
    """Return whether views have labels, as the data set states: int8 of shape (views, L), `UNKNOWN` where it does not.

    Parameters
    ----------
    plan : Plan
        The run.
    names : sequence of str
        Names of all outputs of the network.
    labels : sequence of str
        Labels of the rules, L of them.
    outputs : sequence of int
        Their indices among the outputs.

    Notes
    -----
    Of one class of an image, that is the true class; of a label each, the binary attribute of the same name.
    """
    found = np.full((plan.view_count, len(labels)), UNKNOWN, np.int8)
    if plan.of(RulesOptions).scores == "softmax":
        true = true_class(plan, names)
        found[true >= 0] = true[true >= 0, None] == np.array(outputs, np.int64)
        return found
    known, values = attribute_values(Dataset(plan.data))
    for column, label in enumerate(labels):
        if label in known:
            found[:, column] = values[plan.views.image, known.index(label)]
    return found


def rules_asked(plan: Plan) -> list[Rule]:
    """Return the rules of a run."""
    return rules_of(plan.of(RulesOptions).file)


__all__ = ["UNKNOWN", "concept_values", "names_in", "outputs_named", "rules_asked", "stated_labels", "true_class"]
