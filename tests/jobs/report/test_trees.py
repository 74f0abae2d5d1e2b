"""Decision trees on pages: the tree of a layer, and the way of one view through it."""

import re

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs.cli import main as cli
from filterscope.jobs.report.sections.trees import CROP, DOWN, parses_of, trees_of
from filterscope.pipeline.methods.decision_tree.findings import fitness
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here
from tests.jobs.report.browsing import assert_accessible
from tests.jobs.report.pages import Page, written_here
from tests.planted.modes import write_modes

LAYER = "m/planted/1/index.html"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modes")
    write_modes(folder / "data")
    asked = {"layers": "1", "methods": "decision-tree", "decision-tree.deletions": 20}
    return audit_here(folder / "run", data=folder / "data", models=[planted.entry("modes")], **asked)


@pytest.fixture(scope="module")
def view(run):
    """A view on which filters were silenced."""
    given = schemas.scan_decision_contributions(run).filter(pl.col("measured").is_not_null())
    return given.select(pl.col("view").min()).collect().item()


@pytest.fixture(scope="module")
def site(run, view):
    with pytest.raises(SystemExit) as stop:
        cli.main(["explain", str(run), "--image", str(view), "--target", "0", "--methods", "gradient"])
    assert stop.value.code == 0
    return written_here(run, run / "report")


def test_a_tree_has_the_nodes_of_cuts_up_to_ten(run):
    plan = RunFolder(run).plan()
    (tree,) = trees_of(plan, plan.models[0], "1")
    rows = {row["node"]: row for row in schemas.scan_decision_nodes(run).collect().to_dicts()}
    drawn = {node.number: node for node in tree.nodes}
    assert set(drawn) == {number for number, row in rows.items() if row["level_nodes"] <= 10}
    assert len(drawn) == 19
    ends = [node for number, node in drawn.items() if rows[number]["left"] not in drawn]
    assert sorted(node.y for node in ends) == [(n + 0.5) * DOWN for n in range(10)]
    assert tree.height == 10 * DOWN
    assert tree.width >= max(node.x for node in tree.nodes) + CROP
    for number, node in drawn.items():
        assert node.views == rows[number]["views"]
        children = [drawn[rows[number][side]] for side in ("left", "right") if rows[number][side] in drawn]
        if children:
            assert node.y == np.mean([child.y for child in children])
            assert all(child.x > node.x for child in children)
            assert node.views == sum(child.views for child in children)
        assert bool(node.line) == (rows[number]["parent"] is not None)
        assert node.crop.startswith("data:image/webp;base64,")
        assert [name for name, *_ in node.bars] == ["head", "legs"]


def test_bars_of_a_node_are_shares_of_the_score(run):
    plan = RunFolder(run).plan()
    (tree,) = trees_of(plan, plan.models[0], "1")
    root = next(node for node in tree.nodes if not node.line)
    (row,) = schemas.scan_decision_nodes(run).filter(pl.col("parent").is_null()).collect().to_dicts()
    paths = schemas.scan_decision_paths(run).filter(pl.col("cut") == "root")
    score = paths.select(pl.col("score").mean()).collect().item()
    assert [share for _, _, share, _ in root.bars] == pytest.approx([v / score for v in row["part_contributions"]])
    assert max(length for node in tree.nodes for *_, length in node.bars) == 50


def test_a_tree_stands_beside_its_controls(run, site):
    own = [row for row in Page(site / LAYER).sections["tree-0"] if row[0] != "cut"]
    table = fitness(run).to_dicts()
    assert [row[0] for row in own] == [row["cut"] for row in table]
    for said, row in zip(own, table, strict=True):
        expected = [
            "–" if row[name] is None else f"{row[name]:.3f}" for name in ("fitness", "root", "random tree", "k-means")
        ]
        assert said[2:] == expected


def test_a_view_goes_from_the_root_to_its_leaf(run, site, view):
    (parse,) = parses_of(run, "planted", view)
    table = schemas.scan_decision_paths(run).filter(pl.col("view") == view).sort("nodes").collect()
    assert [(s["cut"], s["node"], s["cosine"]) for s in parse.steps] == table.select("cut", "node", "cosine").rows()
    assert (parse.steps[0]["cut"], parse.steps[-1]["cut"]) == ("root", "leaves")
    assert parse.open == "second layer"
    assert parse.tried
    page = Page(site / f"p/planted/{view}-0.html")
    steps = [row for row in page.sections["parse"] if len(row) == 10 and row[0] != "cut"]
    assert [row[3] for row in steps] == [f"{cosine:.3f}" for cosine in table["cosine"]]


def test_contributions_stand_beside_what_was_measured_and_the_root(run, site, view):
    (parse,) = parses_of(run, "planted", view)
    given = schemas.scan_decision_contributions(run).filter(pl.col("view") == view).collect()
    rows = dict(parse.given)["second layer"]
    assert [row["name"] for row in rows[:2]] == sorted(["head", "legs"], key=lambda name: -part(given, name))
    for row in rows[:2]:
        assert row["contribution"] == part(given, row["name"])
        assert row["measured"] == part(given, row["name"], column="measured")
        assert row["root"] == part(given, row["name"], cut="root")
    assert max(abs(length) for row in rows for length in row["bars"].values() if length is not None) == 100
    said = [row for row in Page(site / f"p/planted/{view}-0.html").sections["parse"] if row[0] in ("head", "legs")]
    own = {(row[0], row[2], row[3], row[4]) for row in said}
    for row in rows[:2]:
        assert (row["name"], *(f"{row[name]:.3f}" for name in ("contribution", "measured", "root"))) in own


def part(given, name, cut="second layer", column="contribution"):
    return given.filter(kind="part", name=name, cut=cut)[column].item()


def test_a_view_that_no_tree_holds_has_no_way(run):
    held = set(schemas.scan_decision_paths(run).collect()["view"])
    outside = next(view for view in range(75) if view not in held)
    assert parses_of(run, "planted", outside) == []


def test_without_images_there_are_no_crops(run, monkeypatch):
    from filterscope.jobs.report.sections import trees

    monkeypatch.setattr(trees, "images_at_hand", lambda plan: False)
    plan = RunFolder(run).plan()
    (tree,) = trees_of(plan, plan.models[0], "1")
    assert {node.crop for node in tree.nodes} == {""}


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), pytest.param("dark", 1280, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_pages_with_trees_are_accessible_and_fit_the_screen(browser, site, view, scheme, width):
    assert re.search(r'<svg class="decisions"', (site / LAYER).read_text())
    for place in (LAYER, f"p/planted/{view}-0.html"):
        assert_accessible(browser, site, place, scheme, width)
