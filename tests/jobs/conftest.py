"""A run whose names try to break a page, and its report."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES
from tests import planted
from tests.audits import audit_here
from tests.jobs.report.pages import written_here
from tests.planted.hostile import CATEGORY, LANDMARK, write_hostile, write_hostile_dots


def write_fields(run: Path) -> None:
    """Write an empirical field of unit 0 of layer 1, as the metric receptive-field would."""
    row = {"model": "planted", "layer": "1", "unit": 0, "theoretical_size": 3.0, "theoretical_area": 9.0}
    row |= {"empirical_size": 5.0, "empirical_area": 25, "offset_y": 1.0, "offset_x": 0.0}
    row |= {"images": 2, "occluder": 5, "step": 3}
    table = pa.Table.from_pylist([row], schema=TABLES["receptive_fields"])
    write_table(run, "receptive_fields", ("planted", "1", "units-000000"), [table])


def write_localization(run: Path) -> None:
    """Write how a part was localised with nodes and by the best baseline, as `localize` would."""
    trial = {"model": "planted", "category": CATEGORY, "part": LANDMARK, "layers": "3,1", "shots": 2, "draws": 4}
    trial |= {"images": 19, "no_box": "the data set marks it as a point"}
    spans = {f"{name}_{end}": value for name in ("distance", "less") for end, value in (("low", 0.01), ("high", 0.9))}
    nodes = {"method": "nodes", "share": 0.01, "nodes": 1, "distance": 0.0251, "less": 0.7514, **spans}
    mean = {"method": "mean position", "distance": 0.1012, "distance_low": 0.08, "distance_high": 0.12}
    rows = pa.Table.from_pylist([{**trial, **nodes}, {**trial, **mean}], schema=TABLES["part_localization"])
    write_table(run, "part_localization", ("planted", "trial"), [rows])


def write_edits(run: Path) -> None:
    """Write what a person decided of two nodes and what that did, as `apply` would."""
    asked = {
        "model": "planted",
        "category": CATEGORY,
        "part": LANDMARK,
        "layers": "3,1",
        "shots": 2,
        "share": 0.02,
        "draw": 0,
    }
    made = {"fingerprint": "0123456789abcdef", "node": "3/0/0", "decision": "remove", "seconds": 2.5}
    decided = [{**asked, **made, "order": 1}, {**asked, **made, "order": 2, "node": "3/1/0", "decision": "keep"}]
    spans = {f"{name}_{end}": value for name in ("distance", "less") for end, value in (("low", 0.01), ("high", 0.9))}
    found = {**asked, **spans, "nodes": 7, "images": 19}
    rows = [
        {**found, "method": "before", "removed": 0, "distance": 0.1512, "less": 0.0},
        {**found, "method": "after", "removed": 1, "distance": 0.1234, "less": 0.1839, "decisions": 2, "seconds": 5.0},
        {**found, "method": "random removal", "removed": 1, "distance": 0.1601, "less": -0.0589},
    ]
    for name, own in (("edit_decisions", decided), ("edited_localization", rows)):
        write_table(run, name, ("planted", "trial"), [pa.Table.from_pylist(own, schema=TABLES[name])])


@pytest.fixture(scope="session")
def hostile_run(audited: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of whole images with every table but those of graphs, on hostile names."""
    folder = tmp_path_factory.mktemp("hostile") / "data"
    write_hostile(folder)
    network = planted.entry("network")
    run = audited(
        data=folder,
        models=[network],
        layers="0,1",
        quantile=0.1,  # half of the images has no more positions above zero
        min_images=3,
        unit_block=2,
        metrics="dissection,anchorings,stability,growth,significance,location,parts,patterns",
    )
    write_fields(run)
    return run


@pytest.fixture(scope="session")
def site(hostile_run: Path) -> Path:
    """Its report, written in this process."""
    return written_here(hostile_run, hostile_run / "report")


@pytest.fixture(scope="session")
def graph_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with units and an explanatory graph of two layers, on hostile names."""
    place = tmp_path_factory.mktemp("dots")
    write_hostile_dots(place / "data")
    network = planted.entry("two_layers")
    settings = {"layers": "1,3", "views": "objects", "flips": True, "graph_iterations": 4, "quantile": 0.05}
    settings |= {"min_images": 3, "unit_block": 2, "metrics": "dissection,graph,patterns,pattern-positions"}
    run = audit_here(place / "run", data=place / "data", models=[network], **settings)
    write_localization(run)
    write_edits(run)
    return run


@pytest.fixture(scope="session")
def graph_site(graph_run: Path) -> Path:
    """Its report, written in this process."""
    return written_here(graph_run, graph_run / "report")
