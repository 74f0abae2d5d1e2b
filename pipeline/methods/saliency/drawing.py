"""Takes gradients of class scores, and makes images that raise them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from filterscope.operators.attribution.baselines import edge_map
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.rank_correlation import spearman
from filterscope.operators.visualization.spectrum import scrambled, start
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.attribution.controls import randomised
from filterscope.pipeline.methods.attribution.drawn import drawn_views
from filterscope.pipeline.methods.attribution.explainers.passes import class_score
from filterscope.pipeline.methods.attribution.options import Which
from filterscope.pipeline.methods.extraction.networks import HeldNetworks
from filterscope.pipeline.methods.outputs.needs import refused
from filterscope.pipeline.methods.outputs.views import refuse_broken, seen_views
from filterscope.pipeline.methods.pictures import grey, png
from filterscope.pipeline.methods.saliency.options import SaliencyOptions
from filterscope.pipeline.methods.tasks import ModelTask, chosen_views
from filterscope.pipeline.methods.visualization.painting import Canvas
from filterscope.pipeline.models.gradients import INPUT
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.rectifiers import Rule, Ruled, revive
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

RULES: tuple[Rule, ...] = ("saliency", "deconvnet", "guided")
WHICH: tuple[Which, ...] = ("top", "all")
#: Images of a pass, at most, on a CPU.
BATCH = 8
#: Side of a view in a picture.
SIDE = 84
#: Share of the pixels of a map that are drawn white.
_WHITE = 0.005


@dataclass(frozen=True)
class Views:
    """Drawn views, and the class of highest score of each."""

    number: np.ndarray
    pixels: np.ndarray
    scores: np.ndarray

    @property
    def classes(self) -> np.ndarray:
        """Return the classes, int64."""
        return self.scores.argmax(axis=1).astype(np.int64)


def views_of(task: ModelTask, network: Network) -> Views:
    """Draw views that the forward pass had, by the identity of the data."""
    plan, model = task.plan, task.model
    seen = np.concatenate([
        seen_views(plan, model, start, min(start + plan.options.image_block, plan.view_count))[1]
        for start in range(0, plan.view_count, plan.options.image_block)
    ])  # fmt: skip
    number = drawn_views(plan, plan.of(SaliencyOptions).views, seen)
    pixels = chosen_views(plan, model, number.tolist()).pixels
    with refused("saliency", model.name):
        scores = network.scores(pixels)
    for row, view in enumerate(number.tolist()):
        refuse_broken(plan, np.isfinite(scores[row : row + 1]).all(axis=1), view, f"scores of {model.name} are")
    return Views(number, pixels, scores)


class Mapper:
    """Called once for each model; holds the networks it used last."""

    def __init__(self) -> None:
        self._networks = HeldNetworks()

    def __call__(self, task: ModelTask) -> list[Output]:
        """Draw the maps of a model and write `saliency`."""
        network = small(self._networks.network(task.plan, task.model, ()), task.plan.options.device)
        views = views_of(task, network)
        names = network.class_names(views.scores.shape[1]) if len(views.number) else []
        twins = [
            small(randomised(task.plan, task.model, which, centred=which == "all"), network.device) for which in WHICH
        ]
        rows = [row for rule in RULES for row in _mapped(task, (network, *twins), views, names, rule)] if names else []
        return _written(task, "saliency", rows)


def _mapped(
    task: ModelTask, networks: tuple[Network, ...], views: Views, names: list[str], rule: Rule
) -> list[dict[str, Any]]:
    known = [
        {
            "model": task.model.name, "image": int(task.plan.views.image[view]), "view": view, "class": index,
            "name": names[index], "rule": rule,
        }
        for view, index in zip(views.number.tolist(), views.classes.tolist(), strict=True)
    ]  # fmt: skip
    try:
        found = [mapped(network, views.pixels, views.classes, rule) for network in networks]
    except InputError as error:
        return [{**row, "reason": str(error)} for row in known]
    replaced = None if rule == "saliency" else found[0][1]
    rows = []
    for row, pixels, *maps in zip(known, views.pixels, *(maps for maps, _ in found), strict=True):
        edges = edge_map(pixels)
        rho = {
            name: correlated(maps[0], other)
            for name, other in (("rho_top", maps[1]), ("rho_all", maps[2]), ("rho_edges", edges))
        }
        drawn = [grey(one, float(np.quantile(one, 1 - _WHITE))) for one in maps]
        rows.append({**row, "rectifiers": replaced, **rho, "picture": png(pixels, *drawn, side=SIDE)})
    return rows


def mapped(network: Network, pixels: np.ndarray, classes: np.ndarray, rule: Rule) -> tuple[np.ndarray, int]:
    """Return the largest magnitude of the channels of the ruled gradient, (n, height, width), and rectifiers of a pass."""
    of = Ruled(class_score, rule)
    slopes = network.gradients(pixels, of, [INPUT], targets=classes)[INPUT]
    return np.abs(slopes).max(axis=1), sum(of.replaced.values())


def correlated(one: np.ndarray, other: np.ndarray) -> float | None:
    """Return the rank correlation of two maps; None where one is constant."""
    found = float(spearman(one.ravel().astype(np.float64), other.ravel().astype(np.float64)))
    return found if np.isfinite(found) else None


@dataclass(frozen=True)
class ClassScore:
    """What an image made for a class raises: its score, less the weight times the image's squared norm."""

    classes: Tensor
    weight: float

    def __call__(self, scores: Any, taps: Mapping[str, Tensor], /, *more: Any) -> Tensor:
        """Return one value per image."""
        own = scores.gather(1, self.classes[:, None])[:, 0]
        return revive(own - self.weight * taps[INPUT].square().sum((1, 2, 3)))


class Maker:
    """Called once for each model; holds the networks it used last."""

    def __init__(self) -> None:
        self._networks = HeldNetworks()

    def __call__(self, task: ModelTask) -> list[Output]:
        """Make images for classes and write `class_models`."""
        network = small(self._networks.network(task.plan, task.model, ()), task.plan.options.device)
        views, asked = views_of(task, network), task.plan.of(SaliencyOptions)
        classes = most_frequent(views.classes, asked.classes)
        if not len(classes):
            return _written(task, "class_models", [])
        twin = small(randomised(task.plan, task.model, "all", centred=True), network.device)
        return _written(task, "class_models", _made(task, network, twin, views, classes))


def most_frequent(classes: np.ndarray, count: int) -> np.ndarray:
    """Return the most frequent classes, of equal ones the lower first, int64."""
    distinct, counts = np.unique(classes, return_counts=True)
    return distinct[np.lexsort((distinct, -counts))][:count].astype(np.int64)


def _made(task: ModelTask, network: Network, twin: Network, views: Views, classes: np.ndarray) -> list[dict[str, Any]]:
    asked, size = task.plan.of(SaliencyOptions), task.model.transform.input_size
    names, canvas = network.class_names(views.scores.shape[1]), Canvas.of(network, size)
    seeds = [seed_of("saliency", task.model.weights_sha256, index) for index in classes.tolist()]
    begun = np.stack([start(seed, canvas.colours, *size) for seed in seeds])
    spectra, others = (image_of(one, canvas, classes, begun, asked) for one in (network, twin))
    turned = np.stack([scrambled(one, seed + 1) for one, seed in zip(spectra, seeds, strict=True)])
    kept, of_twin, of_turned, noise = (canvas.kept(one) for one in (spectra, others, turned, begun))
    at, scores = (np.arange(len(classes)), classes), network.scores(kept).astype(np.float64)
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    columns = {
        "class": classes,
        "score": scores[at],
        "probability": (odds / odds.sum(axis=1, keepdims=True))[at],
        "dataset_maximum": views.scores.max(axis=0)[classes],
        "noise_score": network.scores(noise)[at],
        "scrambled_score": network.scores(of_turned)[at],
        "shuffled_score": network.scores(of_twin)[at],
        "twin_gain": twin.scores(of_twin)[at] - twin.scores(noise)[at],
    }
    return [
        {
            "model": task.model.name, "name": names[index], "steps": asked.steps, "picture": png(kept[row]),
            **{name: values[row].item() for name, values in columns.items()},
        }
        for row, index in enumerate(classes.tolist())
    ]  # fmt: skip


def image_of(
    network: Network, canvas: Canvas, classes: np.ndarray, begun: np.ndarray, asked: SaliencyOptions
) -> np.ndarray:
    """Return the coefficients of images that a network makes for classes, from those given."""
    found = np.empty(begun.shape, np.float32)
    for first in range(0, len(classes), network.batch_size):
        rows = slice(first, first + network.batch_size)
        of = ClassScore(torch.from_numpy(classes[rows]).to(network.device), asked.weight)
        found[rows] = network.optimise(of, begun[rows], asked.steps, asked.step_size, transform=canvas.moved)[0]
    return found


def small(network: Network, device: str) -> Network:
    """Return the same network with passes that hold their gradients."""
    return replace(network, batch_size=min(network.batch_size, BATCH)) if device == "cpu" else network


def _written(task: ModelTask, table: str, rows: list[dict[str, Any]]) -> list[Output]:
    content = pa.Table.from_pylist(rows, schema=TABLES[table])
    count, digest = write_table(task.plan.run, table, task.key.place, [content])
    return [Output(task.key, count, checksums={table: digest})]


__all__ = ["ClassScore", "Maker", "Mapper", "correlated", "image_of", "mapped", "most_frequent"]
