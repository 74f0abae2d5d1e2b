"""Training and test views of one layer as the head takes them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from filterscope.operators.influence.head import Data, Head
from filterscope.operators.influence.hessian import Hessian, Solver
from filterscope.operators.influence.influence import self_influence
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.methods.influence.labels import TEST, TRAIN, Labels
from filterscope.pipeline.methods.influence.needs import solver_of
from filterscope.pipeline.methods.influence.options import InfluenceOptions
from filterscope.pipeline.methods.influence.pooled import read_pooled
from filterscope.pipeline.methods.tasks import LayerTask

#: Training views whose self-influence is computed where that takes a series of products each: those of largest loss.
SUSPECTS = 500
#: A product further off than this is no solution.
_FAR = 0.5


@dataclass(frozen=True)
class Trial:
    """Views of one layer: each unit's mean 0 and standard deviation 1 over the training views; constant units are 0.

    Attributes
    ----------
    names : list of str
        The K labels that training views have.
    train, test : Data
        Their features and classes.
    train_views, test_views : int64 ndarray
        Their numbers, in order.
    left_out : int
        Decoded views that are neither.
    spread : float64 ndarray of shape (D,)
        Standard deviation of each unit's pooled map over the training views; infinite for constant units.
    """

    names: list[str]
    train: Data
    test: Data
    train_views: np.ndarray
    test_views: np.ndarray
    left_out: int
    _known: np.ndarray
    _centre: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, task: LayerTask, *, tested: bool = True) -> "Trial":
        """Read pooled maps and labels; without test views unless `tested`.

        Raises
        ------
        RunError
            If fewer than two classes are left of the views that could be decoded.
        """
        found = Labels.of(task.plan)
        views, means = read_pooled(task, np.full(len(found.role), True) if tested else found.role == TRAIN)
        role, label = found.role[views], found.label[views]
        known = np.unique(label[role == TRAIN])
        if len(known) < 2:
            raise RunError(
                f"--methods influence: of the training views that could be decoded {len(known)} class is left, and a head "
                "needs two; see the table rejects"
            )
        train, test = role == TRAIN, (role == TEST) & np.isin(label, known)
        centre, spread = means[train].mean(axis=0), means[train].std(axis=0)
        spread[spread <= 1e-9 * np.abs(centre)] = np.inf
        data, testing = (
            Data.of((means[chosen] - centre) / spread, np.searchsorted(known, label[chosen]), len(known))
            for chosen in (train, test)
        )
        names, left_out = [found.names[one] for one in known], int((~train & ~test).sum())
        return cls(names, data, testing, views[train], views[test], left_out, known, centre, spread)

    def tests(self, task: LayerTask, labels: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, Data]:
        """Read other test views.

        Parameters
        ----------
        task : LayerTask
            The layer.
        labels : int64 ndarray of shape (views,)
            `Labels.label`.
        wanted : bool ndarray of shape (views,)
            Which; those of a label that no training view has are left out.

        Returns
        -------
        views : int64 ndarray of shape (n,)
            Their numbers, in order.
        data : Data
        """
        views, means = read_pooled(task, wanted & np.isin(labels, self._known))
        y = np.searchsorted(self._known, labels[views])
        return views, Data.of((means - self._centre) / self.spread, y, len(self._known))


@dataclass(frozen=True)
class Inverse:
    """How products with the inverse of a head's Hessian are computed.

    Attributes
    ----------
    hessian : Hessian
        At the head.
    solver : {"exact", "cg", "lissa"}
        How.
    scale : float or None
        LiSSA's, None for other solvers.
    what : str
        The layer, for messages.
    """

    hessian: Hessian
    solver: Solver
    scale: float | None
    what: str

    @classmethod
    def of(cls, task: LayerTask, data: Data, head: Head) -> "Inverse":
        """Return how it is asked for.

        Raises
        ------
        RunError
            If LiSSA would diverge.
        """
        asked = task.plan.of(InfluenceOptions)
        hessian, what = Hessian(data, head, asked.damping), f"layer {task.layer.name!r} of {task.model.name}"
        solver = solver_of(asked, head.v.size)
        if solver != "lissa":
            return cls(hessian, solver, None, what)
        if asked.scale is not None and asked.scale <= hessian.largest:
            raise RunError(
                f"--influence.scale {asked.scale:g}: the largest eigenvalue of the Hessian for {what} is "
                f"{hessian.largest:.4g}, and LiSSA diverges unless its scale exceeds that; give a larger one, leave it out, or "
                "use --influence.solver cg"
            )
        return cls(hessian, solver, 2 * hessian.largest if asked.scale is None else asked.scale, what)

    def solved(self, b: np.ndarray, seeds: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return products of the inverse with right sides of shape (T, K - 1, D + 1), and how far off each is, (T,).

        `seeds` are of LiSSA's samples, one for each right side.

        Raises
        ------
        RunError
            If a series did not converge.
        """
        found = self.hessian.solved(b, self.solver, self.scale, seeds)
        with np.errstate(over="ignore", invalid="ignore"):
            off = self.hessian.residual(found, b)
        if not (off <= _FAR).all():
            raise RunError(
                f"--influence.solver {self.solver}: for {self.what} a product with the inverse of the Hessian is off by "
                f"{off.max():.2g} of its length; use --influence.solver cg, more --influence.damping or a larger "
                "--influence.scale"
            )
        return found, off

    def self_influence(self, losses: np.ndarray) -> np.ndarray:
        """Return the self-influence of all training views, or without the exact solver NaN but for those of largest loss."""
        rows = np.arange(len(losses)) if self.solver == "exact" else np.argsort(-losses, kind="stable")[:SUSPECTS]
        found = np.full(len(losses), np.nan)
        # a series for each training view would take LiSSA hours
        found[rows] = self_influence(self.hessian, rows, "exact" if self.solver == "exact" else "cg")
        return found


__all__ = ["SUSPECTS", "Inverse", "Trial"]
