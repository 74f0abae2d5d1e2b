"""A planted blind spot is a partition, has what was planted in common, and is found by whoever asks about it."""

import csv
import importlib
from math import comb

import numpy as np
import polars as pl
import pytest
from scipy.stats import hypergeom

from filterscope import schemas
from filterscope.jobs.config.audit import load_config
from filterscope.jobs.runs.audit import audit
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.blind_spots.features import maxima_of
from filterscope.pipeline.methods.blind_spots.partition import _binned
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here
from tests.planted.spots import BAD, EACH, is_wrong, write_spots

CLASSIFIER = planted.entry("classifier")
shown = importlib.import_module("filterscope.pipeline.methods.blind_spots.findings")


def settings(data, **more):
    asked = {"blind-spots.confidence": 0.2, "blind-spots.clusters": 4, "blind-spots.budget": 60, **more}
    return {"data": data, "models": [CLASSIFIER], "layers": "1", "methods": "blind-spots", "image_block": 32, **asked}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spots")
    extra = [(number, "word", "odd" if is_wrong(number) else "even") for number in range(100)]
    return audit_here(folder / "run", **settings(write_spots(folder, extra=extra)))


def members(run, method="clusters"):
    return schemas.scan_partition_members(run).filter(method=method).sort("view").collect()


def test_a_planted_group_is_a_cluster(run):
    found = members(run)
    groups = found.group_by("partition").agg((pl.col("view") // EACH).unique(), pl.len())
    assert sorted(groups["view"].to_list()) == [[0], [1], [2], [3]]
    assert found["wrong"].to_list() == [is_wrong(view) for view in range(100)]
    assert found["predicted"].to_list() == [1] * 100
    assert found["true_class"].to_list() == [3 if is_wrong(view) else 1 for view in range(100)]
    (worst, *_) = shown.partitions(run).filter(method="clusters").to_dicts()
    assert {view // EACH for view in worst["views"]} == {BAD}
    assert len(set(worst["views"])) == 8
    assert (worst["members"], worst["share wrong"], worst["of all views"]) == (EACH, 0.4, 0.11)
    assert (worst["purity"], worst["entropy"]) == pytest.approx((0.6, -0.6 * np.log2(0.6) - 0.4 * np.log2(0.4)))
    assert (worst["answered"], worst["answered wrong"]) == (0, 0)
    assert "tint=warm" in worst["in common"].split(", ")


def test_distances_are_from_the_mean_of_the_class(run):
    found = members(run)
    plan = RunFolder(run).plan()
    here = maxima_of(plan, plan.models[0], plan.models[0].layer("1"), range(100))
    expected = np.linalg.norm(here - here.mean(axis=0, dtype=np.float64), axis=1)
    np.testing.assert_allclose(found["distance"], expected, atol=2e-3 * expected.max())
    assert found["distance"].to_list() == members(run, "patterns")["distance"].to_list()


def test_members_come_in_a_random_order(run):
    for _, own in members(run).group_by("partition"):
        assert sorted(own["rank"]) == list(range(EACH))
        assert own.sort("rank")["view"].to_list() != own["view"].to_list()


def test_what_is_over_represented_has_the_p_of_a_draw(run):
    bad = members(run).filter(pl.col("view") // EACH == BAD)["partition"][0]
    rows = schemas.scan_blind_spots(run).filter(method="clusters", partition=bad).collect()
    (warm,) = rows.filter(feature="tint=warm").to_dicts()
    assert (warm["views"], warm["expected"]) == (EACH, pytest.approx(26 * EACH / 100))
    assert warm["lift"] == pytest.approx(EACH / 6.5)
    assert warm["p"] == pytest.approx(hypergeom.sf(EACH - 1, 100, 26, EACH), rel=1e-9)
    assert warm["p"] < warm["q"] < 1e-20
    assert warm["feature"] in shown.features(run)["feature"].to_list()


def test_what_says_the_true_class_in_other_words_is_no_feature(run):
    features = schemas.scan_blind_spots(run).collect()["feature"]
    assert not [name for name in features if name.startswith(("class=", "word="))]


def test_patterns_cover_all_views_and_say_what_they_are(run):
    found = members(run, "patterns")
    assert len(found) == 100
    stated = schemas.scan_partitions(run).filter(method="patterns").collect()
    assert stated["views"].sum() == 100
    (warm,) = stated.filter(pl.col("pattern").str.contains("tint=warm")).head(1).to_dicts()
    assert found.filter(partition=warm["partition"])["view"].is_in(range(50, 75)).mean() > 0.9
    # a pattern is not over-represented in its own conditions
    own = schemas.scan_blind_spots(run).filter(method="patterns").collect().join(stated, on="partition")
    assert own.filter(pl.col("pattern").str.contains(pl.col("feature"), literal=True)).is_empty()


def test_curves_tell_what_each_policy_found(run):
    found = shown.curves(run).filter(method="clusters")
    assert found["question"].to_list() == list(range(4, 61, 4))
    assert found["random"][-1] == pytest.approx(60 * 11 / 100, abs=1)
    assert found["uub"][-1] > found["random"][-1] + 2
    # the bad group comes third by confidence: after 60 questions all but 10 of its views were asked
    order = members(run).sort("confidence", "view")["wrong"].to_list()
    assert found["least-confident"].to_list() == np.cumsum(order)[3:60:4].tolist()
    far = members(run).with_columns(-pl.col("distance")).sort("distance", "view")["wrong"].to_list()
    assert found["most-distant"].to_list() == np.cumsum(far)[3:60:4].tolist()
    (said,) = shown.verdicts(run).filter(method="clusters").to_dicts()
    assert (said["views"], said["unknown unknowns"], said["questions"]) == (100, 11, 60)
    best = max(said[name] for name in ("uub", "ucb1", "greedy", "epsilon"))
    simple = max(said["least-confident"], said["most-distant"]) >= best
    assert said["verdict"].startswith("a simple sort wins") == simple


def test_random_has_the_interval_of_one_draw_without_replacement(run):
    found = shown.curves(run).filter(method="clusters")
    for row in found.to_dicts():
        asked = row["question"]
        share = [comb(11, n) * comb(89, asked - n) / comb(100, asked) for n in range(min(asked, 11) + 1)]
        below = np.cumsum(share)
        assert row["random low"] == int(np.argmax(below >= 0.025))
        assert row["random high"] == int(np.argmax(below >= 0.975))
        assert row["random low"] <= row["random"] <= row["random high"]


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        ({"least-confident": 16, "uub": 10}, "a simple sort wins: least confident first"),
        ({"least-confident": 8, "uub": 16}, "uub finds most"),
        ({"least-confident": 16, "uub": 16}, "a simple sort wins: least confident first"),
        ({"least-confident": 8, "uub": 8.5}, "none beats random"),
        ({"least-confident": 12, "most-distant": 16, "uub": 14}, "a simple sort wins: most distant first"),
    ],
)
def test_a_bandit_wins_only_where_it_beats_random_and_a_sort(row, verdict):
    full = {"random": 8, "most-distant": 8, "ucb1": 8, "greedy": 8, "epsilon": 8, "+-": 2, "trials": 16, **row}
    assert shown._verdict(full) == verdict


def test_bins_of_confidence_hold_as_many_views_each():
    bins, names = _binned(np.linspace(0.651, 1, 80), 0.65)
    assert bins.sum(axis=0).tolist() == [20] * 4
    assert (bins.sum(axis=1) == 1).all()
    assert names[0].startswith("confidence 0.65-")
    bins, names = _binned(np.full(5, 0.9), 0.65)
    assert (bins.tolist(), names) == ([[True]] * 5, ["confidence 0.65-1"])


def test_without_true_classes_there_is_nothing_about_wrong(tmp_path):
    data = write_spots(tmp_path, labelled=lambda number: False)
    run = audit_here(tmp_path / "run", **settings(data))
    found = schemas.scan_partitions(run).collect()
    assert found["labelled"].sum() == found["wrong"].sum() == 0
    assert found["purity"].null_count() == found["wrong_low"].null_count() == len(found)
    assert shown.curves(run).is_empty()
    assert shown.verdicts(run).is_empty()
    assert shown.partitions(run)["share wrong"].null_count() == len(shown.partitions(run))
    assert shown.answered(run).is_empty()


def test_classes_are_looked_at_apart_or_together(tmp_path):
    data = write_spots(tmp_path)
    classes = {}
    for target in ("predicted", "1", "0-3", "2"):
        run = audit_here(tmp_path / f"run-{target}", **settings(data, **{"blind-spots.class": target}))
        classes[target] = schemas.scan_partitions(run).collect()["class"].unique().to_list()
    assert classes == {"predicted": ["1"], "1": ["1"], "0-3": ["0-3"], "2": []}


def test_detectors_that_fire_are_features_where_units_are_dissected(tmp_path):
    data = write_spots(tmp_path)
    more = {"methods": "blind-spots,dissection", "quantile": 0.25, "min_images": 3}
    run = audit_here(tmp_path / "run", **{**settings(data), **more})
    units = schemas.scan_units(run).filter("detector").collect()["unit"].to_list()
    assert units == [0]
    rows = schemas.scan_blind_spots(run).filter(method="clusters", feature="unit: 1/0 (stain)").collect()
    # the threshold is the brightest of the third group, so that the fourth alone is above it
    brightest = members(run).filter(pl.col("view") >= 75)["partition"].unique().to_list()
    assert (rows["partition"].to_list(), rows["views"].to_list(), rows["lift"].to_list()) == (brightest, [EACH], [4.0])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"blind-spots.class": "7"}, "--blind-spots.class 7: planted scores 4 classes, 0 to 3"),
        ({"blind-spots.class": "true"}, "predicted, or indices of classes"),
        ({"blind-spots.layer": "relu"}, "--blind-spots.layer relu: this layer of planted is not audited"),
        ({"models": [planted.entry("network")]}, "no class scores"),
        ({"outputs.truth": "label"}, "no attribute 'label'"),
    ],
)
def test_what_cannot_be_is_refused_in_words(tmp_path, more, words):
    data = write_spots(tmp_path)
    with pytest.raises(InputError, match=words):
        audit(load_config(out=tmp_path / "run", actors=0, **{**settings(data), **more}))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_of_a_real_network_a_simple_sort_finds_most(test_data, tmp_path):
    """SqueezeNet on 40 images of each of ten classes of ImageNet: the docs' table, in small."""
    counts = {}
    with DatasetWriter(tmp_path / "data", source={"reader": "imagenette"}) as out:
        for row in csv.DictReader((test_data / "imagenette1000" / "labels.csv").open()):
            counts[row["class"]] = counts.get(row["class"], 0) + 1
            if counts[row["class"]] <= 40:
                image = out.image(test_data / "imagenette1000" / "images" / row["image"])
                for name in ("class", "name"):
                    out.attribute(image, name, row[name])
    weights = test_data / "weights" / "squeezenet1_1-rgb.pth"
    run = audit_here(
        tmp_path / "run", data=tmp_path / "data", models=[f"torchvision:squeezenet1_1@{weights}"], layers="features.12",
        methods="blind-spots", **{"blind-spots.class": "0-999", "blind-spots.budget": 60},
    )  # fmt: skip
    for said in shown.verdicts(run).to_dicts():
        print(said)
        assert 180 < said["views"] < 240
        assert 15 < said["unknown unknowns"] < 45
        assert said["verdict"] == "a simple sort wins: least confident first"
        assert said["least-confident"] > 1.5 * said["random"]
    worst = shown.partitions(run).filter(method="clusters").to_dicts()[0]
    assert worst["low"] > 1.5 * worst["of all views"]
    # the names of the classes tell the true class, and nothing else is annotated
    assert schemas.scan_blind_spots(run).collect().is_empty()
