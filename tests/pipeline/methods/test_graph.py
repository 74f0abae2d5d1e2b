"""Explanatory graphs end to end: a dot that two layers see, the same bits whatever the blocks and workers, clear refusals."""

import json

import networkx as nx
import numpy as np
import polars as pl
import pytest
from PIL import Image

from filterscope import schemas
from filterscope.jobs.findings.export import explanatory_graph, exported
from filterscope.jobs.findings.graph import graph_config
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.graph.dictionary import parse, patterns_per_filter, top_patches, view_heat_map
from filterscope.pipeline.methods.graph.findings import instability_summary
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.views.decode import view_files
from tests import planted
from tests.planted.dots import ANIMALS, GRAPH, LOWER, UPPER, write_animals

TABLES = ("graph_nodes", "graph_edges", "graph_candidates", "node_positions", "node_instability", "graph_summary")


@pytest.fixture(scope="module")
def animals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("animals") / "data"
    write_animals(folder)
    return folder


@pytest.fixture(scope="module")
def run(audited, animals):
    return audited(data=animals, **GRAPH, unit_block=2, actors=0)


def rows(run, table):
    return schemas.scan(run, table).collect()


def test_nodes_follow_the_dot_on_images_that_were_held_out(run):
    found = rows(run, "node_instability").filter(
        pl.col("survives"), layer=UPPER, unit=0, protocol="survey", landmark="dot"
    )
    assert found.height
    best = found.sort("instability").row(0, named=True)
    assert best["images"] >= 10
    assert best["tracking"] > 0.8
    assert best["beats_controls"]
    heldout = rows(run, "node_positions").filter("heldout")["view"].unique()
    views = rows(run, "views").filter(pl.col("view").is_in(heldout.implode()))
    assert best["images"] == views["image"].n_unique()


def test_views_without_their_landmark_are_counted_as_dropped(audited, tmp_path):
    unmarked, twice = {0, 5, 10, 15, 20, 25, 30, 35, 40}, {1, 11, 21, 31, 41}
    write_animals(tmp_path / "data", unmarked=unmarked, twice=twice)
    run = audited(data=tmp_path / "data", **GRAPH, actors=0)
    plain = rows(run, "views").filter(~pl.col("flip")).select("view", "image")
    fires = rows(run, "node_positions").filter("heldout", pl.col("score") > 0).join(plain, on="view")
    found = rows(run, "node_instability")
    assert found["dropped"].max() > 0
    for row in found.filter(pl.col("node").is_not_null()).iter_rows(named=True):
        views = fires.filter(layer=row["layer"], unit=row["unit"], node=row["node"])
        if row["protocol"] == "explanatory-graph":
            views = views.sort(-pl.col("score"), "view").head(20)
        bad = views["image"].is_in(list(unmarked | twice))
        assert (row["images"], row["dropped"]) == ((~bad).sum(), bad.sum()), row
    heldout = rows(run, "node_positions").filter("heldout").join(plain, on="view")["image"].unique()
    bad = heldout.is_in(list(unmarked | twice))
    whole = found.filter(pl.col("node").is_null(), unit=0, protocol="survey")
    assert whole.select("images", "dropped").unique().rows() == [((~bad).sum(), bad.sum())]


def test_summary_counts_what_the_tables_hold(run):
    nodes = rows(run, "graph_nodes")
    for row in rows(run, "graph_summary").iter_rows(named=True):
        mine = nodes.filter(layer=row["layer"])
        assert row["filters"] == 3
        assert row["silent"] == 3 - mine["unit"].n_unique() == 1
        assert row["nodes"] == mine["merged_into"].is_null().sum()
        assert row["surviving"] == mine["survives"].sum() > 0
        assert 0 < row["explained_by_surviving"] <= row["explained"] <= 1
        views = rows(run, "node_positions").filter(layer=row["layer"])["view"].n_unique()
        assert row["learning_views"] + row["heldout_views"] == views == 2 * ANIMALS


def test_every_node_that_stands_for_itself_has_a_position_on_every_view(run):
    keys = ["layer", "unit", "node"]
    counted = rows(run, "node_positions").group_by(keys).len().sort(keys)
    alone = rows(run, "graph_nodes").filter(pl.col("merged_into").is_null()).select(keys).sort(keys)
    assert counted.select(keys).equals(alone)
    assert (counted["len"] == 2 * ANIMALS).all()


def test_edges_lead_to_candidates_of_the_layer_above(run):
    edges, above = rows(run, "graph_edges"), rows(run, "graph_candidates")
    assert edges.height
    assert set(edges["layer"]) == {LOWER}
    assert set(edges["upper_layer"]) == {UPPER} == set(above["layer"])
    named = set(above.select("unit", "node").iter_rows())
    assert set(edges.select("upper_unit", "upper_node").iter_rows()) <= named
    weights = edges.group_by("unit", "node").agg(pl.col("weight").sum(), pl.len())
    assert weights["weight"].to_numpy() == pytest.approx(1)
    assert (weights["len"] == min(15, above.height)).all()
    place = rows(run, "graph_nodes").filter(layer=LOWER)
    first = edges.row(0, named=True)
    node = place.filter(unit=first["unit"], node=first["node"]).row(0, named=True)
    upper = rows(run, "graph_nodes").filter(layer=UPPER, unit=first["upper_unit"], node=first["upper_node"])
    assert first["displacement_y"] == pytest.approx(node["mean_y"] - upper["mean_y"][0], abs=1e-4)


@pytest.mark.slow
def test_results_do_not_depend_on_blocks(audited, animals, run):
    other = audited(data=animals, **GRAPH, unit_block=1, image_block=7)
    for table in TABLES:
        assert rows(other, table).equals(rows(run, table)), table


def test_one_worker_writes_the_bytes_that_several_wrote(run):
    folder = RunFolder(run)
    written = {record["key"]: record["checksums"] for record in folder.ledger.all_records()}
    done = 0
    for stage in Stages(folder.plan()).analyses("planted"):
        for work in reversed(list(stage.group(stage.keys))):
            (output,) = stage.steps[0].call(work.task)
            assert output.checksums == written[output.key.text]
            done += 1
    assert done == 8  # two blocks of each layer, candidates of the upper one, a summary of each, its part nodes


def test_a_finished_run_has_a_row_a_layer_and_landmark(run):
    for protocol in ("survey", "explanatory-graph"):
        found = instability_summary(run, protocol)
        assert found["layer"].to_list() == [LOWER, UPPER]
        assert (found["nodes"] > 0).all()
        assert (found["node instability"] < found["own"]).all()


def test_the_release_does_not_learn_from_flips(audited, animals, run):
    released = audited(data=animals, **GRAPH, graph_mode="release", actors=0)
    learned = [rows(of, "graph_summary")["learning_views"][0] for of in (released, run)]
    assert 2 * learned[0] == learned[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"views": "image", "negatives": False}, "learns from object crops; add --views objects"),
        ({"graph_heldout": 0.99}, "crops to learn a graph from"),
        ({"layers": "4"}, "maps of 1 x 1: nodes need positions"),
        ({"views": "objects:horse"}, "no object of that category"),
    ],
)
def test_what_cannot_be_learned_is_refused(audited, animals, settings, message):
    with pytest.raises(InputError, match=message):
        audited(data=animals, **{**GRAPH, **settings})


def test_the_verb_takes_negatives_where_there_are_any(animals, tmp_path):
    settings = {"models": GRAPH["models"], "out": tmp_path / "run"}
    assert graph_config(animals, "bird", **settings).negatives
    write_animals(tmp_path / "data", animals=12, negatives=0)
    config = graph_config(tmp_path / "data", None, **settings)
    assert (config.negatives, config.views, config.methods) == (False, "objects", ("graph",))


def test_an_exported_graph_holds_the_nodes_and_edges_of_the_tables(run):
    graph = explanatory_graph(run, "bird")
    assert graph.number_of_nodes() == rows(run, "graph_nodes")["merged_into"].is_null().sum()
    assert graph.number_of_edges() == rows(run, "graph_edges").height
    read = nx.parse_graphml(exported(graph, "graphml"))
    again = nx.node_link_graph(json.loads(exported(graph, "json")), edges="links")
    for other in (read, again):
        assert set(other.nodes) == set(graph.nodes)
        assert set(other.edges) == set(graph.edges)
        name = next(iter(graph.nodes))
        assert other.nodes[name]["mu_y"] == pytest.approx(graph.nodes[name]["mu_y"])


def test_a_part_of_a_graph_is_what_touches_a_node_or_what_an_image_triggers(run):
    graph = explanatory_graph(run, "bird")
    lower = next(name for name in graph if name.startswith(f"{LOWER}/"))
    part = explanatory_graph(run, "bird", node=lower)
    assert set(part) == {lower, *graph.successors(lower)}
    image = rows(run, "views").filter(category="bird", flip=False).row(3, named=True)
    hit = rows(run, "node_positions").filter("triggered", view=image["view"])
    expected = {f"{r['layer']}/{r['unit']}/{r['node']}" for r in hit.iter_rows(named=True)}
    assert set(explanatory_graph(run, "bird", image=image["image"])) == expected
    survivors = explanatory_graph(run, "bird", surviving=True)
    assert survivors.number_of_nodes() == rows(run, "graph_nodes")["survives"].sum()


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"category": "brid"}, "no explanatory graph of 'brid'.*bird"),
        ({"category": "bird", "model": "other"}, "has graphs of planted"),
        ({"category": "bird", "node": "3/9/9"}, "no such node"),
        ({"category": "bird", "image": 10**6}, "no crop of a bird"),
    ],
)
def test_what_is_not_in_a_run_cannot_be_exported(run, chosen, message):
    with pytest.raises(InputError, match=message):
        explanatory_graph(run, **chosen)


def followers(run):
    """Return the surviving node of the upper layer's first unit that tracks the dot best."""
    found = rows(run, "node_instability").filter(pl.col("survives"), layer=UPPER, unit=0, protocol="survey")
    return found.sort("instability")["node"][0]


def test_patches_of_a_node_show_the_dot(run):
    patches = top_patches(run, "bird", UPPER, 0, followers(run), count=5)
    assert [patch.score for patch in patches] == sorted((patch.score for patch in patches), reverse=True)
    for patch in patches:
        y0, x0, y1, x1 = patch.box
        assert patch.pixels.shape == (y1 - y0, x1 - x0, 3)
        assert max(y1 - y0, x1 - x0) <= 6  # the field has 5 pixels
        assert (patch.pixels == (255, 0, 0)).all(axis=2).any()


def test_the_heat_map_of_a_view_is_hottest_at_the_dot(run):
    view = rows(run, "views").filter(category="bird", flip=True).row(5, named=True)["view"]
    heat = view_heat_map(run, "bird", UPPER, view)
    assert heat.shape == (planted.SIZE, planted.SIZE)
    assert heat.max() == 1
    plan = RunFolder(run).plan()
    dataset = Dataset(plan.data)
    path = dataset.path(view_files(dataset, plan.views.image[[view]])[0])
    pixels = plan.models[0].geometry("squash").image(Image.open(path), plan.views.window(view))
    dot = np.argwhere((pixels == (255, 0, 0)).all(axis=2)).mean(axis=0)
    assert np.abs(np.unravel_index(heat.argmax(), heat.shape) - dot).max() <= 4


def test_the_parse_of_a_view_holds_its_triggered_survivors(run):
    view = rows(run, "views").filter(category="bird").row(7, named=True)["view"]
    found = parse(run, "bird", view)
    survivors = rows(run, "graph_nodes").filter("survives")
    expected = rows(run, "node_positions").filter("triggered", view=view).join(survivors, on=["layer", "unit", "node"])
    assert found.height == expected.height > 0
    assert (found.filter(layer=UPPER)["upper"] == 0).all()
    assert found.filter(layer=LOWER)["upper"].max() > 0


def test_patterns_of_filters_are_counted(run):
    found = patterns_per_filter(run, "bird")
    survivors = rows(run, "graph_nodes")["survives"].sum()
    assert (found["patterns"] * found["filters"]).sum() == survivors
    assert found["filters"].sum() == rows(run, "graph_nodes").select("layer", "unit").n_unique()


def test_a_merged_node_has_no_patches(run):
    merged = rows(run, "graph_nodes").filter(pl.col("merged_into").is_not_null()).row(0, named=True)
    with pytest.raises(InputError, match="merged nodes have none"):
        top_patches(run, "bird", merged["layer"], merged["unit"], merged["node"])
