"""Parts are found from a few annotated images: a planted dot, the table that says how well, clear refusals."""

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from filterscope import schemas
from filterscope.jobs.config.audit import load_config
from filterscope.jobs.findings.localize import localization_report, localize
from filterscope.jobs.runs.audit import planned
from filterscope.jobs.runs.doctor import examine
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.localize.trial import BASELINES
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here
from tests.planted.dots import write_birds

NETWORK = planted.entry("two_layers")


SETTINGS = {
    "models": [NETWORK],
    "layers": "1,3",
    "metrics": "graph",
    "views": "objects:bird",
    "flips": True,
    "negatives": True,
    "graph_iterations": 3,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("birds") / "data"
    write_birds(folder)
    return folder


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("run") / "run", data=data, **SETTINGS)


@pytest.fixture(scope="module")
def found(run):
    return localize(run, "above", shots=3, shares=[0.1, 0.5], draws=6)


def test_votes_and_filters_find_the_planted_place_and_its_mean_does_not(found):
    error = dict(found.group_by("method").agg(pl.col("distance").min()).iter_rows())
    pixel = 1 / np.hypot(planted.SIZE, planted.SIZE)
    assert error["mean position"] > 3 * pixel
    assert error["best filter"] < 1.5 * pixel
    assert error["nodes"] < 1.5 * pixel
    nodes = found.filter(method="nodes")
    constant = found.filter(method="mean position").row(0, named=True)
    assert (nodes["inside"] > constant["inside"] + 0.4).all()
    assert (nodes["detected"] > constant["detected"] + 0.2).all()


def test_every_row_holds_its_intervals_and_what_was_tried(found, run):
    assert found["method"].to_list() == [
        *BASELINES,
        *2 * ["nodes as released", "nodes", "nodes mixed", "nodes squared mixed"],
    ]
    for name in ("distance", "detected", "inside"):
        assert ((found[f"{name}_low"] <= found[name]) & (found[name] <= found[f"{name}_high"])).all()
    nodes = schemas.scan_graph_nodes(run).filter(pl.col("merged_into").is_null()).collect().height
    counts = [max(1, round(share * nodes)) for share in 4 * (0.1,) + 4 * (0.5,)]
    assert found["nodes"].to_list() == [None] * 4 + counts
    held = schemas.scan_node_positions(run).filter("heldout").select("view").unique().collect()
    views = schemas.scan_views(run).filter(~pl.col("flip")).join(held.lazy(), on="view").collect()
    assert set(found["images"]) == {views.height}
    assert found["layers"].unique().to_list() == ["3,1"]
    best = found.filter(pl.col("method").is_in(BASELINES))["distance"].min()
    for row in found.iter_rows(named=True):
        expected = None if row["method"] in BASELINES else 1 - row["distance"] / best
        assert row["less"] == (None if expected is None else pytest.approx(expected))
    assert found["no_box"].null_count() == found.height


def test_the_table_is_written_and_a_rerun_gives_the_same_bytes(run, found):
    assert schemas.scan_part_localization(run).collect().equals(found)
    (file,) = (run / "tables" / "part_localization").rglob("*.parquet")
    before = file.read_bytes()
    localize(run, "above", shots=3, shares=[0.1, 0.5], draws=6)
    assert file.read_bytes() == before
    localize(run, "above", shots=2, shares=[0.5], draws=2, layers=["3"])
    rows = schemas.scan_part_localization(run).collect()
    assert rows.height == found.height + 8
    assert pq.read_table(file).num_rows == found.height
    assert examine(run) == []


def test_the_report_says_how_far_nodes_are_from_the_best_baseline(found):
    text = localization_report(found)
    assert "above of bird, planted 3,1: 3 annotated images in 6 random sets" in text
    assert "best baseline: best filter" in text
    worse = found.with_columns(pl.when(pl.col("method").is_in(BASELINES)).then(None).otherwise(-0.5).alias("less"))
    assert "50.0% more" in localization_report(worse)


def test_points_have_distances_alone(tmp_path):
    write_birds(tmp_path / "data", boxes=False)
    run = audit_here(tmp_path / "run", data=tmp_path / "data", **SETTINGS)
    found = localize(run, "above", shares=[0.5], draws=2)
    assert found["detected"].null_count() == found["inside_high"].null_count() == found.height
    assert found["no_box"].str.contains("marks it as a point").all()
    assert "boxes are not measured: the data set marks it as a point" in localization_report(found)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"part": "abov"}, "no crop of bird has it. Did you mean 'above'"),
        ({"part": "wheel"}, "Parts are: above, rare"),
        ({"part": "rare"}, "only [01] images that the graph of bird was learned from show its rare once"),
        ({"part": "above", "shots": 100}, "ask for fewer shots"),
        ({"part": "above", "shots": 0}, "--shots: received 0; expected greater than or equal to 1"),
        ({"part": "above", "draws": 0}, "--draws: received 0; expected greater than or equal to 1"),
        ({"part": "above", "shares": [1.5]}, "--shares: received 1.5; expected less than or equal to 1"),
        ({"part": "above", "shares": [0.0]}, "--shares: received 0.0; expected greater than 0"),
        ({"part": "above", "shot": 3}, "unknown option 'shot' of localize. Did you mean 'shots'"),
        ({"part": "above", "category": "brid"}, "has graphs of bird. Did you mean"),
        ({"part": "above", "model": "other"}, "has planted"),
        ({"part": "above", "layers": ["5"]}, "planted has graphs of 3, 1"),
    ],
)
def test_what_cannot_be_localised_is_refused(run, wrong, message):
    with pytest.raises(InputError, match=message):
        localize(run, **wrong)


def test_a_run_without_a_graph_or_with_an_unfinished_one_is_refused(data, run, tmp_path):
    with pytest.raises(InputError, match="no run at"):
        localize(tmp_path / "none", "above")
    settings = {**SETTINGS, "metrics": "location"}
    settings.pop("graph_iterations")
    for name, asked in (("other", settings), ("begun", SETTINGS)):
        plan = planned(load_config(out=tmp_path / name, data=data, **asked))
        RunFolder(tmp_path / name).record({}, plan, [])
    with pytest.raises(InputError, match="has no explanatory graph; `filterscope graph` learns one"):
        localize(tmp_path / "other", "above")
    with pytest.raises(InputError, match="is not finished"):
        localize(tmp_path / "begun", "above")


def test_an_empty_held_out_split_is_refused(data, tmp_path):
    run = audit_here(tmp_path / "run", data=data, **SETTINGS, graph_heldout=0.0)
    with pytest.raises(InputError, match="no held-out image shows the above of a bird"):
        localize(run, "above")
