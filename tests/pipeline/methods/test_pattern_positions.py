"""Nodes and patterns on the same held-out crops, end to end: what is compared, that blocks do not matter, what is refused."""

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs.findings.graph import graph_config, graph_report
from filterscope.operators.location.location_instability import c4
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.pattern_positions.findings import nodes_beside_patterns
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.views.sightings import open_sightings
from tests import naive
from tests.audits import audit_here
from tests.planted.dots import GRAPH, UPPER, write_animals

METRICS = {**GRAPH, "metrics": "graph,pattern-positions", "quantile": 0.02, "layers": UPPER}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("animals") / "data"
    write_animals(folder)
    return folder


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("beside") / "run", data=data, **METRICS)


def held_out(run):
    nodes = schemas.scan_node_positions(run).filter("heldout").select("view").unique()
    return schemas.scan_views(run).join(nodes, on="view").filter(~pl.col("flip")).sort("view").collect()["view"]


def test_patterns_lie_at_their_strongest_peak_and_filters_at_their_maximum(run):
    views, found = held_out(run), schemas.scan_pattern_positions(run).collect()
    plan = RunFolder(run).plan()
    layer = plan.models[0].layers[0]
    maps = ActivationStore(run, "planted", UPPER).read(0, plan.view_count, slice(0, 3))
    learned = schemas.scan_node_positions(run).filter(~pl.col("heldout"))
    learned = learned.select("view").unique().sort("view").collect()["view"].to_numpy()

    def place(position):
        cell = np.array(divmod(position, layer.width))
        return (np.asarray(layer.field.centre) + cell * np.asarray(layer.field.stride)).tolist()

    for unit in (0, 1):
        mine = found.filter(unit=unit)
        assert mine.filter(pl.col("pattern").is_null())["view"].to_list() == views.to_list()
        threshold = np.quantile(maps[learned, unit].astype(float), 0.98, method="inverted_cdf")
        peaks = {view: naive.activations.local_maxima(maps[view, unit][None], threshold) for view in views}
        for row in mine.filter(pl.col("pattern").is_null()).iter_rows(named=True):
            values = maps[row["view"], unit]
            expected = place(values.argmax()) if values.max() > values.min() else [None, None]
            assert [row["y"], row["x"], row["activation"]] == [*expected, values.max()]
        patterns = mine.filter(pl.col("pattern").is_not_null())
        if unit == 1:  # the stride passes over half of the dots
            assert patterns.is_empty()
            continue
        assert patterns["pattern"].n_unique() * len(views) == patterns.height > 0
        for row in patterns.iter_rows(named=True):
            there = [(place(position), value) for _, position, value in peaks[row["view"]]]
            if row["activation"] is not None:
                assert ([row["y"], row["x"]], row["activation"]) in there
        strongest = patterns.group_by("view").agg(pl.col("activation").max()).sort("view")["activation"].to_list()
        assert strongest == [peaks[view][0][2] if peaks[view] else None for view in views]
    assert found.filter(unit=2, pattern=0).is_empty()  # it never fires


def test_nodes_and_patterns_are_measured_on_the_same_crops(run):
    found = nodes_beside_patterns(run).row(0, named=True)
    views, plan = held_out(run).to_numpy(), RunFolder(run).plan()
    geometry = plan.models[0].geometry(plan.options.geometry)
    sightings = open_sightings(plan.data, plan.data_identity, plan.options.view_settings, geometry)
    dot = sightings.places(0, views)
    survivors = schemas.scan_graph_nodes(run).filter("survives").select("unit", "node").collect()
    nodes = schemas.scan_node_positions(run).collect().join(survivors, on=["unit", "node"])
    positions = schemas.scan_pattern_positions(run).collect()
    units = sorted(set(survivors["unit"]) & set(positions.filter(pl.col("pattern").is_not_null())["unit"]))

    def instability(rows):
        apart = rows.sort("view").select("y", "x").to_numpy().astype(float) - dot
        return np.std(np.linalg.norm(apart, axis=1) / np.hypot(*geometry.size), ddof=1) / c4(len(dot))

    def mean(rows, number):
        parts = rows.filter(pl.col("view").is_in(views.tolist())).partition_by("unit", number)
        by_unit = {unit: [instability(part) for part in parts if part["unit"][0] == unit] for unit in units}
        return np.mean([np.mean(values) for values in by_unit.values()])

    assert (found["filters"], found["crops"]) == (len(units), len(views))
    assert len(units) > 0
    patterns = positions.filter(pl.col("pattern").is_not_null())
    assert found["raw"] == pytest.approx(mean(positions.filter(pl.col("pattern").is_null()), "pattern"))
    assert found["patterns"] == pytest.approx(mean(patterns, "pattern"))
    assert found["nodes"] == pytest.approx(mean(nodes, "node"))
    assert found["less"] == pytest.approx(1 - found["nodes"] / found["patterns"])
    assert found["less_low"] <= found["less"] <= found["less_high"]
    assert found["patterns"] < found["patterns' own mean"]
    shares = (
        patterns.filter(pl.col("unit").is_in(units)).group_by("unit").agg(pl.col("activation").is_not_null().mean())
    )
    assert found["peaks"] == pytest.approx(shares["activation"].mean())
    assert "Surviving nodes and patterns of the same filters" in graph_report(run)


@pytest.mark.parametrize("blocks", [{"image_block": 7}, {"unit_block": 2}])
def test_positions_do_not_depend_on_blocks(run, data, tmp_path, blocks):
    other = audit_here(tmp_path / "run", data=data, **{**METRICS, "metrics": "pattern-positions"}, **blocks)
    keys = ["unit", "pattern", "view"]
    one, two = (schemas.scan_pattern_positions(which).sort(keys).collect() for which in (run, other))
    assert one.height > 0
    assert one.equals(two)
    assert nodes_beside_patterns(other).is_empty()  # it has no nodes


def test_the_verb_asks_for_patterns_on_request(data, tmp_path):
    settings = {"models": GRAPH["models"], "out": tmp_path / "run"}
    assert graph_config(data, "bird", patterns=True, **settings).methods == ("graph", "pattern-positions")
    assert graph_config(data, "bird", **settings).methods == ("graph",)


def test_whole_images_are_refused(data, tmp_path):
    settings = {**METRICS, "metrics": "pattern-positions", "views": "image", "negatives": False}
    with pytest.raises(InputError, match="learns from object crops"):
        audit_here(tmp_path / "run", data=data, **settings)
