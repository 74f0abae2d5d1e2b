"""The verb `compare`: a comparison of layers as a page, and its tables as Parquet beside it."""

from pathlib import Path

from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.dissection.comparison import Comparison, Side
from filterscope.pipeline.stores.places import is_local


def write_comparison(found: Comparison, out: Path) -> Path:
    """Write a comparison as a page, and its tables as Parquet beside it.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        If `out` holds something else.
    """
    import shutil

    from filterscope.jobs.report.render import HERE, write_page

    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "concepts.parquet").is_file())):
        raise InputError(f"{out} exists and is no comparison; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    shutil.copytree(HERE / "static", out / "static", dirs_exist_ok=True)
    for name in ("sides", "pairs", "concepts", "units", "differences"):
        getattr(found, name).write_parquet(out / f"{name}.parquet")
    highest = max((value for name in found.categories for value in found.sides[name]), default=0)
    write_page(
        out,
        ("index.html",),
        "compare.html",
        names=[side.name for side in found.members],
        sides=found.sides.to_dicts(),
        pairs=found.pairs.to_dicts(),
        concepts=found.concepts.to_dicts(),
        units=[
            (number, found.units.filter(side=side.name).to_dicts())
            for number, side in enumerate(found.members)
            if side.name in found.units["side"]
        ],
        differences=found.differences.to_dicts(),
        categories=found.categories,
        highest=max(highest, 1),
        narrowest=found.sides["units"].min(),
        links=[_link(side, out) for side in found.members],
        cutoff=DETECTOR_IOU,
    )
    return out / "index.html"


def _link(side: Side, out: Path) -> str | None:
    """Return where the report of a side's layer lies from `out`, None where there is no report."""
    import os

    from filterscope.jobs.report.place import layer_place
    from filterscope.jobs.report.render import url

    page = side.run.joinpath("report", *layer_place(side.model, side.layer))
    if not is_local(page) or not page.exists():
        return None
    return "/".join(url(part) for part in Path(os.path.relpath(page.absolute(), out.absolute())).parts)


__all__ = ["write_comparison"]
