"""Measures of pictures by hand, controls against scikit-learn, damaged features, shares inside masks."""

import numpy as np
import pytest

from filterscope.operators.upconvolution.controls import Ridge, nearest, others
from filterscope.operators.upconvolution.measures import (
    centroids,
    colour_error,
    distances,
    edge_error,
    interval,
    pair_distance,
    place_error,
    relative,
    structure,
)
from filterscope.operators.upconvolution.probes import binary, dropped, probes, top
from filterscope.operators.upconvolution.units import inside, masks


def square(row, column, side=12):
    image = np.full((side, side, 3), 0.2)
    image[row : row + 2, column : column + 2] = (0.9, 0.3, 0.3)
    return image


def test_place_is_that_of_the_centroid_and_colour_that_of_the_mean():
    images = np.stack([square(0, 0), square(4, 6)])
    assert centroids(images) == pytest.approx(np.array([[1, 1], [5, 7]]) / 12)
    assert place_error(images[:1], images[1:])[0] == pytest.approx(np.hypot(4, 6) / 12 / np.sqrt(2))
    assert colour_error(images[:1], images[1:])[0] == pytest.approx(0, abs=1e-9)
    assert colour_error(images, images[..., ::-1]).min() > 1
    assert centroids(np.full((1, 4, 4, 3), 0.5)).tolist() == [[0.5, 0.5]]


def test_errors_are_those_of_loops():
    random = np.random.default_rng(0)
    images, made = random.random((2, 5, 8, 8, 3))
    by_hand = [
        sum((a - b) ** 2 for a, b in zip(x.ravel(), y.ravel(), strict=True)) ** 0.5
        for x, y in zip(images, made, strict=True)
    ]
    assert distances(images, made) == pytest.approx(by_hand)
    assert pair_distance(images[:2], 0) == pytest.approx(distances(images[:1], images[1:2])[0])
    assert structure(images, images) == pytest.approx(1)
    assert (structure(images, made) < 0.5).all()
    assert np.isnan(structure(images[:, :6], made[:, :6])).all()
    assert edge_error(images, images) == pytest.approx(0)
    assert edge_error(images, np.full_like(images, 0.5)).mean() == pytest.approx(1)
    assert relative(images, 0 * images) == pytest.approx(1)
    assert interval(np.array([1.0, 3, np.nan])) == pytest.approx((2, 2 - 1.96, 2 + 1.96))


def test_the_linear_inverter_is_that_of_scikit_learn():
    from sklearn.linear_model import Ridge as Oracle

    random = np.random.default_rng(1)
    features, targets, more = random.normal(size=(30, 50)), random.normal(size=(30, 4)), random.normal(size=(7, 50))
    ours = Ridge(features, targets, 0.1)
    assert ours(more) == pytest.approx(Oracle(alpha=ours.weight).fit(features, targets).predict(more))


def test_the_nearest_and_the_others():
    known = np.array([[0.0, 0], [3, 4], [10, 0]])
    assert nearest(np.array([[2.0, 2], [9, 1]]), known).tolist() == [1, 2]
    found = others(9, 0)
    assert sorted(found.tolist()) == list(range(9))
    assert (found != np.arange(9)).all()


def test_damaged_features_keep_their_length():
    random = np.random.default_rng(2)
    features = random.normal(size=(3, 8, 1, 1)).astype(np.float32)
    length = np.linalg.norm(features.reshape(3, -1), axis=1)
    signs = binary(features)
    assert np.ptp(np.abs(signs), axis=1).max() < 1e-6
    for found in (signs, dropped(features, 0.5, 0)):
        assert np.linalg.norm(found.reshape(3, -1), axis=1) == pytest.approx(length, rel=1e-5)
    assert (top(features) + top(features, others=True) == features).all()
    assert ((top(features) != 0).sum(axis=1) == 5).all()
    assert len(probes(features, 0)) == 6
    assert len(probes(features.reshape(3, 2, 2, 2), 0)) == 4


def test_a_mask_is_a_fifth_and_holds_its_share_of_a_change():
    maps = np.arange(100.0).reshape(1, 10, 10)
    mask = masks(maps)
    assert mask.sum() == 20
    assert mask[0, 8:].all()
    changes = np.ones((1, 10, 10, 3))
    assert inside(changes, mask)[0] == pytest.approx(0.2)
    assert np.isnan(inside(changes, masks(0 * maps))[0])
