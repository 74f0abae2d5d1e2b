"""Choose: which images of the pool are labelled and learned."""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from filterscope import schemas
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.debugging.material import Material
from filterscope.pipeline.debugging.problem import BLIND_SPOT, CONFLICT, LABEL_ERRORS, Problem, same_views
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.training.fine_tune import Trained

#: What images are chosen by where it is left to filterscope.
FITTING = {CONFLICT: "conflict", BLIND_SPOT: "cluster", LABEL_ERRORS: "influence"}


def chooser_of(choose: str, problem: Problem) -> str:
    """Settle what images are chosen by.

    Raises
    ------
    InputError
        If it does not fit the problem.
    """
    settled = FITTING[problem.kind] if choose == "auto" else choose
    kinds = {"conflict": CONFLICT, "cluster": BLIND_SPOT}
    if settled in kinds and problem.kind != kinds[settled]:
        raise InputError(f"--choose {choose} is for --find {kinds[settled]}; the problem is {problem.kind}")
    return settled


def at_random(material: Material, count: int, seed: int) -> np.ndarray:
    """Return views of the pool drawn at random, int64; raises InputError if it holds fewer."""
    _refuse_few(material.pool, count, "images")
    return _drawn(material.pool, count, "random", seed)


def chosen(
    plan: Plan, model: str, material: Material, problem: Problem, by: str, count: int, seed: int
) -> tuple[np.ndarray, float]:
    """Return views of the pool that are labelled.

    Parameters
    ----------
    by : str
        As settled by `chooser_of`.
    count : int
        Views.
    seed : int
        Of the draw, where there is one.

    Returns
    -------
    views : int64 ndarray of shape (count,)
    looked : float
        Images of the pool that a person looks at to find them, coming upon the pool at random; `count` where the network
        alone chooses.

    Raises
    ------
    InputError
        If the pool holds fewer, or the audit does not know them.
    """
    if by in ("conflict", "cluster"):
        hard = material.pool[problem.hard(material.new)[material.pool]]
        what = "contradict" if by == "conflict" else "are in the blind spot"
        _refuse_few(hard, count, f"of {len(material.pool):,} images that {what} {problem.name}")
        views = _balanced(hard, problem.groups(material.new)[hard], count, seed)
        return views, count if by == "cluster" else count * len(material.pool) / len(hard)
    ranks: Mapping[str, Callable[[], np.ndarray]] = {
        "least-confident": lambda: _least_confident(material, problem),
        "loss": lambda: _by_loss(material, problem),
        "influence": lambda: _by_influence(plan, model, material),
    }
    ranked = ranks[by]()
    _refuse_few(
        ranked,
        count,
        "images of influence (--influence.top and --influence.tests name more)" if by == "influence" else "images",
    )
    return ranked[:count], float(len(material.pool) if by == "loss" else count)


def _balanced(views: np.ndarray, groups: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draw views, as many of each group as there are, the rest from those that have more."""
    drawn = [_drawn(views[groups == group], count, group, seed) for group in np.unique(groups)]
    places = np.concatenate([np.arange(len(part)) for part in drawn])
    return np.concatenate(drawn)[np.argsort(places, kind="stable")][:count]


def of_each_group(material: Material, problem: Problem, count: int, seed: int) -> np.ndarray:
    """Return views of the pool, as many of each group of a problem as there are."""
    groups = problem.groups(material.new)[material.pool]
    _refuse_few(material.pool[groups >= 0], count, "images of a known group")
    return _balanced(material.pool[groups >= 0], groups[groups >= 0], count, seed)


def _drawn(views: np.ndarray, count: int, *identity: object) -> np.ndarray:
    random = np.random.default_rng(seed_of("debug", "choose", *identity))
    return np.asarray(views[random.permutation(len(views))[:count]])


def _scores(material: Material) -> tuple[np.ndarray, np.ndarray]:
    """Return the views of the pool that can be decoded, and what the network as it is says of them."""
    pixels, good = material.new.images.take(material.pool)
    return material.pool[good], Trained.open(material.source).scores(pixels[good])


def _least_confident(material: Material, problem: Problem) -> np.ndarray:
    views, scores = _scores(material)
    if problem.pair is not None:
        margin = np.abs(scores[:, problem.columns(material.new)]).sum(axis=1)
    elif material.old.lesson.several:
        margin = np.abs(scores).min(axis=1)
    else:
        two = np.sort(scores, axis=1)[:, -2:]
        margin = two[:, 1] - two[:, 0]
    return np.asarray(views[np.argsort(margin, kind="stable")])


def _by_loss(material: Material, problem: Problem) -> np.ndarray:
    views, scores = _scores(material)
    return np.asarray(views[np.argsort(-losses(scores, material.new.lesson.target[views]), kind="stable")])


def losses(scores: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the loss of each view, float64 of shape (n,): cross-entropy, or of attributes the mean over those known."""
    exact = scores.astype(np.float64)
    if target.ndim == 1:
        shifted = exact - exact.max(axis=1, keepdims=True)
        return np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(target)), np.maximum(target, 0)]
    each = np.logaddexp(0, np.where(target == 1, -exact, exact))
    known = target >= 0
    return np.where(known, each, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)


def _by_influence(plan: Plan, model: str, material: Material) -> np.ndarray:
    """Return the views of the pool that helped the audit's head most with the test views it is worst at."""
    same_views(plan, material.new, "helpful images")
    rows = schemas.scan_influence(plan.run).filter(pl.col("model") == model, pl.col("kind") == "helpful")
    table = rows.group_by("train_view").agg(pl.col("influence").sum()).collect()
    table = table.filter(pl.col("train_view").is_in(material.pool.tolist()))
    return table.sort("influence", "train_view", descending=[True, False])["train_view"].to_numpy().astype(np.int64)


def _refuse_few(views: np.ndarray, count: int, what: str) -> None:
    if len(views) < count:
        raise InputError(
            f"the pool (images never trained on) has {len(views):,} {what}, fewer than {count:,}; ask for fewer, lower "
            "--measured, or audit more images"
        )


__all__ = ["at_random", "chooser_of", "chosen", "losses", "of_each_group"]
