"""Pages of explanatory graphs: their numbers, patches and parses are those of the tables and of the dictionary."""

import shutil

import numpy as np
import polars as pl
import pytest
from PIL import Image

from filterscope import schemas
from filterscope.jobs.report.pages.graph import PARSES, read_graph
from filterscope.jobs.report.render import number, slug
from filterscope.jobs.report.sections.graph_pictures import PATCHES, SIDE
from filterscope.pipeline.methods.graph.dictionary import parse, top_patches
from filterscope.pipeline.run.folder import RunFolder
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
    for low, high, weight, together, _ in data["ties"]:
        row = known[key(data, low), key(data, high)]
        assert (weight, together) == (row["weight"], row["together"])
    for node in data["nodes"]:
        low = key(data, node["place"])
        assert node["outside"] == sum(a == low and b not in shown for a, b in known)
        assert sum(drawn for a, *_, drawn in data["ties"] if a == node["place"]) <= 3


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
    assert len(scripts) == 5
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
    shutil.copytree(graph_run, run, ignore=dissected)
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
