"""Groups that attributes state are left out as predicted; training images changed within rounding flip labels, unlike noise."""

import numpy as np
import polars as pl
import pytest
from PIL import Image

from filterscope import schemas
from filterscope.jobs.config.audit import load_config
from filterscope.jobs.runs.audit import audit
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.influence.findings import attacks, groups
from filterscope.pipeline.methods.influence.labels import TEST, TRAIN, Labels
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here
from tests.planted.victims import SIDE, filters

COUNT = 60
#: Images of another camera, whose labels are the other way round.
OLD = range(0, COUNT, 5)


def write(folder):
    """Write images of all but one grey, whose class is on which side of the median the first filter answers."""
    pixels = np.random.default_rng(0).integers(127, 129, (COUNT, SIDE, SIDE, 3)).astype(np.uint8)
    weight = np.moveaxis(filters()[0].weight.detach().numpy()[0], 0, 2)
    answers = (pixels * weight).sum(axis=(1, 2, 3))
    high = answers > np.median(answers)
    with DatasetWriter(folder, source={"reader": "test"}) as out:
        for number in range(COUNT):
            path = folder.parent / f"{number}.png"
            Image.fromarray(pixels[number]).save(path)
            image = out.image(path)
            out.attribute(image, "class", "high" if high[number] ^ (number in OLD) else "low")
            out.attribute(image, "camera", "old" if number in OLD else "new")
            if number == 3:
                out.attribute(image, "rare", "alone")
    return folder


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return {
        "data": write(tmp_path_factory.mktemp("filters") / "data"), "layers": "0", "image_block": 16,
        "models": [{**planted.entry("network"), "source": "factory:tests.planted.victims:filters", "input_size": SIDE}],
        "methods": "influence", "influence.checks": 0, "influence.flips": 0.0, "influence.groups": "class,camera,rare",
        "influence.attacked": 8, "influence.perturbed": "1,10", "influence.steps": 10,
    }  # fmt: skip


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("own") / "run", **settings)


def test_groups_are_values_of_the_attributes_that_are_named(run):
    rows = schemas.scan_group_influence(run).collect()
    role = Labels.of(RunFolder(run).plan()).role
    old = np.isin(np.arange(COUNT), OLD)
    assert set(rows.select("attribute", "value").rows()) == {
        ("class", "high"), ("class", "low"), ("camera", "old"), ("camera", "new"),
    }  # fmt: skip
    (row,) = rows.filter(value="old").to_dicts()
    assert row["train_views"] == row["left_out"] == (old & (role == TRAIN)).sum()
    assert row["test_views"] == (old & (role == TEST)).sum()
    (high,) = rows.filter(value="high").to_dicts()
    assert high["left_out"] == high["train_views"] // 2


def test_a_group_whose_labels_are_inverted_helps_its_own_and_harms_the_others(run):
    (row,) = schemas.scan_group_influence(run).filter(pl.col("value") == "old").collect().to_dicts()
    tests = len(schemas.scan_influence(run).select("view").unique().collect())
    for which in ("actual", "predicted"):
        own = row[f"own_{which}"]
        others = (tests * row[f"{which}_change"] - row["test_views"] * own) / (tests - row["test_views"])
        assert own > 0 > others
    assert row["own_actual"] > 5 * abs(row["random_own"])
    assert row["pearson"] > 0.95
    shown = groups(run).filter(value="old").to_dicts()[0]
    assert (shown["actual"], shown["random group"]) == (row["actual_change"], row["random_actual"])


def test_labels_flip_within_rounding_and_not_by_noise(run):
    rows = schemas.scan_training_attack(run).sort("view", "perturbed").collect()
    assert set(rows["perturbed"]) == {1, 10}
    assert (rows["linf"] < 0.5).all()
    assert (rows["linf"] > 0.4).all()
    found = Labels.of(RunFolder(run).plan())
    assert (found.role[rows["view"].to_numpy()] == TEST).all()
    assert all((found.role[np.array(views)] == TRAIN).all() for views in rows["train_views"])
    many = rows.filter(perturbed=10)
    assert many["flipped"].mean() >= 0.8  # 5 of 6
    assert (many["loss_after"] > many["loss_before"]).all()
    assert not rows["noise_flipped"].any()
    assert (many["loss_after"] - many["loss_before"] > 2 * (many["noise_loss"] - many["loss_before"]).abs()).all()
    # the first of ten views is the one of one
    one = rows.filter(perturbed=1)
    assert [views[0] for views in many["train_views"]] == [views[0] for views in one["train_views"]]
    table = attacks(run).to_dicts()
    assert [row["perturbed"] for row in table] == [1, 10]
    assert (table[1]["share flipped"], table[1]["by noise"], table[1]["views"]) == (
        many["flipped"].mean(), 0, many.height,
    )  # fmt: skip
    assert table[1]["low"] < table[1]["share flipped"] < table[1]["high"]


@pytest.mark.parametrize("changed", [{"image_block": 7}])
def test_blocks_of_any_size_give_the_same_bits(settings, run, tmp_path, changed):
    other = audit_here(tmp_path / "run", **{**settings, **changed})
    for name, keys in (("group_influence", ["attribute", "value"]), ("training_attack", ["view", "perturbed"])):
        one, two = (schemas.scan(where, name).sort(keys).collect() for where in (run, other))
        assert one.height
        assert one.equals(two), name


def test_without_being_asked_nothing_is_attacked_and_groups_are_classes(settings, tmp_path):
    plain = {name: value for name, value in settings.items() if name.partition(".")[0] != "influence"}
    run = audit_here(tmp_path / "run", **plain)
    assert set(groups(run)["attribute"]) == {"class"}
    assert attacks(run).is_empty()


def test_an_attribute_that_no_image_has_is_refused(settings, tmp_path):
    def refused(**more):
        with pytest.raises(InputError) as refusal:
            audit(load_config(out=tmp_path / "run", **{**settings, **more, "actors": 0}))
        return str(refusal.value)

    assert "has no attribute 'camra'. Did you mean 'camera'?" in refused(**{"influence.groups": "class,camra"})
    assert "Attributes are: camera, class, rare" in refused(**{"influence.groups": "zzz"})
    assert "whole numbers separated by commas" in refused(**{"influence.perturbed": "many"})
    assert "greater than or equal to 1" in refused(**{"influence.perturbed": 0})
    assert not (tmp_path / "run").exists()
