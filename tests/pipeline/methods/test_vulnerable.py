"""Attacks on networks that are linear in the pixels find what closed forms say, through a whole audit, whatever its blocks."""

import csv
import gzip

import numpy as np
import polars as pl
import pytest
from PIL import Image

from filterscope import schemas
from filterscope.jobs.config.audit import load_config
from filterscope.jobs.runs.audit import audit
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.attribution.drawn import drawn_views
from filterscope.pipeline.methods.vulnerable import costs
from filterscope.pipeline.methods.vulnerable.findings import by_class, of_concepts, of_layers, of_units, summary, views
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here
from tests.naive.attacks import best_pixel, shortest
from tests.planted.victims import SIDE, weights


def entry(factory, **more):
    return {
        **planted.entry("network"),
        "source": f"factory:tests.planted.victims:{factory}",
        "input_size": SIDE,
        **more,
    }


def drawn(count, seed=0):
    """Return noise round grey, uint8 of shape (count, SIDE, SIDE, 3), and its scores by `linear`."""
    pixels = np.random.default_rng(seed).integers(90, 166, (count, SIDE, SIDE, 3)).astype(np.uint8)
    return pixels, np.einsum("kchw,nhwc->nk", weights().astype(float), pixels / 255 - 0.5)


def write(folder, pixels, classes):
    with DatasetWriter(folder, source={"reader": "noise"}) as out:
        for number, (image, value) in enumerate(zip(pixels, classes, strict=True)):
            path = folder.parent / f"{folder.name}-{number}.png"
            Image.fromarray(image).save(path)
            out.attribute(out.image(path), "class", str(value))
    return folder


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    pixels, scores = drawn(12)
    classes = scores.argmax(axis=1)
    classes[5] = 1 - classes[5]
    return {
        "data": write(tmp_path_factory.mktemp("vulnerable") / "data", pixels, classes),
        "models": [entry("linear")], "layers": "identity", "image_block": 5, "methods": "vulnerable",
        "vulnerable.attacks": "fgsm,pgd,lbfgs,one_pixel", "vulnerable.eps": "0.5,1,8", "vulnerable.pixels": 1,
        "vulnerable.population": 60, "vulnerable.generations": 30, "vulnerable.views": 10,
    }  # fmt: skip


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("own") / "run", **settings)


@pytest.fixture(scope="module")
def rows(run):
    return schemas.scan_adversarial(run).sort("attack", "strength", "view").collect()


def margins():
    """Return pixels, weights by which the other class gains (views, SIDE, SIDE, 3), and what it lacks."""
    pixels, scores = drawn(12)
    sign = np.where(scores.argmax(axis=1) == 0, 1.0, -1.0)
    difference = np.moveaxis(weights()[1] - weights()[0], 0, 2).astype(float)
    return pixels, sign[:, None, None, None] * difference, np.abs(scores[:, 1] - scores[:, 0])


def test_views_that_are_wrong_already_are_counted_and_left_alone(run, rows):
    chosen = drawn_views(RunFolder(run).plan(), 10).tolist()
    found = schemas.scan_adversarial_views(run).sort("view").collect()
    assert found["view"].to_list() == chosen
    assert found.filter(status="wrong")["view"].to_list() == [view for view in chosen if view == 5]
    attacked = found.filter(status="attacked")["view"].to_list()
    assert rows.group_by("attack", "strength").agg("view")["view"].to_list() == [attacked] * 8
    assert views(run).row(0, named=True) == {
        "model": "planted", "views": 10, "attacked": len(attacked), "wrong": 10 - len(attacked), "unsure": 0, "target": 0,
    }  # fmt: skip


def test_lbfgs_finds_margin_over_the_length_of_the_weights(rows):
    pixels, gains, lacks = margins()
    found = rows.filter(attack="lbfgs")
    assert found["success"].all()
    for row in found.iter_rows(named=True):
        view = row["view"]
        assert row["l2"] == pytest.approx(lacks[view] / np.linalg.norm(gains[view]), rel=1e-3)
        assert row["l2"] == pytest.approx(shortest(pixels[view] / 255, gains[view], lacks[view]), rel=1e-3)
        assert row["distortion"] == pytest.approx(row["l2"] / np.sqrt(3 * SIDE**2))
        assert row["probability_after"] == pytest.approx(0.5, abs=1e-2)
    assert found["check"].all()
    assert not found["control_success"].any()
    # a change of less than half a grey level everywhere does not survive 8 bits
    assert not found.filter(pl.col("linf") < 0.5 / 255)["rounded"].any()


def test_fgsm_succeeds_where_eps_is_above_margin_over_the_sum_of_the_weights(rows):
    _, gains, lacks = margins()
    for row in rows.filter(attack="fgsm").iter_rows(named=True):
        threshold = 255 * lacks[row["view"]] / np.abs(gains[row["view"]]).sum()
        assert row["success"] == (row["strength"] > threshold)
        assert row["linf"] == pytest.approx(row["strength"] / 255)
    both = rows.filter(pl.col("attack").is_in(["fgsm", "pgd"]))
    assert set(both.group_by("strength").agg(pl.col("success").n_unique())["strength"]) == {0.5, 1.0, 8.0}
    assert both["success"].n_unique() == 2
    # half a grey level is either kept whole or lost
    assert (both.filter(pl.col("strength") == 8)["rounded"] == both.filter(pl.col("strength") == 8)["success"]).all()


def test_one_pixel_finds_nearly_what_is_best_and_beats_as_many_random_pixels(rows):
    pixels, gains, lacks = margins()
    found = rows.filter(attack="one_pixel")
    best = []
    for row in found.iter_rows(named=True):
        _, gain = best_pixel(pixels[row["view"]], -gains[row["view"]])
        least = 1 / (1 + np.exp(gain / 255 - lacks[row["view"]]))
        assert row["probability_after"] >= least - 1e-6
        best.append((row["probability_before"] - row["probability_after"]) / (row["probability_before"] - least))
        assert row["pixels"] == 1
        assert row["rounded"] == row["success"]
        assert row["queries"] % 60 == 0
    assert np.median(best) > 0.9
    assert found["probability_after"].mean() < found["control_probability"].mean()


def test_units_change_as_the_pixels_do(run):
    """The units are the three colours; a change of every pixel by eps moves their maxima by as much, up or down."""
    found = of_units(run, "planted", "identity").filter(attack="fgsm", strength=8.0)
    assert found["unit"].to_list() == [0, 1, 2]
    deviation = drawn(12)[0].max(axis=(1, 2)).std(axis=0) / 255
    assert (found["size"] <= 8 / 255 / deviation * 1.01).all()
    assert (found["on_after"] + found["off_after"] <= found["views"]).all()
    table = of_layers(run)
    assert (table.filter(attack="fgsm")["size"] > 0).all()
    assert table["layer"].unique().to_list() == ["identity"]
    assert of_concepts(run).height == 0  # nothing was dissected


def test_the_summary_counts_what_the_rows_say(run, rows):
    table = summary(run)
    assert table["rate"].to_list() == rows.group_by("attack", "strength", maintain_order=True).agg(
        pl.col("success").mean()
    )["success"].to_list()  # fmt: skip
    assert (table["low"] <= table["rate"]).all()
    assert (table["rate"] <= table["high"]).all()
    assert by_class(run).filter(attack="lbfgs").select("class", "becomes").sort("class").rows() == [(0, 1), (1, 0)]


@pytest.mark.slow
def test_rows_do_not_depend_on_blocks(run, rows, settings, tmp_path):
    again = audit_here(tmp_path / "run", **{**settings, "image_block": 3})
    found = schemas.scan_adversarial(again).sort("attack", "strength", "view").collect()
    assert found.equals(rows)
    keys = ["attack", "strength", "unit"]
    one, two = (schemas.scan_unit_shift(each).sort(keys).collect() for each in (run, again))
    assert one.equals(two)


@pytest.mark.slow
def test_another_strength_is_added_without_attacking_again(settings, tmp_path):
    small = {**settings, "vulnerable.attacks": "fgsm,lbfgs", "vulnerable.eps": 1.0, "vulnerable.tries": 3}
    run = audit_here(tmp_path / "run", **small)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.parquet") if "adversarial" in str(path)}
    audit_here(run, **{**small, "vulnerable.eps": "1,4"})
    assert set(of_layers(run)["strength"]) == {None, 1.0, 4.0}
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.slow
def test_the_smallest_change_of_several_classes_is_that_to_the_nearest(tmp_path):
    pixels, _ = drawn(6, seed=3)
    weight = np.moveaxis(weights(5), 1, 3).astype(float)
    scores = np.einsum("khwc,nhwc->nk", weight, pixels / 255 - 0.5)
    data = write(tmp_path / "data", pixels, scores.argmax(axis=1))
    found = attack(tmp_path / "any", data, "linear_of_five")
    for row in found.iter_rows(named=True):
        before = row["class"]
        lengths = {
            k: (scores[row["view"], before] - scores[row["view"], k]) / np.linalg.norm(weight[k] - weight[before])
            for k in range(5)
            if k != before
        }
        nearest = min(lengths, key=lambda k: lengths[k])
        assert row["predicted"] == nearest
        assert row["l2"] == pytest.approx(lengths[nearest], rel=1e-3)
    asked = attack(tmp_path / "asked", data, "linear_of_five", **{"vulnerable.target": 2})
    assert set(asked["predicted"]) == {2}
    assert 2 not in set(asked["class"])
    both = asked.join(found, on="view")
    assert (both["l2"] >= both["l2_right"] * (1 - 1e-3)).all()


def attack(out, data, factory, **more):
    run = audit_here(
        out, data=data, models=[entry(factory)], layers="identity", methods="vulnerable",
        **{"vulnerable.attacks": "lbfgs", **more},
    )  # fmt: skip
    return schemas.scan_adversarial(run).sort("view").collect()


def test_attacks_are_in_pixels_whatever_the_normalisation(run, rows, settings, tmp_path):
    """With a normalisation by .5 a step of eps is still one of eps in the image."""
    more = {"vulnerable.attacks": "lbfgs,fgsm", "models": [entry("linear", mean=[0.0] * 3, std=[0.5] * 3)]}
    again = schemas.scan_adversarial(audit_here(tmp_path / "run", **{**settings, **more})).collect()
    moved = again.filter(attack="fgsm")
    np.testing.assert_allclose(moved["linf"], moved["strength"] / 255, rtol=1e-6)
    assert again.filter(attack="lbfgs")["linf"].max() <= 1


def test_views_without_a_true_class_are_attacked_where_the_network_is_sure(settings, tmp_path):
    more = {"outputs.truth": "class", "vulnerable.attacks": "fgsm", "vulnerable.confidence": 0.999}
    pixels, _ = drawn(4)
    data = write(tmp_path / "data", pixels, ["no such class"] * 4)
    found = views(audit_here(tmp_path / "run", **{**settings, **more, "data": data}))
    assert found.row(0, named=True) == {
        "model": "planted", "views": 4, "attacked": 0, "wrong": 0, "unsure": 4, "target": 0,
    }  # fmt: skip


def test_what_cannot_be_attacked_is_refused_before_the_work(settings, tmp_path):
    def refused(**more):
        with pytest.raises(InputError) as refusal:
            audit(load_config(out=tmp_path / "run", **{**settings, **more, "actors": 0}))
        return str(refusal.value)

    assert refused(**{"vulnerable.target": 2}) == "--vulnerable.target 2: planted scores 2 classes, 0 to 1"
    assert "any, or the index of a class" in refused(**{"vulnerable.target": "predicted"})
    assert "numbers separated by commas, such as 1,2,4,8" in refused(**{"vulnerable.eps": "small"})
    assert "vulnerable.attacks" in refused(**{"vulnerable.attacks": "deepfool"})
    assert "one at least" in refused(**{"vulnerable.attacks": ""})
    assert "less than or equal to 255" in refused(**{"vulnerable.eps": 256})
    assert not (tmp_path / "run").exists()


def test_what_is_costly_is_told_before_it_runs(run):
    lines = costs.told(RunFolder(run).plan())
    assert [line.split()[1] for line in lines] == ["pgd", "lbfgs", "one_pixel"]
    assert (
        "one_pixel takes up to 3,720 forward passes a view, 37,200 in all, the cost of extracting 3,100 times"
        in lines[2]
    )


@pytest.mark.slow
def test_lenet_on_digits_is_changed_by_little_and_not_by_noise(test_data, tmp_path):
    """Attacks change what the last layers say far more than noise of equal length does."""
    folder = test_data / "mnist10k"
    with (
        gzip.open(folder / "t10k-images-idx3-ubyte.gz") as file,
        gzip.open(folder / "t10k-labels-idx1-ubyte.gz") as own,
    ):
        digits = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 28, 28)[:100]
        labels = np.frombuffer(own.read()[8:], np.uint8)[:100].tolist()
    weight = test_data / "weights" / "lenet5_mnist.pth"
    model = entry("lenet5", name="lenet5", input_size=32, mean=[0.1307], std=[0.3081], interpolation="bilinear")
    run = audit_here(
        tmp_path / "run", data=write(tmp_path / "data", digits, labels), methods="vulnerable",
        models=[{**model, "source": f"{model['source']}@{weight}"}], layers="convnet.c1,convnet.c5",
        **{"vulnerable.views": 8, "vulnerable.eps": 32.0},
    )  # fmt: skip
    table = {row["attack"]: row for row in summary(run).iter_rows(named=True)}
    assert table["lbfgs"]["views"] >= 7
    assert table["lbfgs"]["rate"] == 1
    assert table["pgd"]["rate"] >= 0.5  # .75 when measured, of 8; the bound was set from 12 other digits before
    assert table["pgd"]["rate"] >= table["fgsm"]["rate"]
    assert table["lbfgs"]["check"] >= 0.6
    assert max(row["control"] for row in table.values()) <= 0.15
    assert table["lbfgs"]["l2"] == pytest.approx(1.2, abs=0.5)
    assert table["lbfgs"]["l2"] < table["pgd"]["l2"]
    shifts = of_layers(run).filter(attack="lbfgs", layer="convnet.c5").row(0, named=True)
    assert shifts["size"] > 2 * shifts["in noise"]
    assert shifts["off after"] > 2 * shifts["off in noise"]


@pytest.mark.slow
def test_squeezenet_on_a_photograph_is_changed_by_less_than_can_be_seen(test_data, tmp_path):
    """Two weights of L-BFGS suffice."""
    folder = test_data / "imagenette1000"
    with DatasetWriter(tmp_path / "data", source={"reader": "imagenette"}) as out:
        out.attribute(out.image(folder / "images" / "n02102040_043.jpg"), "class", "217")
    model = {"source": f"torchvision:squeezenet1_1@{test_data / 'weights' / 'squeezenet1_1-rgb.pth'}"}
    run = audit_here(
        tmp_path / "run", data=tmp_path / "data", models=[model], layers="features.12", methods="vulnerable", store="none",
        **{"vulnerable.attacks": "lbfgs", "vulnerable.views": 1, "vulnerable.tries": 2},
    )  # fmt: skip
    (row,) = summary(run).iter_rows(named=True)
    assert (row["views"], row["rate"], row["control"]) == (1, 1.0, 0.0)
    found = schemas.scan_adversarial(run).collect()
    assert found["l2"].max() < 0.1  # .04 with eight weights
    assert found["linf"].max() < 4 / 255


@pytest.mark.slow
def test_resnet_on_cifar_is_changed_by_two_grey_levels(test_data, tmp_path):
    with (test_data / "cifar10_200" / "labels.csv").open() as file:
        labels = list(csv.DictReader(file))[::10]
    with DatasetWriter(tmp_path / "data", source={"reader": "cifar"}) as out:
        for row in labels:
            out.attribute(out.image(test_data / "cifar10_200" / "images" / row["image"]), "class", row["label"])
    model = {
        "source": f"factory:tests.factories:cifar_resnet20@{test_data / 'weights' / 'cifar_resnet20.pth'}",
        "input_size": 32, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "name": "resnet20",
    }  # fmt: skip
    run = audit_here(
        tmp_path / "run", data=tmp_path / "data", models=[model], layers="layer3", methods="vulnerable",
        **{"vulnerable.attacks": "fgsm,pgd", "vulnerable.views": 12, "vulnerable.eps": 2.0},
    )  # fmt: skip
    table = {row["attack"]: row for row in summary(run).iter_rows(named=True)}
    assert table["pgd"]["rate"] >= 0.8
    assert max(row["control"] for row in table.values()) <= 0.2
    shifts = of_layers(run).filter(attack="pgd").row(0, named=True)
    assert shifts["size"] > 1.5 * shifts["in noise"]
