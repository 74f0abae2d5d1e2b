"""Heads on the pooled maps of a run, influence on them, and labels made wrong; refusals in words."""

import csv
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from PIL import Image

from filterscope import schemas
from filterscope.jobs.config.audit import load_config
from filterscope.jobs.runs.audit import audit
from filterscope.operators.influence.head import Data, train
from filterscope.operators.influence.hessian import Hessian
from filterscope.operators.influence.influence import gradients, influence, self_influence
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.methods.influence.costs import told
from filterscope.pipeline.methods.influence.findings import curves, heads, label_errors, strongest, suspects
from filterscope.pipeline.methods.influence.labels import TEST, TRAIN, Labels
from filterscope.pipeline.methods.influence.needs import Classes
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores.activations import ActivationStore
from tests import planted
from tests.audits import audit_here
from tests.planted import SIZE

#: Images whose label is wrong, and one without a label.
WRONG, UNKNOWN = (5, 22, 41), 7
NAMES = ("blue", "green", "red")


def write_colours(folder, count=60, names=NAMES):
    """Write noisy images in three colours; an attribute says which, but not always the right one."""
    rng = np.random.default_rng(0)
    with DatasetWriter(folder, source={"reader": "test"}) as out:
        for number in range(count):
            colour = number % 3
            pixels = rng.integers(0, 120, (SIZE, SIZE, 3))
            pixels[..., 2 - colour] += rng.integers(40, 130)
            Image.fromarray(pixels.astype(np.uint8)).save(folder.parent / f"{number}.png")
            image = out.image(folder.parent / f"{number}.png")
            if number != UNKNOWN:
                out.attribute(image, "class", names[(colour + (number in WRONG)) % len(names)])
    return folder


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("influence")
    return {
        "data": write_colours(folder / "data"), "models": [planted.entry("network")], "layers": "0,1", "image_block": 16,
        "methods": "influence", "influence.checks": 12,
    }  # fmt: skip


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("own") / "run", **settings)


def features(run, layer="1"):
    store = ActivationStore(run, "planted", layer)
    units = RunFolder(run).plan().models[0].layer(layer).channels
    return store.read(0, 60, slice(0, units)).astype(np.float64).mean(axis=(2, 3))


def trial(run, layer="1"):
    """Make the head of a layer by hand: training and test views, their numbers, the head and its Hessian."""
    found, x = Labels.of(RunFolder(run).plan()), features(run, layer).astype(np.float32).astype(np.float64)
    train_views, test_views = np.flatnonzero(found.role == TRAIN), np.flatnonzero(found.role == TEST)
    spread = x[train_views].std(axis=0)
    x = (x - x[train_views].mean(axis=0)) / np.where(spread > 0, spread, np.inf)
    data = Data.of(x, found.label, 3)
    head = train(data.take(train_views), 0.1)
    return data, train_views, test_views, head, Hessian(data.take(train_views), head, 0.01)


def test_maps_are_pooled(run):
    means = schemas.scan_layer(run, "pooled_maps", "planted", "1").sort("view").collect()
    np.testing.assert_allclose(np.array(means["means"].to_list()), features(run), rtol=1e-6, atol=1e-7)
    assert means["view"].to_list() == list(range(60))


def test_classes_are_split_by_image_and_what_has_no_label_is_neither(run):
    found = Labels.of(RunFolder(run).plan())
    assert found.names == list(NAMES)
    assert (found.role[UNKNOWN], found.label[UNKNOWN]) == (-1, -1)
    for label in range(3):
        here = found.label == label
        assert (found.role[here] == TEST).sum() == round(here.sum() / 4)
        assert ((found.role[here] == TRAIN) | (found.role[here] == TEST)).all()


def test_the_head_and_its_summary_are_those_made_by_hand(run):
    data, train_views, test_views, head, hessian = trial(run)
    rows = schemas.scan_layer(run, "influence_head", "planted", "1").collect()
    assert rows["label"].to_list() == list(NAMES)
    np.testing.assert_allclose(np.array(rows["weights"].to_list()), head.weights[:, :-1], atol=1e-7)
    assert rows["train_views"].to_list() == np.bincount(data.y[train_views]).tolist()
    (row,) = schemas.scan_layer(run, "influence_summary", "planted", "1").collect().to_dicts()
    assert (row["classes"], row["train_views"], row["test_views"], row["left_out"]) == (
        3, len(train_views), len(test_views), 1,
    )  # fmt: skip
    assert row["gradient"] <= 1e-9
    assert row["test_accuracy"] == pytest.approx((head.predicted(data.take(test_views)) == data.y[test_views]).mean())
    assert row["largest_eigenvalue"] == pytest.approx(np.linalg.eigvalsh(hessian.dense())[-1], rel=0.01)
    assert (row["solver"], row["scale"]) == ("exact", None)
    assert row["pearson"] > 0.95


def test_influences_are_those_made_by_hand(run):
    data, train_views, test_views, head, hessian = trial(run)
    test = data.take(test_views)
    expected = influence(hessian, hessian.solved(gradients(head, test), "exact"))
    rows = schemas.scan_layer(run, "influence", "planted", "1").collect()
    assert sorted(rows["view"].unique().to_list()) == test_views.tolist()
    for kind, sign in (("harmful", -1), ("helpful", 1)):
        for place, view in enumerate(test_views.tolist()):
            found = rows.filter((pl.col("view") == view) & (pl.col("kind") == kind)).sort("rank")
            order = np.argsort(-sign * expected[place], kind="stable")[:5]
            assert found["train_view"].to_list() == train_views[order].tolist()
            np.testing.assert_allclose(found["influence"], expected[place, order], rtol=1e-6)
    np.testing.assert_allclose(
        rows.sort("view").unique("view", maintain_order=True)["loss"], head.losses(test), rtol=1e-6
    )
    assert rows["residual"].max() < 1e-10


def test_wrong_labels_lead_the_suspects(run):
    _, train_views, _, _, hessian = trial(run)
    rows = schemas.scan_layer(run, "self_influence", "planted", "1").sort("view").collect()
    expected = self_influence(hessian, np.arange(len(train_views)), "exact")
    np.testing.assert_allclose(rows["influence"], expected, rtol=1e-6)
    assert rows["view"].to_list() == train_views.tolist()
    wrong = set(WRONG) & set(train_views.tolist())
    first = rows.sort("rank").head(len(wrong))
    assert wrong
    assert set(first["view"].to_list()) == wrong


def test_suspects_stand_beside_those_of_loss_and_chance(run):
    rows = schemas.scan_layer(run, "self_influence", "planted", "1").collect()
    influence, loss, random = suspects(run, "planted", "1").to_dicts()
    assert [row["order"] for row in (influence, loss, random)] == ["self-influence", "loss", "random"]
    assert [row["shown"] for row in (influence, loss, random)] == [40, 16, 16]
    shown = [[one["view"] for one in row["views"]] for row in (influence, loss, random)]
    assert shown[0] == rows.sort("rank")["view"].to_list()[:40]
    assert shown[1] == rows.sort("loss_rank")["view"].to_list()[:16]
    assert len(set(shown[2])) == 16
    assert set(shown[2]) != set(rows["view"].sort().to_list()[:16])
    assert suspects(run, "planted", "1").equals(suspects(run, "planted", "1"))
    assert [row["also by influence"] for row in (loss, random)] == [len(set(s) & set(shown[0])) for s in shown[1:]]
    labels = {row["view"]: (row["given_label"], row["predicted"], row["influence"]) for row in rows.to_dicts()}
    for row, views in zip((influence, loss, random), shown, strict=True):
        otherwise = [labels[view][0] != labels[view][1] for view in views]
        assert row["predicted otherwise"] == pytest.approx(np.mean(otherwise))
        for one in row["views"]:
            given, predicted, value = labels[one["view"]]
            assert one["says"] == f"{given} → {predicted}, {value:.2g}"
    assert influence["views"][0]["says"].startswith("blue → red, ")


def test_the_rehearsal_stands_beside_loss_and_random(run):
    rows = schemas.scan_layer(run, "label_fixes", "planted", "1").collect()
    (errors,) = set(rows["errors"].to_list())
    assert errors == round(0.1 * len(trial(run)[1]))
    whole = rows.filter(pl.col("checked") == 1)
    assert whole["found"].to_list() == [1.0] * 3
    (summary,) = schemas.scan_layer(run, "influence_summary", "planted", "1").collect().to_dicts()
    assert whole["accuracy"].to_list() == pytest.approx([summary["test_accuracy"]] * 3)
    shown = label_errors(run).filter(pl.col("layer") == "1").to_dicts()[0]
    assert shown["self-influence"] >= 0.8
    assert curves(run, "planted", "1")["checked"].to_list() == [0, 0.05, 0.1, 0.2, 0.3, 0.5, 1]


def test_strips_begin_with_the_test_view(run):
    rows = strongest(run, "planted", "1")
    kept = schemas.scan_layer(run, "influence", "planted", "1").collect()
    assert rows["loss"].is_sorted(descending=True)
    for row in rows.to_dicts():
        (view, *others), (said, *rest) = ([one[name] for one in row["views"]] for name in ("view", "says"))
        here = kept.filter((pl.col("view") == view) & (pl.col("kind") == row["kind"])).sort("rank")
        assert others == here["train_view"].to_list()
        assert said == f"test view: {here['given_label'][0]}"
        assert rest == [
            f"{label}, {value:+.2g}" for label, value in here.select("train_label", "influence").iter_rows()
        ]
        assert {text.split(", ")[1][0] for text in rest} == {"-" if row["kind"] == "harmful" else "+"}
        assert row["same class"] == pytest.approx(here["same_class"].mean())


@pytest.mark.parametrize("changed", [{"image_block": 7}, {"unit_block": 1}, {"image_block": 64}])
def test_blocks_of_any_size_give_the_same_bits(settings, run, tmp_path, changed):
    other = audit_here(tmp_path / "run", **{**settings, **changed})
    for name in ("influence", "self_influence", "influence_check", "label_fixes", "influence_head"):
        one, two = (schemas.scan(where, name).collect() for where in (run, other))
        keys = [column for column in ("layer", "view", "kind", "rank", "order", "checked", "label", "train_view")
                if column in one.columns]  # fmt: skip
        assert one.sort(keys).equals(two.sort(keys)), name


def test_other_solvers_rank_alike_and_fewer_views_are_among_more(settings, run, tmp_path):
    asked = {"influence.solver": "cg", "influence.tests": 4, "influence.flips": 0.0, "influence.checks": 0}
    other = audit_here(tmp_path / "run", **{**settings, **asked})
    rows, all_rows = (schemas.scan_layer(where, "influence", "planted", "1").collect() for where in (other, run))
    assert rows["view"].n_unique() == 4
    joined = rows.join(all_rows, on=["view", "kind", "rank", "train_view"])
    assert joined.height == rows.height
    np.testing.assert_allclose(joined["influence"], joined["influence_right"], rtol=1e-6)
    assert schemas.scan_label_fixes(other).collect().is_empty()
    assert schemas.scan_influence_check(other).collect().is_empty()
    (row,) = heads(other).filter(pl.col("layer") == "1").to_dicts()
    assert (row["pearson"], row["solver"]) == (None, "cg")
    (line, _) = told(RunFolder(other).plan())
    assert "a head of" in line
    assert "for each of 4 test views" in line
    assert told(RunFolder(run).plan()) == []


def test_a_scale_below_the_largest_eigenvalue_is_refused(settings, tmp_path):
    asked = {"influence.solver": "lissa", "influence.scale": 0.001, "influence.flips": 0.0}
    with pytest.raises((InputError, RunError), match=r"influence\.scale 0\.001: the largest eigenvalue .* is \d"):
        audit_here(tmp_path / "run", **{**settings, **asked})


@pytest.mark.slow
def test_lissa_keeps_to_its_scale(settings, run, tmp_path):
    asked = {"influence.solver": "lissa", "influence.tests": 2, "influence.flips": 0.0, "layers": "1"}
    other = audit_here(tmp_path / "run", **{**settings, **asked})
    (row,) = schemas.scan_influence_summary(other).collect().to_dicts()
    assert row["scale"] == pytest.approx(2 * row["largest_eigenvalue"])
    assert row["pearson"] > 0.9


def test_one_class_and_classes_of_one_image_are_refused(settings, tmp_path):
    for names, said in ((("red",), "needs two classes"), (tuple(map(str, range(9))), "no two images")):
        folder = tmp_path / f"{len(names)}"
        folder.mkdir()
        data = write_colours(folder / "data", 3, names)
        with pytest.raises(InputError, match=rf"attribute 'class' .*{said}.*--outputs\.truth"):
            audit(load_config(out=tmp_path / "run", **{**settings, "data": data, "actors": 0}))
        assert not (tmp_path / "run").exists()


def test_an_exact_solver_for_too_large_a_head_is_refused(run, monkeypatch):
    monkeypatch.setattr(sys.modules[Classes.__module__], "MOST", 3)
    plan = RunFolder(run).plan()
    Classes().check_plan("influence", plan)
    with pytest.raises(InputError, match=r"solver exact: a head of 3 classes on layer '0' .* has \d+ parameters.*cg"):
        Classes().check_plan("influence", plan.with_options(**{"influence.solver": "exact"}))


def test_views_of_a_group_stay_together(run, monkeypatch):
    plan = RunFolder(run).plan()
    group = (np.arange(60) // 6 * 6).astype(np.int32)
    grouped = replace(plan.views, group=group)
    monkeypatch.setattr(type(plan), "views", property(lambda self: grouped))
    role = Labels.of(plan).role
    for one in np.unique(group):
        assert len(set(role[(group == one) & (np.arange(60) != UNKNOWN)])) == 1


@pytest.mark.slow
def test_leaving_out_and_label_errors_on_real_images(test_data, tmp_path):
    """Squeezenet's last maps on ten classes of photographs."""
    folder = test_data / "imagenette1000"
    with DatasetWriter(tmp_path / "data", source={"reader": "test"}) as out, (folder / "labels.csv").open() as file:
        for row in csv.DictReader(file):
            out.attribute(out.image(folder / "images" / row["image"]), "class", row["class"])
    weights = test_data / "weights" / "squeezenet1_1-rgb.pth"
    asked = {"layers": "features.12", "models": [{"source": f"torchvision:squeezenet1_1@{weights}"}]}
    run = audit_here(tmp_path / "run", data=tmp_path / "data", methods="influence", **asked, **{"influence.tests": 50})
    (head,) = heads(run).to_dicts()
    assert head["accuracy"] > 0.85
    assert head["constant"] == pytest.approx(0.1)
    assert head["pearson"] >= 0.95
    assert head["spearman"] >= 0.9
    (errors,) = label_errors(run).to_dicts()
    assert errors["errors"] == 75
    assert errors["self-influence"] >= 0.8
    assert errors["random"] <= 0.35
    assert errors["without errors"] > errors["accuracy with errors"]
