"""Differential evolution finds the pixel that is best in closed form, far oftener than as many random pixels do."""

import numpy as np
import pytest

from filterscope.operators.attacks.one_pixel import one_pixel, painted, random_pixels
from tests.naive.attacks import best_pixel


def blob(random, side=32):
    """Return weights that look at one place, each channel with a sign of its own, under noise; and a grey image."""
    y, x = np.mgrid[:side, :side]
    row, column = random.integers(0, side, 2)
    weight = np.exp(-((y - row) ** 2 + (x - column) ** 2) / 18)[..., None] * random.choice([-1, 1], 3)
    weight = weight + 0.1 * random.normal(size=(side, side, 3))
    return weight, random.integers(100, 156, (side, side, 3)).astype(np.uint8)


def test_evolution_finds_the_best_pixel():
    random, found, by_chance = np.random.default_rng(1), 0, 0
    for _ in range(40):
        weight, image = blob(random)

        def rate(changes, weight=weight, image=image):
            rows, columns = changes[:, 0, 0], changes[:, 0, 1]
            return ((changes[:, 0, 2:] - image[rows, columns].astype(int)) * weight[rows, columns]).sum(axis=1)

        best, least = best_pixel(image, weight)
        one = one_pixel(image.shape, 1, rate, random, enough=-np.inf)
        assert one.queries == 400 * 101
        assert one.value >= -least - 1e-9
        other = random_pixels(image.shape, 1, rate, random, queries=one.queries)
        found += tuple(one.change[0, :2]) == best and one.value == pytest.approx(-least)
        by_chance += tuple(other.change[0, :2]) == best
    assert found >= 38
    assert by_chance <= 30


def test_it_ends_where_that_is_enough():
    random = np.random.default_rng(0)
    found = one_pixel((4, 4, 3), 2, lambda c: -c[:, 0, 0].astype(float), random, enough=-3, population=20)
    assert (found.value, found.queries) == (-3, 20)


@pytest.mark.parametrize("channels", [1, 3])
def test_candidates_are_pixels_of_the_image(channels):
    seen = []

    def rate(changes):
        seen.append(changes)
        return changes[:, :, 2:].sum(axis=(1, 2)).astype(float)

    found = one_pixel((5, 9, channels), 3, rate, np.random.default_rng(0), enough=-1, population=30, generations=20)
    every = np.concatenate(seen)
    assert every.shape == (30 * 21, 3, 2 + channels)
    assert every.min() == 0
    assert every[..., 0].max() == 4
    assert every[..., 1].max() == 8
    assert every[..., 2:].max() == 255
    assert found.value == every[..., 2:].sum(axis=(1, 2)).min()
    first = every[:30, :, 2:]
    assert ((first == 0) | (first == 255)).mean() == pytest.approx(0.31, abs=0.12)  # N(128, 127) cut to 0..255


def test_of_two_changes_of_a_pixel_the_later_counts():
    image = np.zeros((2, 2, 1), np.uint8)
    found = painted(image, np.array([[[0, 1, 7], [0, 1, 9]], [[1, 0, 3], [0, 0, 4]]]))
    np.testing.assert_array_equal(found[..., 0], [[[0, 9], [0, 0]], [[4, 0], [3, 0]]])
    assert not image.any()


def test_random_pixels_take_as_many_queries_as_asked():
    counted = []
    rate = lambda changes: (counted.append(len(changes)), changes[:, 0, 2].astype(float))[1]  # noqa: E731
    found = random_pixels((3, 3, 1), 1, rate, np.random.default_rng(0), queries=250, batch=100)
    assert counted == [100, 100, 50]
    assert found.value == found.change[0, 2]
