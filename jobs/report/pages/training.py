"""The page of a training: how each measure went, epoch by epoch, beside its control."""

import base64
import io
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from filterscope import schemas
from filterscope.jobs.report.render import HERE, write_page
from filterscope.jobs.report.sections.charts import Lines, Series, lines
from filterscope.jobs.report.sections.lines import COLOURS
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.training.findings import controls, last
from filterscope.pipeline.training.folder import TrainingFolder
from filterscope.pipeline.training.recipe import HELDOUT, TRAIN

OWN = ("training", "filter_categories", "training_comparison", "generated")
#: Networks that have figures, and labels that are listed of each.
FIGURES, LABELS = 24, 200


@dataclass(frozen=True)
class Network:
    """One training as the page shows it: its name, what it starts from, its figures, and the last measure of each label."""

    name: str
    subject: str
    seed: int
    figures: list[Lines]
    labels: list[dict[str, object]]
    made: list["Made"]


@dataclass(frozen=True)
class Made:
    """Pictures that a generator makes along a code, as one: address, size in pixels, first and last value of the code."""

    code: str
    picture: str
    width: int
    height: int
    first: float
    last: float


def write_training(folder: TrainingFolder, out: Path | None = None) -> Path:
    """Write the page of a training.

    Raises
    ------
    InputError
        If no epoch is done, or `out` holds something else.
    """
    site = out or folder.path / "report"
    if site.exists() and (not site.is_dir() or (any(site.iterdir()) and not (site / "static").is_dir())):
        raise InputError(f"{site} exists and is no report; choose another --out")
    rows = schemas.scan_training(folder.path).collect()
    if rows.is_empty():
        raise InputError(f"no epoch of {folder.path} is done, so there is nothing to show")
    site.mkdir(parents=True, exist_ok=True)
    shutil.copytree(HERE / "static", site / "static", dirs_exist_ok=True)
    made = _made(folder.path)
    networks, ends = list(_networks(rows, made)), last(folder.path)
    shown = networks[:FIGURES]
    write_page(
        site,
        ("index.html",),
        "training.html",
        networks=shown,
        count=len(networks),
        last=ends.to_dicts(),
        controls=controls(ends),
        twins=schemas.scan_training_comparison(folder.path).filter(pl.col("seed").is_null()).collect().to_dicts(),
        filters=_filters(folder.path),
    )
    return site / "index.html"


def _filters(run: Path) -> list[dict[str, object]]:
    """Return how many filters of each network stand for each category, and their median margin."""
    rows = schemas.scan_filter_categories(run).group_by("model", "category")
    return rows.agg(filters=pl.len(), margin=pl.col("margin").median()).sort("model", "category").collect().to_dicts()


def _made(run: Path) -> dict[str, list[Made]]:
    """Return pictures along the codes of each generator."""
    found: dict[str, list[Made]] = {}
    rows = schemas.scan_generated(run).sort("model", "code", "row", "step").collect()
    for (name, code), mine in rows.group_by("model", "code", maintain_order=True):
        steps, side = mine["step"].n_unique(), (mine["height"][0], mine["width"][0])
        tiles = np.stack([np.frombuffer(data, np.uint8).reshape(side) for data in mine["picture"]])
        tiles = np.pad(tiles, ((0, 0), (1, 1), (1, 1)), constant_values=128).reshape(
            -1, steps, side[0] + 2, side[1] + 2
        )
        mosaic = tiles.swapaxes(1, 2).reshape(len(tiles) * (side[0] + 2), -1)
        height, width = mosaic.shape
        found.setdefault(str(name), []).append(
            Made(str(code), _address(mosaic), 2 * width, 2 * height, mine["value"].min(), mine["value"].max())
        )
    return found


def _address(grey: np.ndarray) -> str:
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(grey).save(sink, "PNG")
    return f"data:image/png;base64,{base64.b64encode(sink.getvalue()).decode()}"


def _networks(rows: pl.DataFrame, made: Mapping[str, list[Made]]) -> Iterator[Network]:
    for (name, subject, seed), mine in rows.sort("model", "epoch").group_by(
        "model", "subject", "seed", maintain_order=True
    ):
        whole = mine.filter(pl.col("label").is_null())
        figures = [_figure(metric, part) for (metric,), part in whole.group_by("metric", maintain_order=True)]
        labels = mine.filter(pl.col("label").is_not_null(), pl.col("epoch") == pl.col("epoch").max())
        gained = labels.with_columns(gain=pl.col("value") - pl.col("control")).sort(
            "gain", "label", descending=[True, False]
        )
        yield Network(
            str(name),
            str(subject),
            int(str(seed)),
            [one for one in figures if one],
            gained.head(LABELS).to_dicts(),
            made.get(str(name), []),
        )


def _figure(metric: str, rows: pl.DataFrame) -> Lines | None:
    """Draw a measure of held-out and of training images against the epochs, and its control."""
    epochs = rows["epoch"].unique().sort()
    if len(epochs) < 2:
        return None

    def along(split: str, column: str) -> list[float | None]:
        found = dict(rows.filter(pl.col("split") == split).select("epoch", column).iter_rows())
        return [found.get(epoch) for epoch in epochs]

    drawn = {"held out": along(HELDOUT, "value"), "train": along(TRAIN, "value"), "control": along(HELDOUT, "control")}
    series = [
        Series(name, colour, values, ["" if v is None else f"{v:.3f}" for v in values], dashed=name == "control")
        for (name, values), colour in zip(drawn.items(), COLOURS, strict=False)
        if any(value is not None for value in values)
    ]
    return lines(metric, "epoch", epochs.cast(pl.Float64).to_list(), [str(epoch) for epoch in epochs], series)


__all__ = ["FIGURES", "OWN", "write_training"]
