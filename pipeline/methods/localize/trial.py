"""One part of one category, localised with nodes of a graph and with baselines that need none."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from filterscope.operators.localization.filters import best_filter
from filterscope.operators.localization.measures import (
    DETECTED,
    bootstrap_means,
    inside_box,
    interval,
    normalised_distance,
    overlap,
)
from filterscope.operators.localization.patches import nearest_patch
from filterscope.operators.localization.shots import draw_shots
from filterscope.operators.localization.templates import (
    LOCAL,
    RELEASED,
    SQUARED,
    Found,
    Weights,
    best_template,
    locate,
    mix_templates,
    retrieve,
)
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.methods.graph.options import GraphOptions
from filterscope.pipeline.methods.graph.part_views import (
    PartViews,
    lattice_of,
    read_features,
    read_found,
    read_peaks,
)
from filterscope.pipeline.methods.localize.options import LocalizeOptions
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel

#: Methods: of templates the best counts, or `mixed` the mean of all, weighted by exp(sharpness * score).
RELEASED_NODES, NODES, MIXED_NODES, SQUARED_NODES = "nodes as released", "nodes", "nodes mixed", "nodes squared mixed"
BASELINES = ("mean position", "best filter", "nearest patch", "nearest patch mixed")

#: Of scores and of cosines; on birds that graphs were learned from, the best of .5, 1, 2, 4 and of 5, 10, 20, 40.
NODE_SHARPNESS, PATCH_SHARPNESS = 4.0, 10.0

#: Centres and box sizes found, each of shape (draws, views, 2).
Answer = tuple[np.ndarray, np.ndarray]
#: Method, share of the nodes, nodes of a template, and what was found.
Answered = tuple[str, float | None, int | None, Answer]


def annotated(parts: PartViews, shots: int, draw: int) -> np.ndarray:
    """Return the rows of the crops that are annotated in a draw, int64 of shape (shots,)."""
    rows = parts.annotatable
    seed = seed_of("localize", parts.views.category, parts.part, shots, draw)
    return np.asarray(rows[draw_shots(parts.image[rows], shots, seed)])


def with_mirrors(parts: PartViews, rows: np.ndarray) -> np.ndarray:
    """Return annotated crops and, after them, their mirror images, where the run has these."""
    mirrors = parts.mirror[rows]
    return np.concatenate([rows, mirrors[mirrors >= 0]])


@dataclass
class Trial:
    """What is annotated, what is looked at, and what nodes and filters find there.

    Attributes
    ----------
    key : dict
        Columns that all its rows share.
    parts : PartViews
        The part on the I crops.
    sets : list of int64 ndarrays of shape (shots,)
        Annotated crops of each draw, as rows.
    seed : int
        Of the bootstrap.
    extent : (int, int)
        Height and width of the network input.
    found : Found
        What nodes find on every crop.
    peaks : float64 ndarray of shape (I, filters, 2)
        y and x of the first maximum of every filter of every layer.
    features : float32 ndarray of shape (I, height, width, channels)
        Maps of the top layer.
    top : Layer
        That layer.
    """

    key: dict[str, object]
    parts: PartViews
    sets: list[np.ndarray]
    seed: int
    extent: tuple[int, int]
    found: Found
    peaks: np.ndarray
    features: np.ndarray
    top: Layer
    _kept: dict[tuple[object, ...], tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, plan: Plan, model: PlannedModel, layers: list[Layer], parts: PartViews, *, nodes: bool = True
    ) -> "Trial":
        """Draw the sets of annotated crops, and read what was stored of all crops and, with `nodes`, what graphs learned."""
        asked, views = plan.of(LocalizeOptions), parts.views
        names, shots = (views.category, parts.part), asked.shots
        sets = [annotated(parts, shots, draw) for draw in range(asked.draws)]
        position, score = read_found(plan, model, layers if nodes else [], views)
        key = {
            "model": model.name,
            "category": names[0],
            "part": names[1],
            "layers": ",".join(layer.name for layer in layers),
            "shots": shots,
            "draws": asked.draws,
            "images": len(parts.heldout),
            "no_box": parts.no_box,
        }
        return cls(
            key, parts, sets, seed_of("localize", *names), model.geometry(plan.options.geometry).size,
            Found.of(position, score, views.learning(plan.of(GraphOptions).mode)),
            read_peaks(plan, model, layers, views), read_features(plan, model, layers[0], views), layers[0],
        )  # fmt: skip

    def nodes(self, count: int, weights: Weights = LOCAL, sharpness: float | None = None) -> Answer:
        """Let the nodes of every annotated crop and of its mirror image vote; the best template counts, or a mixture."""
        return self.together(lambda row: self._voted(row, count, weights), sharpness)

    def nearest_patch(self, sharpness: float | None = None) -> Answer:
        """Find the patch most like that of an annotated crop or its mirror image; the part lies as it does there."""
        return self.together(self._matched, sharpness)

    def best_filter(self) -> Answer:
        """Move the maximum of the filter that keeps the steadiest displacement on the annotated crops."""
        centres = []
        for rows in self.sets:
            unit, displacement = best_filter(self.peaks[rows], self.parts.centre[rows])
            peak = self.peaks[self.parts.heldout, unit]
            usual = self.parts.centre[rows].mean(axis=0)
            centres.append(np.where(np.isnan(peak), usual, peak + displacement))
        return np.stack(centres), self._mean_sizes()

    def mean_position(self) -> Answer:
        """Put the part where it is on average on the annotated crops."""
        means = np.stack([self.parts.centre[rows].mean(axis=0) for rows in self.sets])
        return self._repeated(means), self._mean_sizes()

    def together(self, answer: Callable[[int], tuple[np.ndarray, np.ndarray]], sharpness: float | None) -> Answer:
        """Put together what every template says: the best counts, or with a sharpness the weighted mean."""
        centres, sizes = [], []
        for rows in self.sets:
            templates = with_mirrors(self.parts, rows)
            answers = [answer(row) for row in templates.tolist()]
            places, scores = (np.stack(column) for column in zip(*answers, strict=True))
            if sharpness is None:
                centre, chosen = best_template(places, scores)
                sizes.append(self.parts.size[templates[chosen]])
            else:
                centre, weights = mix_templates(places, scores, sharpness)
                sizes.append(np.einsum("tn,ta->na", weights, self.parts.size[templates]))
            centres.append(centre)
        return np.stack(centres), np.stack(sizes)

    def _voted(self, row: int, count: int, weights: Weights) -> tuple[np.ndarray, np.ndarray]:
        key = ("voted", row, count, weights)
        if key not in self._kept:
            template = retrieve(self.found, row, self.parts.centre[row], count, float(max(self.extent)), weights)
            self._kept[key] = locate(template, self.found, self.parts.heldout, self.extent)
        return self._kept[key]

    def _matched(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        key = ("matched", row)
        if key not in self._kept:
            lattice, centre = lattice_of(self.top), self.parts.centre[row]
            first, left, rows, columns = lattice.window(centre, self.parts.size[row], (self.top.height, self.top.width))
            patch = self.features[row, first : first + rows, left : left + columns]
            place, similarity = nearest_patch(patch, self.features[self.parts.heldout])
            moved = centre - lattice.middle(np.asarray(first), np.asarray(left), rows, columns)
            self._kept[key] = lattice.middle(place[:, 0], place[:, 1], rows, columns) + moved, similarity
        return self._kept[key]

    def _mean_sizes(self) -> np.ndarray:
        return self._repeated(np.stack([self.parts.size[rows].mean(axis=0) for rows in self.sets]))

    def _repeated(self, values: np.ndarray) -> np.ndarray:
        return np.repeat(values[:, None], len(self.parts.heldout), axis=1)


def rows_of(trial: Trial, shares: Sequence[float], most: int) -> Iterator[dict[str, object]]:
    """Yield the rows of `part_localization`, baselines first."""
    yield from measured_rows(trial, _with_nodes(trial, shares, most))


def measured_rows(trial: Trial, found: Iterable[Answered]) -> Iterator[dict[str, object]]:
    """Yield how well a part is found by the baselines, and then by methods beside them: with what they save of the best."""
    answers = [*_baselines(trial), *found]
    measured = [_measured(trial, answer) for *_, answer in answers]
    rival = min(measured[: len(BASELINES)], key=lambda values: float(values["distance"].mean()))["distance"]
    for (method, share, count, _), values in zip(answers, measured, strict=True):
        row = {**trial.key, "method": method, "share": share, "nodes": count}
        for name, value in values.items():
            row |= _with_interval(name, float(value.mean()), _replicates(trial, value))
        if method not in BASELINES and rival.mean() > 0:
            row |= _less(trial, values["distance"], rival)
        yield row


def _baselines(trial: Trial) -> list[Answered]:
    found = trial.mean_position(), trial.best_filter(), trial.nearest_patch(), trial.nearest_patch(PATCH_SHARPNESS)
    return [(name, None, None, answer) for name, answer in zip(BASELINES, found, strict=True)]


def _with_nodes(trial: Trial, shares: Sequence[float], most: int) -> Iterator[Answered]:
    total = trial.found.response.shape[1]
    for share in shares:
        count = min(max(1, round(share * total)), most)
        yield RELEASED_NODES, share, count, trial.nodes(count, RELEASED)
        yield NODES, share, count, trial.nodes(count)
        yield MIXED_NODES, share, count, trial.nodes(count, sharpness=NODE_SHARPNESS)
        yield SQUARED_NODES, share, count, trial.nodes(count, SQUARED, NODE_SHARPNESS)


def _measured(trial: Trial, answer: Answer) -> dict[str, np.ndarray]:
    """Return each measure of every draw on every held-out crop, float64 of shape (draws, views)."""
    centre, size = trial.parts.centre[trial.parts.heldout], trial.parts.size[trial.parts.heldout]
    measured = {"distance": normalised_distance(answer[0], centre, trial.extent)}
    if trial.key["no_box"] is None:
        measured["detected"] = (overlap(*answer, centre, size) >= DETECTED).astype(np.float64)
        measured["inside"] = inside_box(answer[0], centre, size).astype(np.float64)
    return measured


def _less(trial: Trial, own: np.ndarray, rival: np.ndarray) -> dict[str, float]:
    """Return by what share distances are below those of the best baseline, both of shape (draws, views)."""
    mine, other = _replicates(trial, own), _replicates(trial, rival)
    replicates = 1 - np.divide(mine, other, out=np.full(len(mine), np.nan), where=other > 0)
    return _with_interval("less", 1 - float(own.mean() / rival.mean()), replicates)


def _replicates(trial: Trial, values: np.ndarray) -> np.ndarray:
    return bootstrap_means(values, trial.parts.image[trial.parts.heldout], trial.seed)


def _with_interval(name: str, value: float, replicates: np.ndarray) -> dict[str, float]:
    low, high = interval(replicates)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


__all__ = [
    "BASELINES",
    "MIXED_NODES",
    "NODES",
    "RELEASED_NODES",
    "SQUARED_NODES",
    "Answer",
    "Trial",
    "annotated",
    "measured_rows",
    "rows_of",
    "with_mirrors",
]
