"""Stage `training-attack`: training images changed within rounding so that a head trained on them is wrong about a test view.

A key is a model, a layer and a block of views, whose test views are attacked one after another.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from torch import Tensor, from_numpy

from filterscope.operators.attacks.noise import noise_like
from filterscope.operators.influence.head import Data
from filterscope.operators.influence.influence import gradients
from filterscope.operators.influence.poison import slopes, trained_on
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.extraction.networks import HeldNetworks
from filterscope.pipeline.methods.influence.head import read_head, sample_seed, written
from filterscope.pipeline.methods.influence.labels import Labels
from filterscope.pipeline.methods.influence.options import InfluenceOptions
from filterscope.pipeline.methods.influence.trial import Inverse, Trial
from filterscope.pipeline.methods.tasks import ViewsTask
from filterscope.pipeline.methods.vulnerable.victim import Victim
from filterscope.pipeline.models.gradients import INPUT
from filterscope.pipeline.models.tensors import pixel_gradients
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.views.decode import decode_views, view_files

ATTACKS = Table("training_attack")
#: Largest change of a value, black to white being 1: a file of 8 bits keeps nothing of it.
RADIUS = 0.499 / 255
#: Length of a step, in radii over the number of steps.
_STRIDE = 2.5
#: What some images, of shape (n, height, width, channels) from 0 to 1, have as pooled maps: float64 of shape (n, D).
Means = Callable[[np.ndarray], np.ndarray]


class Attacker:
    """Called once for each block of views; holds the networks it used last, and the head of the layer."""

    def __init__(self) -> None:
        self._networks = HeldNetworks()
        self._layer: tuple[str, str] | None = None
        self._trial: Trial
        self._inverse: Inverse
        self._labels: Labels

    def __call__(self, task: ViewsTask) -> list[Output]:
        """Attack the test views of a block."""
        with threadpool_limits(1, user_api="blas"):
            if self._layer != (task.model.name, task.layer.name):
                self._labels = Labels.of(task.plan)
                self._trial = Trial.of(task, tested=False)
                self._inverse = Inverse.of(task, self._trial.train, read_head(task))
                self._layer = task.model.name, task.layer.name
            return [written(task, {ATTACKS: self._rows(task)})]

    def _rows(self, task: ViewsTask) -> Iterator[dict[str, Any]]:
        here = self._labels.tests(task.plan.of(InfluenceOptions).attacked)
        here[: task.start] = here[task.stop :] = False
        if not here.any():
            return
        views, tests = self._trial.tests(task, self._labels.label, here)
        right = self._inverse.hessian.head.predicted(tests) == tests.y
        for row in np.flatnonzero(right).tolist():
            yield from self._about(task, int(views[row]), tests.take(np.array([row])))

    def _about(self, task: ViewsTask, view: int, test: Data) -> Iterator[dict[str, Any]]:
        """Attack one test view, through any number of training views, and yield its rows."""
        trial, head = self._trial, self._inverse.hessian.head
        perturbed = [count for count in task.plan.of(InfluenceOptions).perturbed if count <= len(trial.train.y)]
        if not perturbed:
            return
        solved, _ = self._inverse.solved(gradients(head, test), [sample_seed(task, view)])
        lever = np.linalg.norm(slopes(head, solved[0], trial.train) / trial.spread, axis=1)
        rows = np.argsort(-lever, kind="stable")[: max(perturbed)]
        images, changed, noisy = self._changed(task, view, rows, solved[0])
        means = partial(self._means, task)
        whole, length = means(images), np.sqrt(((changed - images) ** 2).sum(axis=(1, 2, 3)))
        # by how much features change, from those of the stored maps, so that no change of pixels is none of features
        moved, beside = ((means(some) - whole) / trial.spread for some in (changed, noisy))
        known = {
            "image": int(task.plan.views.image[view]),
            "view": view,
            "given_label": trial.names[test.y[0]],
            "loss_before": float(head.losses(test)[0]),
        }
        for count in perturbed:
            first = rows[:count]
            features = trial.train.x[first, :-1]
            other, control = (trained_on(head, trial.train, first, features + by[:count]) for by in (moved, beside))
            yield {
                **known,
                "perturbed": count,
                "train_views": trial.train_views[first].tolist(),
                "linf": float(255 * np.abs(changed - images)[:count].max()),
                "l2": float(length[:count].mean()),
                "predicted": trial.names[other.predicted(test)[0]],
                "flipped": bool(other.predicted(test)[0] != test.y[0]),
                "loss_after": float(other.losses(test)[0]),
                "noise_flipped": bool(control.predicted(test)[0] != test.y[0]),
                "noise_loss": float(control.losses(test)[0]),
            }

    def _victim(self, task: ViewsTask) -> Victim:
        network = self._networks.network(task.plan, task.model, (task.layer.name,))
        most = max(task.plan.of(InfluenceOptions).perturbed)
        return Victim(replace(network, batch_size=min(network.batch_size, most)))

    def _means(self, task: ViewsTask, images: np.ndarray) -> np.ndarray:
        victim = self._victim(task)
        maps = victim.network.exact(victim.inputs(images))[task.layer.name]
        return np.asarray(maps.mean(axis=(2, 3), dtype=np.float64))

    def _changed(
        self, task: ViewsTask, view: int, rows: np.ndarray, solved: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return training images, what becomes of them, and them in noise of equal length, pixels from 0 to 1."""
        trial, head, victim = self._trial, self._inverse.hessian.head, self._victim(task)
        images = victim.shown(_decoded(task, trial.train_views[rows])) / 255
        data, start = trial.train.take(rows), self._means(task, images)

        def pulled(scores: None, taps: Mapping[str, Tensor], targets: np.ndarray) -> Tensor:
            """Value of pooled maps along the slope at them; `targets` are places among `rows`."""
            means = taps[task.layer.name].double().mean(dim=(2, 3))
            now = means.detach().cpu().numpy()
            features = data.x[targets, :-1] + (now - start[targets]) / trial.spread
            here = Data.of(features, data.y[targets], data.classes)
            return (means * from_numpy(slopes(head, solved, here) / trial.spread).to(means.device)).sum(dim=1)

        steps, changed = task.plan.of(InfluenceOptions).steps, images.copy()
        for _ in range(steps):
            found = victim.network.gradients(
                victim.inputs(changed), pulled, [INPUT], targets=np.arange(len(rows)), scores=False
            )
            towards = pixel_gradients(found[INPUT], victim.network.std)
            if images.shape[3] == 1:
                towards = towards.sum(axis=3, keepdims=True)
            moved = changed + _STRIDE / steps * RADIUS * np.sign(towards)
            changed = np.clip(np.clip(moved, images - RADIUS, images + RADIUS), 0, 1)
        noisy = [
            noise_like(image, float(np.linalg.norm(after - image)), self._random(task, view, train))
            for image, after, train in zip(images, changed, trial.train_views[rows].tolist(), strict=True)
        ]
        return images, changed, np.stack(noisy)

    def _random(self, task: ViewsTask, view: int, train: int) -> np.random.Generator:
        return np.random.default_rng(seed_of("influence", "noise", task.plan.data_identity, view, train))


def _decoded(task: ViewsTask, views: Sequence[int] | np.ndarray) -> np.ndarray:
    """Decode training views, uint8 of shape (n, height, width, 3)."""
    plan, chosen = task.plan, [int(view) for view in views]
    dataset = Dataset(plan.data)
    decoded = decode_views(dataset, plan.views, chosen, task.model.geometry(plan.options.geometry))
    for view, reason in zip(chosen, decoded.reasons, strict=True):
        if reason:
            file = view_files(dataset, plan.views.image[[view]])[0]
            raise RunError(f"{file} was decoded before and cannot be now: {reason}")
    return decoded.pixels


__all__ = ["Attacker"]
