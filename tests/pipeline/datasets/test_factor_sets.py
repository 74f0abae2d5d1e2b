"""Drawn sets state their factors; these are independent, and what is drawn has them."""

import hashlib

import numpy as np
import pytest
from typer.testing import CliRunner

from filterscope.jobs.cli.importing import app
from filterscope.operators.codes.morphometry import FACTORS, morphometry
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.datasets.sample import composed, sprites, strokes
from filterscope.pipeline.datasets.sample.dice import Dice
from filterscope.pipeline.datasets.sample.factor_sets import KINDS, draw_factor_set
from filterscope.pipeline.engine.errors import InputError

NUMBERS = {
    "strokes": ("thickness", "slant", "width", "height", "x", "y"),
    "shapes": ("scale", "rotation", "x", "y"),
    "parts": ("width", "height", "x", "y", "split"),
}
DRAW = {
    "strokes": strokes.draw,
    "shapes": sprites.draw,
    "parts": lambda dice: composed.draw(dice)[:2],
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_set_states_the_factors_of_every_image_and_begins_with_every_smaller_one(kind, tmp_path):
    draw_factor_set(tmp_path / "six", kind, images=6, seed=3)
    draw_factor_set(tmp_path / "four", kind, images=4, seed=3)
    six, four = Dataset.open(tmp_path / "six", need=None), Dataset.open(tmp_path / "four", need=None)
    rows = six.table("attributes").to_pylist()
    assert {row["attribute"] for row in rows if row["image"] == 5} >= set(NUMBERS[kind])
    assert [row for row in rows if row["image"] < 4] == four.table("attributes").to_pylist()
    for one, other in zip(four.images["uri"].to_pylist(), six.images["uri"].to_pylist(), strict=False):
        assert six.path(other).read_bytes() == four.path(one).read_bytes()
    assert six.images["split"].to_pylist() == ["train"] * 4 + ["val", "train"]


@pytest.mark.parametrize("kind", KINDS)
def test_factors_are_uniform_and_independent(kind):
    stated = [DRAW[kind](Dice(0, index))[1] for index in range(400)]
    values = np.array([[float(factors[name]) for name in NUMBERS[kind]] for factors in stated])
    correlation = np.corrcoef(values.T) - np.eye(values.shape[1])
    assert np.abs(correlation).max() < 0.17  # 3.4 standard deviations
    low, high = values.min(0), values.max(0)
    assert (np.abs((values.mean(0) - low) / (high - low) - 0.5) < 0.06).all()
    np.testing.assert_allclose(values.std(0) / (high - low), 12**-0.5, atol=0.03)


def test_strokes_have_the_shapes_that_they_state():
    drawn = [strokes.draw(Dice(1, index)) for index in range(300)]
    measured = dict(zip(FACTORS, morphometry(np.stack([pixels for pixels, _ in drawn]) / 255).T, strict=True))
    stated = {name: np.array([float(factors[name]) for _, factors in drawn]) for name in NUMBERS["strokes"]}
    of_class = [np.array([factors["class"] == name for _, factors in drawn]) for name in strokes.GLYPHS]
    for name in NUMBERS["strokes"]:  # a 1 is narrower than a 0 of the same width: compared within a class
        one, other = (np.concatenate([values[own] - values[own].mean() for own in of_class])
                      for values in (stated[name], measured[name]))  # fmt: skip
        assert np.corrcoef(one, other)[0, 1] > 0.95, name
    assert {factors["class"] for _, factors in drawn} == set(strokes.GLYPHS)
    assert max(pixels[0].max() for pixels, _ in drawn) < 255  # no stroke is cut off


def test_shapes_are_as_large_and_where_they_say():
    for index in range(60):
        pixels, factors = sprites.draw(Dice(2, index))
        light = pixels.max(axis=2) / pixels.max()
        y, x = (np.average(at, weights=light) for at in np.mgrid[:64, :64])
        scale = float(factors["scale"])
        assert np.hypot(x - float(factors["x"]), y - float(factors["y"])) < 0.25 * scale
        assert 0.9 < light.sum() / scale**2 < 3
        assert tuple(pixels.reshape(-1, 3)[light.argmax()]) == sprites.COLOURS[factors["colour"]]


def test_parts_are_labelled_where_they_are_and_the_class_says_how_they_lie(tmp_path):
    draw_factor_set(tmp_path / "data", "parts", images=8)
    data = Dataset.open(tmp_path / "data", need="landmarks")
    assert data.rows("objects") == 8
    assert data.rows("landmarks") == data.rows("segments") == 16
    for index in range(8):
        found = composed.draw(Dice(0, index))
        first, second = found.parts.values()
        assert (first[2] == second[0]) == (found.factors["class"] == "beside")
        assert (first[3] == second[1]) == (found.factors["class"] == "stacked")
        inside = np.zeros((64, 64), bool)
        for x0, y0, x1, y1 in (first, second):
            inside[y0:y1, x0:x1] = True
        np.testing.assert_array_equal(found.pixels.any(axis=2), inside)


def test_the_verb_draws_them_and_the_default_is_as_it_was(tmp_path):
    run = CliRunner()
    result = run.invoke(app, ["sample", str(tmp_path / "strokes"), "--kind", "strokes", "--images", "3"])
    assert result.exit_code == 0, result.output
    assert Dataset.open(tmp_path / "strokes", need=None).rows("images") == 3
    for name, more in (("one", []), ("two", ["--kind", "scenes"])):
        assert run.invoke(app, ["sample", str(tmp_path / name), "--images", "2", *more]).exit_code == 0
    one, two = Dataset.open(tmp_path / "one", need=None), Dataset.open(tmp_path / "two", need=None)
    assert one.identity == two.identity


@pytest.mark.parametrize(("asked", "said"), [
    ({"kind": "stroke"}, "Did you mean 'strokes'"),
    ({"kind": "strokes", "images": 0}, "at least 1"),
    ({"kind": "strokes", "seed": -1}, "from 0"),
])  # fmt: skip
def test_bad_requests_are_refused_in_words(asked, said, tmp_path):
    with pytest.raises(InputError, match=said):
        draw_factor_set(tmp_path / "data", **asked)
    assert not (tmp_path / "data").exists()


def test_pictures_are_those_of_the_first_release():
    for kind, expected in DIGESTS.items():
        pixels = np.stack([np.asarray(DRAW[kind](Dice(0, index))[0]) for index in range(4)])
        assert hashlib.sha256(pixels.tobytes()).hexdigest()[:12] == expected, kind


DIGESTS = {"strokes": "74c808c28816", "shapes": "7854c69c9e31", "parts": "2d7677e2f7eb"}
