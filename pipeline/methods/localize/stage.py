"""The verb `localize`: find a part on held-out images from a few annotated ones, with nodes of a graph and without."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np
import polars as pl
import pyarrow as pa

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
    Found,
    Weights,
    best_template,
    locate,
    mix_templates,
    retrieve,
)
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.engine.lock import RunLock
from filterscope.pipeline.methods.graph.crops import graph_categories, graph_layers
from filterscope.pipeline.methods.graph.learn import graph_stages
from filterscope.pipeline.methods.localize.part_views import (
    PartViews,
    landmarks_of,
    lattice_of,
    read_features,
    read_found,
    read_peaks,
)
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import write_table
from filterscope.schemas.results import TABLES

#: Shares of the nodes that are tried, most nodes of a template, and sets of annotated images.
SHARES, MOST, DRAWS = (0.01, 0.02, 0.05, 0.1), 500, 20

#: Methods: of templates the best counts, or `mixed` the mean of all, weighted by exp(sharpness * score).
RELEASED_NODES, NODES, MIXED_NODES = "nodes as released", "nodes", "nodes mixed"
BASELINES = ("mean position", "best filter", "nearest patch", "nearest patch mixed")

#: Of scores and of cosines; on birds that graphs were learned from, the best of .5, 1, 2, 4 and of 5, 10, 20, 40.
NODE_SHARPNESS, PATCH_SHARPNESS = 4.0, 10.0

#: Centres and box sizes found, each of shape (draws, views, 2).
Answer = tuple[np.ndarray, np.ndarray]


def localize(
    run: str | Path,
    part: str,
    *,
    shots: int = 3,
    shares: Sequence[float] = SHARES,
    most: int = MOST,
    draws: int = DRAWS,
    category: str | None = None,
    model: str | None = None,
    layers: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Localise a part with every method, write the rows of `part_localization` and return them.

    Parameters
    ----------
    run : path
        A run with explanatory graphs.
    part : str
        Landmark to find.
    shots : int
        Annotated images, drawn among those that the graph was learned from.
    shares : sequence of float
        Shares of the nodes that are retrieved for a template.
    most : int
        Nodes of a template, at most.
    draws : int
        Random sets of annotated images.
    category, model : str, optional
        By default all that the run has.
    layers : sequence of str, optional
        Layers whose nodes and filters are used; by default all that have a graph.

    Raises
    ------
    InputError
        If the run has no finished graph, the category, model, layer or part is not in it, or there are too few images.
    """
    _refuse_numbers(shots, shares, most, draws)
    plan = _plan(run)
    frames = []
    for planned in _models(plan, model):
        chosen = _layers(planned, layers)
        for name in _categories(plan, planned, category, part):
            views = PartViews.of(plan, planned, name, part)
            _refuse_few(views, name, part, shots)
            trial = _Trial.of(plan, planned, chosen, views, (name, part), shots, draws)
            rows = list(_rows(trial, shares, most))
            table = pa.Table.from_pylist(rows, schema=TABLES["part_localization"])
            block = quote(f"{name}-{part}-{shots}-{','.join(layer.name for layer in chosen)}", safe=",-")
            with RunLock(plan.run, "localize"):
                write_table(plan.run, "part_localization", (planned.name, block), [table])
            frames.append(pl.DataFrame(table))
    return pl.concat(frames)


@dataclass
class _Trial:
    """One part of one category: what is annotated, what is looked at, and what nodes and filters find there."""

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
        cls,
        plan: Plan,
        model: PlannedModel,
        layers: list[Layer],
        parts: PartViews,
        names: tuple[str, str],
        shots: int,
        draws: int,
    ) -> "_Trial":
        views, rows = parts.views, parts.annotatable
        seeds = (seed_of("localize", *names, shots, draw) for draw in range(draws))
        sets = [rows[draw_shots(parts.image[rows], shots, seed)] for seed in seeds]
        position, score = read_found(plan, model, layers, views)
        key = {
            "model": model.name,
            "category": names[0],
            "part": names[1],
            "layers": ",".join(layer.name for layer in layers),
            "shots": shots,
            "draws": draws,
            "images": len(parts.heldout),
            "no_box": parts.no_box,
        }
        return cls(
            key, parts, sets, seed_of("localize", *names), model.geometry(plan.options.geometry).size,
            Found.of(position, score, views.learning(plan.options.graph_mode)),
            read_peaks(plan, model, layers, views), read_features(plan, model, layers[0], views), layers[0],
        )  # fmt: skip

    def nodes(self, count: int, weights: Weights = LOCAL, sharpness: float | None = None) -> Answer:
        """Let the nodes of every annotated crop and of its mirror image vote; the best template counts, or a mixture."""
        return self._together(lambda row: self._voted(row, count, weights), sharpness)

    def nearest_patch(self, sharpness: float | None = None) -> Answer:
        """Find the patch most like that of an annotated crop or its mirror image; the part lies as it does there."""
        return self._together(self._matched, sharpness)

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

    def _together(self, answer: Callable[[int], tuple[np.ndarray, np.ndarray]], sharpness: float | None) -> Answer:
        """Put together what every template says: the best counts, or with a sharpness the weighted mean."""
        centres, sizes = [], []
        for rows in self.sets:
            mirrors = self.parts.mirror[rows]
            templates = np.concatenate([rows, mirrors[mirrors >= 0]])
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
            moved = centre - lattice.middle(np.int64(first), np.int64(left), rows, columns)
            self._kept[key] = lattice.middle(place[:, 0], place[:, 1], rows, columns) + moved, similarity
        return self._kept[key]

    def _mean_sizes(self) -> np.ndarray:
        return self._repeated(np.stack([self.parts.size[rows].mean(axis=0) for rows in self.sets]))

    def _repeated(self, values: np.ndarray) -> np.ndarray:
        return np.repeat(values[:, None], len(self.parts.heldout), axis=1)


def _rows(trial: _Trial, shares: Sequence[float], most: int) -> Iterator[dict[str, object]]:
    """Yield the rows of all methods, baselines first."""
    total = trial.found.response.shape[1]
    answers: list[tuple[str, float | None, int | None, Answer]] = [
        (name, None, None, answer)
        for name, answer in zip(
            BASELINES,
            (trial.mean_position(), trial.best_filter(), trial.nearest_patch(), trial.nearest_patch(PATCH_SHARPNESS)),
            strict=True,
        )
    ]
    for share in shares:
        count = min(max(1, round(share * total)), most)
        answers += [
            (RELEASED_NODES, share, count, trial.nodes(count, RELEASED)),
            (NODES, share, count, trial.nodes(count)),
            (MIXED_NODES, share, count, trial.nodes(count, sharpness=NODE_SHARPNESS)),
        ]
    measured = [_measured(trial, answer) for *_, answer in answers]
    rival = min(measured[: len(BASELINES)], key=lambda values: float(values["distance"].mean()))["distance"]
    for (method, share, count, _), values in zip(answers, measured, strict=True):
        row = {**trial.key, "method": method, "share": share, "nodes": count}
        for name, value in values.items():
            row |= _with_interval(name, float(value.mean()), bootstrap_means(value, _groups(trial), trial.seed))
        if method not in BASELINES and rival.mean() > 0:
            own, other = (bootstrap_means(value, _groups(trial), trial.seed) for value in (values["distance"], rival))
            replicates = 1 - np.divide(own, other, out=np.full(len(own), np.nan), where=other > 0)
            row |= _with_interval("less", 1 - float(values["distance"].mean() / rival.mean()), replicates)
        yield row


def _groups(trial: _Trial) -> np.ndarray:
    return trial.parts.image[trial.parts.heldout]


def _measured(trial: _Trial, answer: Answer) -> dict[str, np.ndarray]:
    """Return each measure of every draw on every held-out crop, float64 of shape (draws, views)."""
    centre, size = trial.parts.centre[trial.parts.heldout], trial.parts.size[trial.parts.heldout]
    measured = {"distance": normalised_distance(answer[0], centre, trial.extent)}
    if trial.key["no_box"] is None:
        measured["detected"] = (overlap(*answer, centre, size) >= DETECTED).astype(np.float64)
        measured["inside"] = inside_box(answer[0], centre, size).astype(np.float64)
    return measured


def _with_interval(name: str, value: float, replicates: np.ndarray) -> dict[str, float]:
    low, high = interval(replicates)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def localization_report(found: pl.DataFrame) -> str:
    """Return as text the table of `localize`, and what the nodes gain over the best baseline or lack."""
    from filterscope.jobs.findings.query import as_table

    shown = ["method", "share", "nodes"]
    measures = [name for name in ("distance", "detected", "inside") if found[name].is_not_null().any()]
    pieces = []
    for (model, category, part, shots), rows in found.group_by(
        "model", "category", "part", "shots", maintain_order=True
    ):
        first = rows.row(0, named=True)
        pieces.append(
            f"{part} of {category}, {model} {first['layers']}: {shots} annotated images in {first['draws']} random sets, "
            f"looked for on {first['images']} held-out crops; 95 % intervals over sets and images"
        )
        columns = [pl.format("{} [{}, {}]", *(pl.col(f"{name}{end}").round(3) for end in ("", "_low", "_high"))).alias(name)
                   for name in measures]  # fmt: skip
        pieces.append(as_table(rows.select(*shown, *columns)))
        if first["no_box"]:
            pieces.append(f"boxes are not measured: {first['no_box']}\n")
        pieces.append(_verdict(rows))
    return "\n".join(pieces)


def _verdict(rows: pl.DataFrame) -> str:
    rival = rows.filter(pl.col("method").is_in(BASELINES)).sort("distance").row(0, named=True)
    if not rival["distance"]:
        return f"{rival['method']} errs nowhere\n"
    said = [f"best baseline: {rival['method']}, {rival['distance']:.3f}"]
    for method in (RELEASED_NODES, NODES, MIXED_NODES):
        best = rows.filter(method=method).sort("distance").row(0, named=True)
        said.append(
            f"{method} at share {best['share']:g}: {best['distance']:.3f}, {abs(best['less']):.1%} "
            f"{'less' if best['less'] >= 0 else 'more'}; what they save lies in "
            f"[{best['less_low']:.1%}, {best['less_high']:.1%}]"
        )
    return "\n".join(said) + "\n"


def _plan(run: str | Path) -> Plan:
    from filterscope.pipeline.datasets.layout import Dataset

    folder = RunFolder.existing(run)
    plan = folder.plan()
    if "graph" not in plan.options.metrics:
        raise InputError(f"{run} has no explanatory graph; `filterscope graph` learns one")
    left = folder.missing(graph_stages(plan))
    if left:
        raise InputError(
            f"the graph of {run} is not finished ({left} units of work are left); resume its command first"
        )
    if Dataset.open(plan.data, need="landmarks").identity != plan.data_identity:
        raise InputError(f"the data set {plan.data} is not the one that {run} was made from; make the run anew")
    return plan


def _models(plan: Plan, model: str | None) -> list[PlannedModel]:
    names = [item.name for item in plan.models]
    if model is not None and model not in names:
        raise InputError(f"--model {model}: {plan.run} has {', '.join(names)}.{did_you_mean(model, names)}")
    return [item for item in plan.models if model in (None, item.name)]


def _layers(model: PlannedModel, names: Sequence[str] | None) -> list[Layer]:
    layers = graph_layers(model)
    known = [layer.name for layer in layers]
    for name in names or ():
        if name not in known:
            raise InputError(
                f"--layers {name}: {model.name} has graphs of {', '.join(known)}.{did_you_mean(name, known)}"
            )
    return [layer for layer in layers if names is None or layer.name in names]


def _categories(plan: Plan, model: PlannedModel, category: str | None, part: str) -> list[str]:
    """Return the category asked for, or all whose crops have the part."""
    known = graph_categories(plan)
    if category is not None and category not in known:
        raise InputError(
            f"--category {category}: {plan.run} has graphs of {', '.join(known)}.{did_you_mean(category, known)}"
        )
    asked = known if category is None else [category]
    parts = {name: landmarks_of(plan, model, name) for name in asked}
    having = [name for name in asked if part in parts[name]]
    if not having:
        there = sorted({name for names in parts.values() for name in names})
        hint = did_you_mean(part, there)
        listed = f" Parts are: {', '.join(there)}." if there else " Their crops have no landmarks."
        raise InputError(f"--part {part}: no crop of {' or '.join(asked)} has it.{hint}{listed}")
    return having


def _refuse_numbers(shots: int, shares: Sequence[float], most: int, draws: int) -> None:
    if shots < 1 or most < 1 or draws < 1:
        raise InputError(f"--shots {shots} --most {most} --draws {draws}: each must be 1 or more")
    if not shares or not all(0 < share <= 1 for share in shares):
        raise InputError(f"--share {','.join(map(str, shares))}: shares of the nodes lie above 0 and up to 1")


def _refuse_few(parts: PartViews, category: str, part: str, shots: int) -> None:
    images = len(np.unique(parts.image[parts.annotatable]))
    if images < shots:
        raise InputError(
            f"--shots {shots}: only {images} images that the graph of {category} was learned from show its {part} once; "
            "ask for fewer shots, or learn a graph from more images"
        )
    if not len(parts.heldout):
        raise InputError(
            f"no held-out image shows the {part} of a {category} once, so that nothing is left to find it on; "
            "learn the graph with a larger --heldout"
        )


__all__ = ["BASELINES", "DRAWS", "MOST", "NODES", "SHARES", "localization_report", "localize"]
