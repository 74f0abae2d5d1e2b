"""The page of a zoo: measures of many networks against depth, epoch, accuracy, size and year, each beside its control."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from filterscope.jobs.report.place import ReportPlace
from filterscope.jobs.report.render import HERE, significant, write_page
from filterscope.jobs.report.sections.charts import Lines, Series, lines
from filterscope.jobs.report.sections.lines import COLOURS
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.comparison.zoo import AGAINST, LEAST, Zoo, zoo
from filterscope.schemas.opening import files_under

#: Result tables of a run that its own page is made of.
OWN = (
    "models",
    "units",
    "unit_concept",
    "unit_significance",
    "layer_significance",
    "location_instability",
    "outputs",
    "classes",
)
#: Name of the page.
PAGE = "zoo.html"
#: What stands below an axis.
_AXES = {
    "depth": "depth among the audited layers, 0 the first", "epoch": "epoch", "parameters": "parameters", "year": "year",
    "accuracy": "accuracy of its outputs", "published_top1": "published top-1 accuracy, %",
}  # fmt: skip

Drawn = tuple[str, str, Lines]


def write_zoo(found: Zoo, out: Path) -> Path:
    """Write the page of a zoo into a folder of its own, and its tables as Parquet beside it; return the page.

    Raises
    ------
    InputError
        If `out` holds something else.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "zoo.parquet").is_file())):
        raise InputError(f"{out} exists and is no zoo; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    shutil.copytree(HERE / "static", out / "static", dirs_exist_ok=True)
    found.table.write_parquet(out / "zoo.parquet")
    found.correlations.write_parquet(out / "zoo_correlations.parquet")
    return write_zoo_page(found, out, "index.html")


def write_zoo_page(found: Zoo, site: Path, name: str = PAGE) -> Path:
    """Write the page of a zoo alone; return it."""
    shown, models = found.controlled, found.table["model"].n_unique()
    left = sorted(set(found.table["measure"]) - set(shown["measure"]))
    write_page(
        site,
        (name,),
        "zoo.html",
        report=name == PAGE,
        models=models,
        correlations=found.correlations.sort("q", "measure", "against").to_dicts(),
        by_chance=0.05 * found.correlations.height,
        beyond=found.correlations.filter(pl.col("q") <= 0.05).height,
        across=list(_across(shown)),
        checkpoints=list(_checkpoints(shown)),
        depths=list(_depths(shown)),
        left=left,
        unknown=found.unknown,
        compared=shown.filter("compared").drop_nulls("layer")["layer"].unique().sort().to_list(),
    )
    return site / name


def has_page(where: ReportPlace) -> bool:
    """Tell whether the report of a run has the page: there are enough models, and every layer of each was dissected."""
    models = where.plan.models
    known = (
        files_under(where.plan.run, "tables", "units", f"model={m.name}", f"layer={n.name}")
        for m in models
        for n in m.layers
    )
    return len(models) >= LEAST and all(known)


def write_of_run(where: ReportPlace, _: None = None) -> int:
    """Write the page of the models of one run into its report."""
    write_zoo_page(zoo([where.plan.run]), where.site)
    return 1


def _across(shown: pl.DataFrame) -> Iterator[Drawn]:
    """Yield each measure against each number of a network."""
    for (measure,), rows in shown.filter("compared").group_by("measure", maintain_order=True):
        for against in AGAINST:
            if against != measure:
                yield from _figure(str(measure), against, rows, "", joined=False)


def _checkpoints(shown: pl.DataFrame) -> Iterator[Drawn]:
    """Yield each measure over the epochs of each training."""
    known = shown.filter("compared").drop_nulls("epoch")
    for (training, measure), rows in known.group_by("training", "measure", maintain_order=True):
        yield from _figure(str(measure), "epoch", rows, str(training), joined=True)


def _depths(shown: pl.DataFrame) -> Iterator[Drawn]:
    for (measure,), rows in shown.drop_nulls("depth").group_by("measure", maintain_order=True):
        yield from _figure(str(measure), "depth", rows, "", joined=False)


def _figure(measure: str, against: str, rows: pl.DataFrame, of: str, *, joined: bool) -> Iterator[Drawn]:
    known = rows.drop_nulls(against).sort(against, "model")
    if known["model"].n_unique() < LEAST or known[against].n_unique() < 2:
        return
    series = [
        Series(
            name, COLOURS[n], known[name].to_list(), [significant(v) for v in known[name]], dashed=n == 1, joined=joined
        )
        for n, name in enumerate(("value", "control"))
    ]
    places, texts = known[against].cast(pl.Float64).to_list(), [f"{v:.12g}" for v in known[against]]
    drawn = lines(measure, _AXES[against], places, texts, series, measure)
    yield measure, of, drawn


__all__ = ["OWN", "PAGE", "has_page", "write_of_run", "write_zoo", "write_zoo_page"]
