"""Stage `rule-scores`: the probabilities of the labels that rules name, on every view."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.extraction.artifacts import DECODED
from filterscope.pipeline.methods.extraction.extract import forward_step
from filterscope.pipeline.methods.method import StageKind
from filterscope.pipeline.methods.outputs.needs import refused
from filterscope.pipeline.methods.outputs.views import refuse_broken, seen_views
from filterscope.pipeline.methods.rules.asked import names_in, outputs_named, rules_asked
from filterscope.pipeline.methods.rules.options import RulesOptions
from filterscope.pipeline.methods.tasks import ModelViewsTask, by_model_views, view_blocks
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.arrays import read_arrays, write_arrays
from filterscope.pipeline.stores.artifacts import Artifact
from filterscope.pipeline.stores.promises import Promise

_STAGE = "rule-scores"


def scores_path(run: Path, place: Sequence[str]) -> Path:
    """Return where the probabilities of a block of views lie."""
    return run.joinpath("rules", *place[:-1], f"{place[-1]}.npz")


RULE_SCORES = Artifact.single(_STAGE, scores_path)


class _Scorer:
    """Called once for each block of views; holds the networks it used last."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()

    def __call__(self, task: ModelViewsTask) -> list[Output]:
        plan, model, key = task.plan, task.model, task.key
        pixels, seen = seen_views(plan, model, task.start, task.stop)
        network = self._networks.network(plan, model, ())
        with refused("rules", model.name):
            scores = network.scores(pixels)
            names = network.class_names(scores.shape[1])
        refuse_broken(plan, ~seen | np.isfinite(scores).all(axis=1), task.start, f"scores of {model.name} are")
        outputs = outputs_named(rules_asked(plan), names, model.name)
        found = logarithms(scores[seen], outputs, plan.of(RulesOptions).scores)
        arrays = {"views": task.start + np.flatnonzero(seen), "names": np.array(names), **found}
        digest = write_arrays(scores_path(plan.run, key.place), arrays)
        images = len(np.unique(plan.views.image[task.start : task.stop]))
        return [Output(key, int(seen.sum()), images, checksums={RULE_SCORES.name: digest})]


def logarithms(scores: np.ndarray, outputs: Sequence[int], kind: str) -> dict[str, np.ndarray]:
    """Return the logarithms of the probabilities that truth and posterior depend on.

    Parameters
    ----------
    scores : float32 ndarray of shape (n, classes)
        Class scores.
    outputs : sequence of int
        Indices of the L labels of the rules.
    kind : {"softmax", "sigmoid"}
        What scores mean.

    Returns
    -------
    dict of ndarray
        ``yes``, float32 of shape (n, L), of each label. With sigmoid ``no``, of its absence. With softmax, where rules treat
        all other classes alike, ``rest`` (n,), of any of them, and the index ``other`` (n,) of the most probable of them with
        its ``best`` (n,); -inf and -1 where there is none.
    """
    from scipy.special import log_expit, log_softmax, logsumexp

    wide = scores.astype(np.float64)
    if kind == "sigmoid":
        named = wide[:, outputs]
        return {"yes": log_expit(named).astype(np.float32), "no": log_expit(-named).astype(np.float32)}
    log_p = log_softmax(wide, axis=1)
    others = np.setdiff1d(np.arange(scores.shape[1]), outputs)
    found = {"yes": log_p[:, outputs].astype(np.float32)}
    if not len(others):
        nothing = np.full(len(scores), -np.inf, np.float32)
        return {**found, "rest": nothing, "best": nothing, "other": np.full(len(scores), -1)}
    best = log_p[:, others].argmax(axis=1)
    return {
        **found,
        "rest": logsumexp(log_p[:, others], axis=1).astype(np.float32),
        "best": log_p[np.arange(len(scores)), others[best]].astype(np.float32),
        "other": others[best],
    }


def read_scores(plan: Plan, model: str) -> dict[str, np.ndarray]:
    """Return the arrays of all blocks of a model, in order of views, and the names of its outputs under ``names``."""
    parts = []
    for block, _, _ in view_blocks(plan):
        place = (model, block)
        parts.append(
            read_arrays(Promise(plan.run, (_STAGE,), place).read(RULE_SCORES.name, scores_path(plan.run, place)))
        )
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name != "names"}
    return {**joined, "names": parts[0]["names"]}


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what the probabilities depend on beside the network, the views and how they are run."""
    return {
        "labels": names_in(rules_asked(plan), "label"),
        "scores": plan.of(RulesOptions).scores,
        **({} if model.classes_sha256 is None else {"classes": model.classes_sha256}),
    }


SCORING = StageKind(
    _STAGE,
    reads=(DECODED,),
    writes=(RULE_SCORES,),
    plan=by_model_views(partial(forward_step, actor=_Scorer)),
    parameters=parameters,
    like=("extract",),
)

__all__ = ["RULE_SCORES", "SCORING", "logarithms", "read_scores", "scores_path"]
