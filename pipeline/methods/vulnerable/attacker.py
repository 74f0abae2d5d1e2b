"""Carries out attacks on blocks of views: which views, what attacks make of them, and how units answer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.attacks.distances import distances, in_8_bits
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.attribution.drawn import drawn_views
from filterscope.pipeline.methods.extraction.extract import PassTask
from filterscope.pipeline.methods.outputs import truth
from filterscope.pipeline.methods.outputs.needs import refused
from filterscope.pipeline.methods.outputs.truth import UNKNOWN
from filterscope.pipeline.methods.outputs.views import refuse_broken, seen_views
from filterscope.pipeline.methods.vulnerable.artifacts import pictures_path, shifts_path
from filterscope.pipeline.methods.vulnerable.asked import VIEWS, Attack, asked_attacks
from filterscope.pipeline.methods.vulnerable.attacks import Attackable, Found, attacked, noise
from filterscope.pipeline.methods.vulnerable.options import VulnerableOptions
from filterscope.pipeline.methods.vulnerable.victim import Aim, Victim, probabilities
from filterscope.pipeline.stores.arrays import write_arrays
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES


class Attacker:
    """Called once for each piece of work; holds the networks it used last."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()

    def __call__(self, task: PassTask) -> list[Output]:
        """Attack the views of a block, and write what the attacks of a task found."""
        rows, block = self._views(task)
        by_key = {attack.key: attack for attack in asked_attacks(task.plan.of(VulnerableOptions))}
        outputs = []
        for key in task.keys:
            if key.place[1] == VIEWS:
                outputs.append(_written(task, key, "adversarial_views", rows))
            else:
                outputs.append(self._attacked(task, key, by_key[key.place[1]], block))
        return outputs

    def _views(self, task: PassTask) -> tuple[list[dict[str, Any]], Attackable | None]:
        """Return the rows of `adversarial_views`, and the views that are attacked; None if there are none."""
        plan, model, asked = task.plan, task.model, task.plan.of(VulnerableOptions)
        drawn = drawn_views(plan, asked.views)
        drawn = drawn[(drawn >= task.start) & (drawn < task.stop)]
        if not len(drawn):
            return [], None
        pixels, seen = seen_views(plan, model, task.start, task.stop)
        drawn = drawn[seen[drawn - task.start]]
        network = self._networks.network(plan, model, ())
        victim = Victim(network)
        shown = victim.shown(pixels[drawn - task.start])
        with refused("vulnerable", model.name):
            scores = victim.scores(shown)
        finite = np.ones(task.stop - task.start, bool)
        finite[drawn - task.start] = np.isfinite(scores).all(axis=1)
        refuse_broken(plan, finite, task.start, f"scores of {model.name} are")
        if not len(drawn):
            return [], None
        true = truth.true_classes(plan, network.class_names(scores.shape[1]), task.start, task.stop)
        truth.write_bad(plan, model.name, task.keys[0].place[-1], task.keys[0].stage, true.bad)
        rows, aimed = _statuses(scores, true.classes[drawn - task.start], asked)
        rows = [{"view": view, **row} for view, row in zip(drawn.tolist(), rows, strict=True)]
        if not aimed.any():
            return rows, None
        aim = Aim(np.array([row["class"] for row in rows]), asked.index).only(aimed)
        return rows, Attackable(drawn[aimed], shown[aimed], aim, plan.data_identity)

    def _attacked(self, task: PassTask, key: Key, attack: Attack, block: Attackable | None) -> Output:
        if block is None:
            return _written(task, key, "adversarial", [])
        victim = Victim(self._networks.network(task.plan, task.model, ()))
        with refused("vulnerable", task.model.name):
            found = attacked(attack, victim, block, task.plan.of(VulnerableOptions))
        # one by one as the attack saw it, where it stops short of the border by next to nothing
        judge = victim.one_by_one() if attack.name == "lbfgs" else victim
        noisy = noise(attack, block, found)
        pictured = np.isin(block.views, drawn_views(task.plan, task.plan.of(VulnerableOptions).pictures))
        rows = _rows(attack, judge, block, found, noisy)
        for row, kept in zip(rows, pictured.tolist(), strict=True):
            row["pictured"] = kept
        maxima = self._maxima(task, (block.images, found.images, noisy))
        known = {"view": block.views.astype(np.int32), "changed": np.array([row["success"] for row in rows])}
        checksums = {"shifts": write_arrays(shifts_path(task.plan.run, key.place), {**known, **maxima})}
        if pictured.any():
            checksums["pictures"] = _keep(task, key, block, found, noisy, pictured)
        return _written(task, key, "adversarial", rows, checksums)

    def _maxima(self, task: PassTask, kinds: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return the maxima of the units of every layer on each kind of image, float32 of shape (kinds, n, units)."""
        layers = [layer.name for layer in task.model.layers]
        network = self._networks.network(task.plan, task.model, tuple(layers))
        inputs, size, parts = Victim(network).inputs(np.concatenate(kinds)), network.batch_size, []
        for start in range(0, len(inputs), size):
            maps = network.exact(inputs[start : start + size])
            parts.append([maps[layer].max(axis=(2, 3)) for layer in layers])
        return {
            str(number): np.concatenate(own).reshape(len(kinds), len(kinds[0]), -1)
            for number, own in enumerate(zip(*parts, strict=True))
        }


def _statuses(
    scores: np.ndarray, true: np.ndarray, asked: VulnerableOptions
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Return class, prediction, probability and status of views, and which are attacked, bool."""
    predicted = scores.argmax(axis=1)
    classes = np.where(true == UNKNOWN, predicted, true)
    probability = probabilities(scores, classes)
    status = np.full(len(scores), "attacked", object)
    status[(true == UNKNOWN) & (probability < asked.confidence)] = "unsure"
    status[predicted != classes] = "wrong"
    status[(status == "attacked") & (classes == (-1 if asked.index is None else asked.index))] = "target"
    columns = (classes.tolist(), predicted.tolist(), probability.tolist(), status.tolist())
    names = ("class", "predicted", "probability", "status")
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)], status == "attacked"


def _keep(task: PassTask, key: Key, block: Attackable, found: Found, noisy: np.ndarray, which: np.ndarray) -> str:
    """Write images of some views before, after and under the control, these in 16 bits, and return the file's checksum."""
    control = noisy if found.control is None else found.control
    arrays = {
        "view": block.views[which].astype(np.int32),
        "image": block.pixels[which],
        "attacked": np.rint(found.images[which] * 65535).astype(np.uint16),
        "control": np.rint(control[which] * 65535).astype(np.uint16),
    }
    return write_arrays(pictures_path(task.plan.run, key.place), arrays)


def _rows(attack: Attack, victim: Victim, block: Attackable, found: Found, noisy: np.ndarray) -> list[dict[str, Any]]:
    """Return the rows of `adversarial` of one attack, but model and image."""
    aim, control = block.aim, noisy if found.control is None else found.control
    kinds = (block.images, found.images, in_8_bits(found.images), control)
    before, after, rounded, beside = (victim.scores(images) for images in kinds)
    count, names = len(block.views), np.array(victim.network.class_names(before.shape[1]), object)
    columns: dict[str, Any] = {
        "view": block.views,
        "class": aim.classes,
        "predicted": after.argmax(axis=1),
        "class_name": names[aim.classes],
        "predicted_name": names[after.argmax(axis=1)],
        "success": aim.reached(after),
        "rounded": aim.reached(rounded),
        "queries": found.queries,
        **distances(block.images, found.images),
        "probability_before": probabilities(before, aim.classes),
        "probability_after": probabilities(after, aim.classes),
        "control_success": aim.reached(beside),
        "control_probability": probabilities(beside, aim.classes),
    }
    lists = {name: values.tolist() for name, values in columns.items()}
    lists |= {"weight": found.weight or [None] * count, "check": found.check or [None] * count}
    known = {"attack": attack.name, "strength": attack.strength, "target": aim.target}
    return [{**known, **dict(zip(lists, row, strict=True))} for row in zip(*lists.values(), strict=True)]


def _written(
    task: PassTask, key: Key, table: str, rows: list[dict[str, Any]], checksums: dict[str, str] | None = None
) -> Output:
    image, name = task.plan.views.image, task.model.name
    full = [{"model": name, "image": int(image[row["view"]]), **row} for row in rows]
    content = pa.Table.from_pylist(full, schema=TABLES[table])
    count, digest = write_table(task.plan.run, table, key.place, [content])
    images = len(np.unique(image[task.start : task.stop]))
    return Output(key, count, images, checksums={table: digest, **(checksums or {})})


__all__ = ["Attacker"]
