"""Planted modes are the nodes of a tree, what parts give is what their deletion takes, and what cannot be is said in words."""

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs.config.audit import load_config
from filterscope.jobs.runs.audit import audit
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.decision_tree.asked import NAMED, OFTEN, _target
from filterscope.pipeline.methods.decision_tree.findings import fitness, modes, nodes, part_errors, parts
from tests import planted
from tests.audits import audit_here
from tests.pipeline.methods.test_outputs import CLASSIFIER, write_flat
from tests.planted.dots import ANIMALS, write_animals
from tests.planted.modes import WEIGHTS, write_modes

MODES = planted.entry("modes")


def settings(data, **more):
    return {"data": data, "models": [MODES], "layers": "1", "image_block": 32, "methods": "decision-tree", **more}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modes")
    kinds = write_modes(folder / "data")
    return folder / "data", audit_here(folder / "run", **settings(folder / "data")), kinds


def test_planted_modes_are_the_second_layer(made):
    metrics = pytest.importorskip("sklearn.metrics")
    _, run, kinds = made
    (tree,) = schemas.scan_decision_trees(run).collect().to_dicts()
    assert (tree["target"], tree["target_by"], tree["category"]) == ("0", OFTEN, None)
    assert (tree["views"], tree["positives"], tree["negatives"], tree["second"]) == (45, 45, 30, 3)
    assert tree["linear_share"] == pytest.approx(1)
    assert tree["pooled_share"] == pytest.approx(1)
    paths = schemas.scan_decision_paths(run).filter(pl.col("cut") == "second layer").sort("view").collect()
    assert metrics.adjusted_rand_score(kinds[paths["view"].to_numpy()], paths["node"].to_numpy()) >= 0.95
    np.testing.assert_allclose(paths["predicted"], paths["score"], rtol=1e-3)


def test_parts_give_what_their_deletion_takes(made):
    _, run, kinds = made
    (tree,) = schemas.scan_decision_trees(run).collect().to_dicts()
    assert (tree["parts"], tree["part_filters"], tree["deletions"]) == (["head", "legs"], [3, 3], 45)
    given = schemas.scan_decision_contributions(run).filter(pl.col("cut") == "second layer")
    own = given.filter(pl.col("kind") == "part").collect()
    np.testing.assert_allclose(own["contribution"], own["measured"], rtol=1e-3)
    # the filters that give most to an image are those of its kind, each w x
    most = given.filter(pl.col("kind") == "filter", pl.col("contribution") > 1e-6).collect()
    assert len(most) == 90
    for row in most.iter_rows(named=True):
        assert int(row["name"]) // 2 == kinds[row["view"]]
        assert row["measured"] is None
    heads = most.filter(pl.col("name") == "0").join(own.filter(pl.col("name") == "head"), on="view")
    np.testing.assert_allclose(heads["contribution"], heads["contribution_right"], rtol=1e-6)
    areas = heads["contribution"].to_numpy() / (100 * WEIGHTS[0][0] * 0.5 / planted.SIZE**2)
    np.testing.assert_allclose(np.sqrt(areas), np.sqrt(areas).round(), atol=1e-3)  # sides of squares


def test_numbers_stand_beside_their_controls(made):
    _, run, _ = made
    rows = {row["cut"]: row for row in fitness(run).iter_rows(named=True)}
    assert list(rows) == ["root", "2", "second layer", "5", "10", "leaves"]
    second = rows["second layer"]
    assert second["fitness"] == pytest.approx(1, abs=1e-3)
    assert second["root"] < 0.8
    assert second["random tree"] < 0.9
    assert second["k-means"] == pytest.approx(1, abs=1e-3)
    (errors,) = part_errors(run).filter(pl.col("cut") == "second layer").to_dicts()
    assert errors["part_error"] == pytest.approx(0, abs=1e-3)
    assert errors["root"] > 0.1
    assert errors["random tree"] > 0.1
    assert all(row["root"] is not None for row in rows.values())
    assert all((row["random tree"] is None) == (cut == "root") for cut, row in rows.items())
    shown = nodes(run, "planted", "1")
    assert len(shown) == 10
    assert shown["size"].sum() == 45
    bars = parts(run, "planted", "1")
    np.testing.assert_allclose(bars["share"], bars["measured"], rtol=1e-3)
    assert set(bars["of filters"]) == {0.5}
    assert set(bars["cut"]) == {"second layer", "10"}


def test_one_mode_without_negatives_says_so(made, tmp_path):
    more = {"layers": "0", "decision-tree.negatives": 0, "decision-tree.target": "0"}
    (found,) = modes(audit_here(tmp_path / "run", **settings(made[0], **more))).to_dicts()
    assert (found["modes"], found["verdict"]) == (1, "one mode, but no negatives")


def test_nodes_are_a_tree(made):
    _, run, _ = made
    rows = schemas.scan_decision_nodes(run).sort("node").collect()
    assert len(rows) == 89
    assert rows["parent"].null_count() == 1
    for row in rows.filter(pl.col("left").is_not_null()).iter_rows(named=True):
        children = rows.filter(pl.col("node").is_in([row["left"], row["right"]]))
        assert children["parent"].to_list() == [row["node"]] * 2
        assert children["views"].sum() == row["views"]
    for count in (1, 2, 3, 10, 45):
        at = rows.filter(pl.col("level_nodes") <= count, pl.col("finest_nodes") >= count)
        assert (len(at), at["views"].sum()) == (count, 45)


def test_masks_of_parts_do_as_landmarks_do(made, tmp_path):
    _, run, _ = made
    write_modes(tmp_path / "data", masks=True)
    masked = audit_here(tmp_path / "run", **settings(tmp_path / "data"))
    one, two = (
        schemas.scan_decision_trees(place).select("parts", "part_filters", "second").collect()
        for place in (run, masked)
    )
    assert one.equals(two)


def test_the_order_of_images_does_not_matter(made, tmp_path):
    _, run, _ = made
    write_modes(tmp_path / "data", backwards=True)
    other = audit_here(tmp_path / "run", **settings(tmp_path / "data"))
    columns = ["cut", "grouping", "nodes", "fitness", "score_error"]
    keep = pl.col("cut").is_in(["root", "second layer"]) & (pl.col("grouping") == "tree")
    one, two = (schemas.scan_decision_summary(place).filter(keep).select(columns).collect() for place in (run, other))
    np.testing.assert_allclose(one["fitness"], two["fitness"], rtol=1e-6)
    assert one["nodes"].to_list() == two["nodes"].to_list()


@pytest.mark.parametrize("alpha", ["lasso", "binary"])
def test_other_weights_find_the_same_modes(made, tmp_path, alpha):
    data, _, _ = made
    run = audit_here(
        tmp_path / "run", **settings(data), **{"decision-tree.alpha": alpha, "decision-tree.nearest": "all"}
    )
    assert schemas.scan_decision_trees(run).collect()["second"].to_list() == [3]
    second = fitness(run).filter(pl.col("cut") == "second layer")
    assert second["fitness"][0] > second["root"][0]


def test_a_linear_head_has_one_mode(made, tmp_path):
    data, _, _ = made
    run = audit_here(
        tmp_path / "run",
        **{**settings(data), "models": [CLASSIFIER]},
        **{"decision-tree.target": 3, "decision-tree.deletions": 0},
    )
    (row,) = modes(run).to_dicts()
    assert (row["modes"], row["verdict"], row["why"]) == (1, "one mode: the head is linear", "asked")
    (second,) = fitness(run).filter(pl.col("cut") == "second layer").to_dicts()
    assert second["fitness"] == pytest.approx(1)
    assert part_errors(run).is_empty()  # no deletion was asked


def test_too_few_views_are_counted(tmp_path):
    data = write_flat(tmp_path / "data")
    run = audit_here(tmp_path / "run", **{**settings(data), "models": [CLASSIFIER]}, **{"decision-tree.target": "1"})
    (tree,) = schemas.scan_decision_trees(run).collect().to_dicts()
    assert (tree["views"], tree["not_positive"], tree["positives"], tree["second"]) == (7, 0, 7, None)
    assert modes(run)["verdict"].to_list() == ["too few views"]
    assert fitness(run).is_empty()
    assert nodes(run, "planted", "1").is_empty()


def test_crops_of_every_category_have_a_tree_and_mirrored_ones_are_left_out(tmp_path):
    write_animals(tmp_path / "data", twice=(3,))
    views = {"views": "objects", "flips": True, "negatives": True, "models": [CLASSIFIER]}
    run = audit_here(tmp_path / "run", **{**settings(tmp_path / "data"), **views})
    (tree,) = schemas.scan_decision_trees(run).collect().to_dicts()
    assert (tree["category"], tree["target"], tree["views"], tree["negatives"]) == ("bird", "3", ANIMALS, 4)
    assert (tree["parts"], sum(tree["part_filters"])) == (["dot"], 2)  # units that fire on red and on its edges
    assert schemas.scan_decision_paths(run).collect()["category"].unique().to_list() == ["bird"]
    assert nodes(run, "planted", "1")["category"].unique().to_list() == ["bird"]


def test_whole_images_have_the_category_of_their_class(tmp_path):
    data = write_flat(tmp_path / "data")
    asked = {"decision-tree.category": "crane", "decision-tree.target": "1", "decision-tree.negatives": 5}
    run = audit_here(tmp_path / "run", **{**settings(data), "models": [CLASSIFIER]}, **asked)
    (tree,) = schemas.scan_decision_trees(run).collect().to_dicts()
    assert (tree["category"], tree["views"], tree["negatives"], tree["second"]) == ("crane", 1, 5, None)
    pooled = schemas.scan_pooled_gradients(run).collect()
    assert pooled.filter("member")["view"].to_list() == [3]
    assert len(pooled) == 6


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"decision-tree.category": "bird"}, "--decision-tree.category bird: no view of .* shows one"),
        ({"decision-tree.target": "7-24"}, "--decision-tree.target 7-24: planted scores 2 classes, 0 to 1"),
        ({"decision-tree.target": "true"}, "predicted, the index of a class"),
        ({"layers": "2", "models": [CLASSIFIER]}, "after global pooling: its maps have a single position"),
        ({"decision-tree.cuts": "2,x"}, "whole numbers separated by commas"),
        ({"models": [planted.entry("network")], "layers": "0"}, "no class scores"),
    ],
)
def test_what_cannot_be_is_refused_in_words(made, tmp_path, more, words):
    data, _, _ = made
    with pytest.raises(InputError, match=words):
        audit(load_config(out=tmp_path / "run", **{**settings(data, actors=0), **more}))
    assert not (tmp_path / "run").exists()


def test_a_category_names_its_class_or_takes_the_one_predicted_most_often():
    best = np.array([2, 2, 1])
    assert _target("7-9", "hen", best, ["cock", "hen"]) == ("7-9", "asked")
    assert _target(None, "Hen", best, ["cock", "hen", "owl"]) == ("1", NAMED)
    assert _target(None, "crane", best, ["crane", "crane", "owl"]) == ("2", OFTEN)
    assert _target(None, None, np.array([1, 0]), ["a", "b"]) == ("0", OFTEN)
