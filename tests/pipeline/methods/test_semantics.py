"""A planted unit that follows a class is pure, its layer stands beside other directions, and another network judges."""

import numpy as np
import polars as pl
import pytest
from PIL import Image

from filterscope import schemas
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.semantics.findings import by_depth, headline, of_layer, of_units
from filterscope.pipeline.methods.semantics.judge import Judge, coarse
from tests import planted
from tests.audits import audit_here
from tests.planted import SIZE

KINDS, EACH = ("red", "green", "blue"), 16


def write_colours(folder):
    """Write images of one colour each, of levels that overlap between colours, with a little of the other two."""
    rng = np.random.default_rng(0)
    with DatasetWriter(folder, source={"reader": "test"}) as out:
        for number in range(len(KINDS) * EACH):
            pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
            pixels[...] = rng.integers(0, 40, 3)
            pixels[..., number % 3] = rng.integers(100, 250)
            Image.fromarray(pixels).save(folder.parent / "one.png")
            image = out.image(folder.parent / "one.png", name=f"{number:03}.png")
            if number >= 3:
                out.attribute(image, "class", KINDS[number % 3])
            out.attribute(image, "all", "alike")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_colours(tmp_path_factory.mktemp("colours") / "data")


def settings(data, **more):
    own = {"data": data, "models": [planted.entry("network")], "layers": "1", "methods": "semantics"}
    return {**own, "image_block": 16, "semantics.draws": 19, **more}


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("own") / "run", **settings(data))


def unit_rows(run):
    return schemas.scan_direction_semantics(run).filter(pl.col("basis") == "unit").sort("direction").collect()


def test_the_planted_unit_is_pure_and_a_dead_one_is_left_out(run):
    rows = unit_rows(run)
    assert 2 not in rows["direction"].to_list()
    red = rows.row(0, named=True)
    assert (red["direction"], red["concept"], red["purity"], red["concept_share"]) == (
        0,
        "red",
        1.0,
        pytest.approx(1 / 3),
    )
    assert all(view % 3 == 0 and view >= 3 for view in red["views"])
    assert len(set(red["views"])) == red["images"] == 8
    assert red["likeness"] > 0.9
    assert red["coherence"] is None


def test_the_layer_stands_beside_draws_and_chance(run):
    rows = schemas.scan_layer_semantics(run).collect()
    assert rows["basis"].to_list() == ["unit", "random", "rotated", "standardised"]
    assert rows["draws"].to_list() == [1, 19, 19, 19]
    assert rows["purity"][0] == unit_rows(run)["purity"].mean()
    # eight of 45 images of three equal classes, drawn without replacement
    random = np.random.default_rng(0)
    expected = np.mean([np.bincount(random.permutation(45)[:8] % 3).max() / 8 for _ in range(4000)])
    assert rows["purity_chance"].unique().to_list() == [pytest.approx(expected, abs=0.02)]
    assert rows["purity_p"].is_null().to_list() == [True, False, False, False]
    for low, mean, high in rows.select("purity_low", "purity", "purity_high").rows()[1:]:
        assert low <= mean <= high
    unit = by_depth(run).filter(basis="unit").row(0, named=True)
    assert (unit["depth"], unit["purity"], unit["purity low"]) == (1, rows["purity"][0], None)
    assert "coherence" not in headline(run).columns
    assert set(of_layer(run, "planted", "1")["basis"]) == {"unit", "random"}
    assert of_units(run, "planted", "1")["unit"].to_list() == unit_rows(run)["direction"].to_list()


def test_another_network_judges(data, tmp_path):
    judge = "factory:tests.planted:classifier;input_size=32;mean=0,0,0;std=1,1,1"
    run = audit_here(tmp_path / "run", **settings(data, **{"semantics.judge": judge}))
    red, names = unit_rows(run).row(0, named=True), data / "images"
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in sorted(names.rglob("*.png"))])
    scores = Judge(judge, "cpu")(pixels).astype(float)
    away = scores - scores[3:].mean(axis=0)
    unit = away / np.linalg.norm(away, axis=1, keepdims=True)
    cosines = (unit @ unit.T)[np.ix_(red["views"], red["views"])]
    assert red["coherence"] == pytest.approx(cosines[np.triu_indices(8, 1)].mean(), abs=1e-5)
    rows = headline(run)
    assert rows["coherence_p"].is_null().to_list() == [True, False, False, False]
    # two different labelled images at random
    pairs = (unit @ unit.T)[3:, 3:][np.triu_indices(45, 1)]
    assert rows["coherence_chance"].unique().to_list() == [pytest.approx(pairs.mean(), abs=0.03)]


def test_coarse_pixels_are_means_of_cells():
    image = np.random.default_rng(0).integers(0, 256, (1, 16, 24, 3)).astype(np.uint8)
    expected = image.reshape(1, 8, 2, 8, 3, 3).mean(axis=(2, 4)).ravel()
    np.testing.assert_allclose(coarse(image)[0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("label", "clas", r"no attribute 'clas'\. Did you mean 'class'"),
        ("label", "all", r"have the value 'alike'; name one of two labels"),
        ("judge", "factory:tests.planted:nothing", r"--semantics\.judge: "),
    ],
)
def test_what_cannot_be_compared_is_refused(data, tmp_path, option, value, words):
    with pytest.raises(InputError, match=words):
        audit_here(tmp_path / "run", **settings(data, **{f"semantics.{option}": value}))
