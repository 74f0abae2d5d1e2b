"""Pages of explanatory graphs: their numbers, patches and parses are those of the tables and of the dictionary."""

import itertools
import shutil

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

from filterscope import schemas
from filterscope.jobs.report.pages.graph import PARSES, TIES, ranked, read_graph, steps_of
from filterscope.jobs.report.render import number, slug
from filterscope.jobs.report.sections.graph_pictures import PATCHES, SIDE
from filterscope.pipeline.methods.graph.dictionary import parse, top_patches
from filterscope.pipeline.methods.significance.findings import labels
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES
from tests.audits import unpromised
from tests.jobs.report.pages import Page, called, written_here
from tests.planted.hostile import CATEGORY, CONCEPT

NAME = slug(CATEGORY)
KEY = ["layer", "unit", "node"]


@pytest.fixture(scope="module")
def data(graph_site):
    (found,) = called(graph_site / "g" / "planted" / f"{NAME}.js")
    return found


@pytest.fixture(scope="module")
def nodes(graph_run):
    return schemas.scan_graph_nodes(graph_run).filter(pl.col("merged_into").is_null()).collect()


def key(data, place):
    node = data["nodes"][place]
    return data["layers"][node["layer"]]["name"], node["unit"], node["node"]


def test_nodes_of_the_page_are_surviving_nodes_of_the_table(data, nodes, graph_site):
    assert [layer["name"] for layer in data["layers"]] == ["3", "1"]
    known = {tuple(row[name] for name in KEY): row for row in nodes.to_dicts()}
    for place, node in enumerate(data["nodes"]):
        row = known[key(data, place)]
        assert row["survives"]
        assert [node[name] for name in ("images", "share", "deformation")] == [
            row[name] for name in ("images", "share", "deformation")
        ]
        assert node["mu"] == [row["mu_y"], row["mu_x"]]
    surviving = nodes["survives"].sum()
    assert len(data["nodes"]) == surviving > 2
    text = Page(graph_site / "g" / "planted" / f"{NAME}.html").text
    assert f"Shown are {surviving} of {surviving} surviving nodes" in text
    assert f"0 surviving and {nodes.height - surviving} other nodes are left out" in text


def test_ties_of_the_page_are_edges_of_the_table(data, graph_run):
    edges = schemas.scan_graph_edges(graph_run).collect().to_dicts()
    upper = [f"upper_{name}" for name in KEY]
    known = {(tuple(row[n] for n in KEY), tuple(row[n] for n in upper)): row for row in edges}
    shown = {key(data, place) for place in range(len(data["nodes"]))}
    assert len(data["ties"]) == sum(low in shown and high in shown for low, high in known) > 0
    for low, high, weight, together in data["ties"]:
        row = known[key(data, low), key(data, high)]
        assert (weight, together) == (row["weight"], row["together"])
    for node in data["nodes"]:
        low = key(data, node["place"])
        assert node["outside"] == sum(a == low and b not in shown for a, b in known)


def test_every_picture_draws_the_heaviest_ties_among_its_nodes(data):
    for step in data["steps"]:
        inside = [n for n, (low, high, *_) in enumerate(data["ties"]) if {low, high} <= set(step["places"])]
        for place in step["places"]:
            mine = sorted((n for n in inside if data["ties"][n][0] == place), key=lambda n: -data["ties"][n][2])
            drawn = [n for n in step["ties"] if data["ties"][n][0] == place]
            assert [data["ties"][n][2] for n in drawn] == [data["ties"][n][2] for n in mine[:TIES]]
        assert len(set(map(tuple, step["at"]))) == len(step["places"])
    assert data["steps"][-1]["places"] == list(range(len(data["nodes"])))


def test_smaller_pictures_are_part_of_larger_ones(graph_run, monkeypatch):
    plan = RunFolder(graph_run).plan()
    graph = read_graph(graph_run, plan.models[0], CATEGORY)
    monkeypatch.setattr("filterscope.jobs.report.pages.graph.STEPS", (1, 2, 4, 5, 100))
    steps = [step["places"] for step in steps_of(graph)]
    assert len(steps) > 1
    assert all(set(small) < set(large) for small, large in itertools.pairwise(steps))
    assert steps[-1] == graph.nodes["place"].to_list()
    for layer in ("3", "1"):  # the most used comes first
        assert graph.nodes.filter(pl.col("place").is_in(steps[0]), layer=layer)["rank"].to_list() == [0]


def test_nodes_are_chosen_by_use_and_by_ties_in_turn():
    nodes = pl.DataFrame({"layer": "x", "unit": range(6), "node": 0, "images": [9, 8, 7, 6, 5, 4], "mean_score": 1.0})
    nodes = nodes.with_columns(pl.lit(None, pl.Int32).alias("rank"))
    below = pl.DataFrame({"layer": "x", "unit": [5, 5, 5, 4, 4, 0, 0, 0, 0], "node": 0})
    found = ranked(nodes, below, 5).sort("rank")
    # 0, 1 and 2 are used most; of the others 5 is tied to most nodes below, then 4
    assert found["unit"].to_list() == [0, 5, 1, 4, 2]
    assert found["rank"].to_list() == [0, 1, 2, 3, 4]
    assert found.schema["rank"] == pl.Int32
    assert ranked(nodes, below, 1)["unit"].to_list() == [0]
    assert ranked(nodes, below, 100)["unit"].n_unique() == 6


def test_a_node_is_called_by_a_label_that_stands_alone(data, graph_run, graph_site, tmp_path):
    stand = labels(graph_run).filter(pl.col("standing").is_in(["strong", "tentative"]))
    known = {(row["layer"], row["unit"]): row["concept"] for row in stand.to_dicts()}
    assert len(known) > 0
    for place, node in enumerate(data["nodes"]):
        layer, unit, _ = key(data, place)
        assert node["label"] == known.get((layer, unit))
    run = shutil.copytree(graph_run, tmp_path / "run", ignore=shutil.ignore_patterns("activations.zarr", "report"))
    units = schemas.scan_units(run).collect()
    evidence = units.select("model", "layer", "unit", q_value=pl.lit(0.9), significant=False, label_replicates=False)
    rows = pa.Table.from_pylist(evidence.to_dicts(), schema=TABLES["unit_significance"])
    write_table(run, "unit_significance", ("planted", "1", "units"), [rows])
    (found,) = called(written_here(run, tmp_path / "site") / "g" / "planted" / f"{NAME}.js")
    assert {node["label"] for node in found["nodes"] if node["layer"] == 1} == {None}


def test_a_landmark_names_the_nodes_that_beat_their_controls_by_every_protocol(data, graph_run):
    measured = schemas.scan_node_instability(graph_run).filter(pl.col("node").is_not_null()).collect()
    for place, node in enumerate(data["nodes"]):
        mine = measured.filter(**dict(zip(KEY, key(data, place), strict=True)))
        steady = {
            landmark
            for (landmark,), rows in mine.group_by("landmark")
            if all(row["beats_controls"] for row in rows.to_dicts())
        }
        assert node["landmark"] in (steady or {None})


def test_parses_are_those_of_the_dictionary(data, graph_run):
    assert 1 <= len(data["parses"]) <= PARSES
    assert [len(p["hits"]) for p in data["parses"]] == sorted((len(p["hits"]) for p in data["parses"]), reverse=True)
    shown = {key(data, place) for place in range(len(data["nodes"]))}
    mirrored = schemas.scan_views(graph_run).filter("flip").collect()["view"].to_list()
    for said in data["parses"]:
        found = parse(graph_run, CATEGORY, said["view"])
        assert said["surviving"] == found.height
        hits = {tuple(row[n] for n in KEY): (row["y"], row["x"]) for row in found.to_dicts()}
        assert {key(data, place) for place, _, _ in said["hits"]} == set(hits) & shown
        for place, y, x in said["hits"]:
            assert (y, x) == pytest.approx(hits[key(data, place)], abs=0.06)
        assert said["view"] not in mirrored


def test_patches_are_those_of_the_dictionary(data, graph_run, graph_site):
    place = next(n for n, node in enumerate(data["nodes"]) if node["layer"] == 1)
    layer, unit, node = key(data, place)
    best = top_patches(graph_run, CATEGORY, layer, unit, node, count=2 * PATCHES)
    images = list(dict.fromkeys(patch.image for patch in best))  # a page shows one view of an image
    sheet = np.asarray(Image.open(graph_site / "g" / "planted" / NAME / f"patches-{place}.webp").convert("RGB"), float)
    assert sheet.shape == (SIDE, SIDE * PATCHES, 3)
    assert data["nodes"][place]["patches"] == min(len(images), PATCHES)
    first = Image.fromarray(best[0].pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    assert np.abs(sheet[:, :SIDE] - np.asarray(first, float)).mean() < 6


def test_pages_of_units_list_their_nodes(graph_run, graph_site, nodes):
    mine = nodes.filter(layer="1", unit=0).sort("images", "node", descending=[True, False])
    page = Page(graph_site / "m" / "planted" / "1" / "0.html")
    shown = page.sections["nodes"][1:]
    assert mine.height > 0
    assert [cells[0] for cells in shown] == [CATEGORY] * mine.height
    assert [cells[1] for cells in shown] == [f"node {n}" for n in mine["node"]]
    assert [cells[5] for cells in shown] == [number(value, 3) for value in mine["deformation"]]
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a" and "g/planted" in attributes["href"]]
    assert links[0] == f"../../../g/planted/{NAME}.html#node=1/0/{mine['node'][0]}"
    assert CATEGORY in Page(graph_site / "index.html").text


def test_every_name_is_text_and_every_file_is_there(graph_site):
    page_path = graph_site / "g" / "planted" / f"{NAME}.html"
    page = Page(page_path)
    assert CATEGORY in page.text
    assert CONCEPT in page.text
    assert not {tag for tag, _ in page.tags} & {"i", "em", "img"}
    scripts = [attributes["src"] for tag, attributes in page.tags if tag == "script"]
    assert len(scripts) == 11
    for file in scripts:
        assert (page_path.parent / file).is_file()
    assert (graph_site / "static" / "cytoscape.LICENSE").read_text().startswith("Copyright")
    weight = page_path.stat().st_size + sum((page_path.parent / file).stat().st_size for file in scripts)
    assert weight < 1_000_000


def test_a_large_graph_is_cut_and_says_what_is_left_out(graph_run):
    plan = RunFolder(graph_run).plan()
    whole = read_graph(graph_run, plan.models[0], CATEGORY)
    cut = read_graph(graph_run, plan.models[0], CATEGORY, most=4)
    assert [layer["shown"] for layer in cut.layers] == [2, 2]
    assert [layer["surviving"] for layer in cut.layers] == [layer["surviving"] for layer in whole.layers]
    for layer in ("1", "3"):  # the most used comes first, whatever is cut
        assert cut.nodes.filter(layer=layer).row(0)[1:] == whole.nodes.filter(layer=layer).row(0)[1:]
    ties = schemas.scan_graph_edges(graph_run).collect()
    kept = ties.join(cut.nodes.filter(layer="1"), on=KEY, how="semi").height
    assert cut.ties.height + sum(cut.outside.values()) == kept


def test_a_graph_needs_no_images(graph_run, tmp_path):
    moved = tmp_path / "run"
    shutil.copytree(graph_run, moved, ignore=shutil.ignore_patterns("activations.zarr", "report"))
    stated, data = (moved / "run.toml").read_text(), str(RunFolder(graph_run).plan().data)
    (moved / "run.toml").write_text(stated.replace(data, str(tmp_path / "gone")))
    site = written_here(moved, tmp_path / "site")
    (found,) = called(site / "g" / "planted" / f"{NAME}.js")
    assert {node["patches"] for node in found["nodes"]} == {0}
    assert not any(parsed["pictured"] for parsed in found["parses"])


def test_a_run_of_graphs_alone_has_a_report(graph_run, tmp_path):
    run = tmp_path / "run"
    dissected = shutil.ignore_patterns(
        "activations.zarr", "report", "units", "unit_concept", "thresholds", "top_images"
    )
    unpromised(shutil.copytree(graph_run, run, ignore=dissected))
    site = written_here(run, tmp_path / "site")
    assert (site / "g" / "planted" / f"{NAME}.html").is_file()
    overview = Page(site / "index.html")
    assert "the run did not dissect units" in overview.text
    assert overview.sections["explanatory-graphs"][1][0] == CATEGORY
    layer = Page(site / "m" / "planted" / "1" / "index.html")
    assert "The run did not dissect this layer" in layer.text
    assert layer.sections["in-explanatory-graphs"][1][0] == CATEGORY
    unit = Page(site / "m" / "planted" / "1" / "0.html")
    assert len(unit.sections["nodes"]) > 1
    assert not unit.ids
