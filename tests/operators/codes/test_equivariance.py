"""Planted encoders tell the size of a transform, noise does not, and images are moved the right way."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from filterscope.operators.codes import equivariance as module
from filterscope.operators.codes.equivariance import TRANSFORMS, compared, drawn, split, told, transformed
from filterscope.operators.codes.morphometry import FACTORS, morphometry

AT = {name: number for number, name in enumerate(FACTORS)}


def blob():
    y, x = np.mgrid[:33, :33]
    image = np.exp(-(((x - 16) / 2) ** 2 + ((y - 16) / 4) ** 2) / 2)
    return np.rint(255 * image).astype(np.uint8)[..., None]


def shape_of(kind, size):
    return morphometry(transformed(blob(), kind, size)[None, :, :, 0] / 255)[0]


def test_images_are_moved_by_what_is_said():
    before = shape_of("scale", 1.0)
    assert shape_of("shift", 3 / 33)[AT["x"]] - before[AT["x"]] == pytest.approx(3, abs=0.05)
    assert shape_of("scale", 1.2)[AT["height"]] / before[AT["height"]] == pytest.approx(1.2, abs=0.02)
    assert abs(shape_of("rotation", 20.0)[AT["slant"]]) == pytest.approx(np.arctan(
        np.sin(2 * np.deg2rad(20)) / 2 * (16 - 4) / (16 * np.cos(np.deg2rad(20)) ** 2 + 4 * np.sin(np.deg2rad(20)) ** 2)),
        abs=0.02)  # fmt: skip
    assert abs(np.tan(shape_of("shear", 0.3)[AT["slant"]])) > 0.03
    assert shape_of("dilation", 1.0)[AT["area"]] > 1.2 * before[AT["area"]]
    np.testing.assert_array_equal(transformed(blob(), "dilation", 0.0), blob())
    for kind in TRANSFORMS:
        assert transformed(blob(), kind, 0.0 if kind != "scale" else 1.0) == pytest.approx(blob())


def test_a_planted_encoder_tells_the_size_and_noise_does_not():
    random = np.random.default_rng(0)
    sizes = np.array([drawn("rotation", random) for _ in range(240)])
    codes = np.column_stack([sizes + 0.1 * random.normal(size=240), random.normal(size=(240, 5))])
    noise = random.normal(size=(240, 6))
    planted, pixels, permuted = compared(codes, [noise], sizes, np.random.default_rng(1))
    assert planted > 0.99
    assert max(pixels, permuted) < 0.1


def test_ridge_is_that_of_scikit_learn():
    random = np.random.default_rng(0)
    for width in (4, 90):
        values, size = random.normal(size=(60, width)), random.normal(size=60)
        train, test = split(60, random)
        fitted = Ridge(alpha=0.1 * len(train)).fit(values[train], size[train])
        expected = ((fitted.predict(values[test]) - size[test]) ** 2).sum()
        assert module._squares(values, size, train, test, 0.1) == pytest.approx(expected)


def test_a_size_that_does_not_vary_is_not_told():
    random = np.random.default_rng(0)
    assert np.isnan(told(random.normal(size=(30, 2)), np.ones(30), *split(30, random)))
