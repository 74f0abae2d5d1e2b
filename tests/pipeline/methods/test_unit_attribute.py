"""A planted unit that follows an attribute is found, with the area that the levels of its images have; chance is not."""

import csv
import shutil

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from filterscope import schemas
from filterscope.jobs.config.audit import load_config
from filterscope.pipeline.datasets.attributes import import_attributes
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.unit_attribute.findings import best_of_layers, headline, of_layer, of_units
from tests import planted
from tests.audits import audit_here
from tests.planted import SIZE

IMAGES, FACES = 240, 300


def planted_levels():
    """Levels of red: normal quantiles, a standard deviation higher where an image is ripe; with attributes of chance."""
    rng = np.random.default_rng(0)
    ripe, quantiles = np.arange(IMAGES) % 2, norm.ppf((np.arange(IMAGES // 2) + 0.5) * 2 / IMAGES)
    normal = np.stack([rng.permutation(quantiles), rng.permutation(quantiles)], axis=1).ravel()
    levels = np.clip(100 + 30 * (ripe + normal), 1, 255).astype(np.uint8)
    return levels, ripe, rng.integers(0, 2, (8, IMAGES))


def write_ripe(folder, group_of=None):
    levels, ripe, noise = planted_levels()
    with DatasetWriter(folder, source={"reader": "test"}, group_of=group_of) as out:
        for number, level in enumerate(levels):
            pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
            pixels[..., 0] = level
            Image.fromarray(pixels).save(folder.parent / "one.png")
            image = out.image(folder.parent / "one.png", name=f"{number:03}.png")
            if number % 20 not in (0, 1):
                out.attribute(image, "ripe", str(ripe[number]))
            for which, values in enumerate(noise):
                out.attribute(image, f"chance {which}", str(values[number]))
            out.attribute(image, "rare", str(int(number in (3, 4))))
            out.attribute(image, "class", "pea" if level < 90 else "tomato" if level > 140 else "plum")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_ripe(tmp_path_factory.mktemp("ripe") / "data")


def settings(data, **more):
    own = {"data": data, "models": [planted.entry("network")], "layers": "1", "methods": "unit-attribute"}
    return {**own, "image_block": 64, **more}


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("own") / "run", **settings(data))


def rows(run, table="unit_attribute"):
    return schemas.scan(run, table).sort(pl.all()).collect()


def test_the_planted_unit_ranks_first_with_the_area_of_its_levels(run):
    levels, ripe, _ = planted_levels()
    known = np.arange(IMAGES) % 20 > 1
    found = rows(run).filter(attribute="ripe", unit=0).row(0, named=True)
    assert (found["positives"], found["negatives"]) == (ripe[known].sum(), (1 - ripe[known]).sum())
    assert found["auc"] == pytest.approx(roc_auc_score(ripe[known], levels[known]), abs=1e-12)
    assert found["auc"] == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.03)
    one, none = (levels[known & (ripe == kind)] / 255 for kind in (1, 0))
    assert found["d_prime"] == pytest.approx(
        (one.mean() - none.mean()) / ((one.var() + none.var()) / 2) ** 0.5, rel=1e-3
    )
    assert found["q_value"] <= 0.05
    layer = rows(run, "layer_attribute").filter(attribute="ripe").row(0, named=True)
    assert (layer["best_unit"], layer["best_auc"], layer["significant"]) == (0, found["auc"], 1)
    assert layer["p_value"] == 1 / 51
    assert 0.5 < found["auc_by_chance"] == layer["best_by_chance"] < 0.55


def test_attributes_of_chance_and_units_that_do_not_vary_are_not_found(run):
    found = rows(run)
    chance = found.filter(pl.col("attribute").str.starts_with("chance"))
    assert (chance["q_value"] > 0.05).all()
    constant = found.filter(pl.col("unit") > 0)
    assert constant.select("auc", "auc_by_chance").unique().rows() == [(0.5, 0.5)]
    assert constant["d_prime"].null_count() == constant.height
    assert (constant["q_value"].drop_nulls() == 1).all()


def test_classes_are_attributes_by_value_and_one_that_few_images_have_is_not_tested(run):
    found = rows(run)
    of_class = found.filter(pl.col("attribute").str.starts_with("class="), unit=0).sort("attribute")
    assert of_class["attribute"].to_list() == ["class=pea", "class=plum", "class=tomato"]
    assert of_class["auc"].to_list()[::2] == [0, 1]
    rare = found.filter(attribute="rare")
    assert (rare["positives"].unique().to_list(), rare["q_value"].null_count()) == ([2], rare.height)
    assert rows(run, "layer_attribute").filter(attribute="rare")["significant"].to_list() == [None]


def test_what_is_told_of_them(run):
    head = headline(run).row(0, named=True)
    assert head["by chance"] == pytest.approx(0.6)
    assert (head["tested"], head["found"], head["strong"], head["strong units"]) == (12, 3, 3, 1)
    assert head["pairs"] in (3, 4)  # the middle of three classes is told weakly
    assert head["pairs by chance"] < 0.2
    assert best_of_layers(run, 2)["attribute"].to_list() == ["class=pea", "class=tomato"]
    units = of_units(run, "planted", "1")
    assert units.filter(unit=0)["attribute"].to_list() == ["class=pea", "class=tomato", "ripe"]
    assert units["knowledge"].cast(str).to_list() == ["strong"] * 3 + ["chance"] * 6
    assert of_layer(run, "planted", "1").height == 13


@pytest.mark.slow
def test_numbers_do_not_depend_on_blocks(run, data, tmp_path):
    other = audit_here(tmp_path / "run", **settings(data, unit_block=1, image_block=17))
    for table in ("unit_attribute", "layer_attribute"):
        assert rows(other, table).equals(rows(run, table))


def test_views_of_one_image_are_one(run, data, tmp_path):
    """Flat images are the same mirrored: twice as many views are no more evidence."""
    flipped = audit_here(tmp_path / "run", **settings(data, flips=True))
    assert rows(flipped).equals(rows(run))


def test_groups_change_places_as_wholes(data, tmp_path):
    """Four groups are too few; of forty, whose images differ, the planted unit is found all the same."""
    few = write_ripe(tmp_path / "few", lambda name: str(int(name[:3]) % 4))
    with pytest.raises(InputError, match=r"in 10 groups or more have it .* lower --min-images or --min-groups"):
        audit_here(tmp_path / "run", **settings(few))
    many = write_ripe(tmp_path / "many", lambda name: str(int(name[:3]) % 40))
    found = rows(audit_here(tmp_path / "run", **settings(many)))
    own = {name: found.filter(attribute=name, unit=0)["q_value"].item() for name in ("ripe", "chance 0")}
    assert own["ripe"] <= 0.05 < own["chance 0"]


def test_some_attributes_may_be_asked_for(data, tmp_path):
    asked = {"unit-attribute.attributes": "class, ripe"}
    found = rows(audit_here(tmp_path / "run", **settings(data, **asked)))
    assert found["attribute"].unique().sort().to_list() == ["class=pea", "class=plum", "class=tomato", "ripe"]
    with pytest.raises(InputError, match=r"no attribute 'rype' that 10 images or more have. Did you mean 'ripe'"):
        audit_here(tmp_path / "other", **settings(data, **{"unit-attribute.attributes": "rype"}))
    with pytest.raises(InputError, match="do 500 images or more have it and as many lack it"):
        audit_here(tmp_path / "other", **settings(data, min_images=500))
    assert not (tmp_path / "other").exists()


def test_what_needs_concepts_says_what_attributes_can_be_asked_for(data, tmp_path):
    with pytest.raises(InputError, match=r"has no concepts: .* ask for --methods unit-attribute"):
        audit_here(tmp_path / "run", **settings(data, methods="dissection,unit-attribute"))
    assert load_config(out=tmp_path / "run", **settings(data))


@pytest.mark.slow
def test_attributes_of_real_faces_and_their_labels_in_another_order(test_data, tmp_path):
    """Of 40 attributes of 300 faces an ImageNet network tells most; of faces with the labels of others, none."""
    with (test_data / "faces8k" / "attributes.csv").open() as file:
        header, *stated = list(csv.reader(file))[: FACES + 1]
    drawn = np.random.default_rng(0).permutation(FACES)
    weights = test_data / "weights" / "squeezenet1_1-rgb.pth"
    heads = {}
    for name, order in (("true", np.arange(FACES)), ("permuted", drawn)):
        source = tmp_path / name
        (source / "images").mkdir(parents=True)
        for row in stated:
            shutil.copy(test_data / "faces8k" / "images" / row[0], source / "images")
        given = [[row[0], *stated[other][1:]] for row, other in zip(stated, order, strict=True)]
        with (source / "attributes.csv").open("w", newline="") as file:
            csv.writer(file).writerows([header, *given])
        import_attributes(source, source / "data")
        asked = {"data": source / "data", "models": [f"torchvision:squeezenet1_1@{weights}"], "layers": "features.12"}
        run = audit_here(source / "run", **asked, methods="unit-attribute")
        heads[name] = headline(run).row(0, named=True)
    assert heads["true"]["tested"] == heads["permuted"]["tested"] >= 35
    assert heads["true"]["found"] >= 28
    assert heads["true"]["pairs"] > 20 * heads["true"]["pairs by chance"]
    assert heads["permuted"]["found"] <= 6  # 2 expected, not independent
    assert heads["permuted"]["strong"] == 0
    best = best_of_layers(tmp_path / "true" / "run", 40)
    assert abs(best.filter(attribute="Male")["best_auc"].item() - 0.5) > 0.25
