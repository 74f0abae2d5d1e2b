"""Fields by gradients: radii, axes and offsets that are known, and the fewest pixels that hold a share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from filterscope.operators.location.effective_field import around_centres, effective_field, holding, uniform
from filterscope.operators.location.occlusion import Recentred
from tests.naive import location as naive

EXTENT = (60, 70)
masses = hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 7)), elements=st.floats(0, 8, width=32))


def gaussian(sigmas, degrees, centre=(30.0, 33.0), extent=(61, 67)):
    """Return a Gaussian whose axis of the first deviation points `degrees` down from the direction of rows."""
    y, x = np.mgrid[: extent[0], : extent[1]] - np.array(centre)[:, None, None]
    angle = np.radians(degrees)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return np.exp(-((along / sigmas[0]) ** 2 + (across / sigmas[1]) ** 2) / 2)


@given(masses)
def test_it_equals_the_formula(mass):
    found, expected = effective_field(Recentred(mass.astype(np.float64), (0.5, 1.0))), naive.effective_field(mass)
    if expected is None:
        assert found is None
        return
    radii, centroid, ratio = expected
    # rounding may choose the next of two pixels at one share
    for radius, (low, high) in zip(found.radii, radii, strict=True):
        assert low - 1e-6 <= radius <= high + 1e-6
    assert found.offset == pytest.approx((centroid[0] - 0.5, centroid[1] - 1), abs=1e-6)
    assert found.anisotropy == pytest.approx(ratio, rel=1e-6)


@pytest.mark.parametrize("degrees", [0, 30, 90, 135])
def test_axes_and_radii_of_a_gaussian_are_those_that_it_was_made_with(degrees):
    mass = gaussian((9.0, 4.0), degrees)
    found = effective_field(Recentred(mass, (28.0, 33.0)))
    assert found.anisotropy == pytest.approx(9 / 4, rel=0.02)
    assert (found.angle - degrees + 90) % 180 - 90 == pytest.approx(0, abs=0.2)
    assert found.offset == pytest.approx((2, 0), abs=0.05)
    round_ = effective_field(Recentred(gaussian((5.0, 5.0), 0), (30.0, 33.0)))
    # radius r holds 1 - exp(-r^2 / 2 sigma^2)
    assert round_.radii == pytest.approx([5 * np.sqrt(-2 * np.log(1 - share)) for share in (0.68, 0.95)], abs=0.3)
    assert round_.anisotropy == pytest.approx(1)


def test_maps_are_averaged_around_the_centres():
    centres = np.array([[20.0, 22.5], [31.0, 40.5], [25.0, 30.5]])
    maps = np.zeros((3, *EXTENT), np.float32)
    for values, (y, x) in zip(maps, centres.astype(int), strict=True):
        values[y + 3, x - 2] = 1.0
    found = effective_field(around_centres(maps, centres))
    assert found.radii == (0, 0)
    assert found.offset == pytest.approx((3, -2.5))
    assert found.anisotropy == 1
    assert np.isnan(found.angle)
    assert effective_field(around_centres(0 * maps, centres)) is None


def test_a_uniform_field_is_that_of_maps_that_are_uniform():
    centres = np.array([[20.0, 22.0], [31.0, 40.0]])
    boxes = [((16, 24), (16, 28)), ((27, 35), (34, 46))]
    maps = np.zeros((2, *EXTENT), np.float32)
    for values, ((top, bottom), (left, right)) in zip(maps, boxes, strict=True):
        values[top : bottom + 1, left : right + 1] = 0.25
    alike, found = uniform(EXTENT, boxes, centres), effective_field(around_centres(maps, centres))
    assert effective_field(alike) == found
    assert found.anisotropy == pytest.approx(13 / 9)
    assert found.angle == 0


@given(masses, st.sampled_from([0.3, 0.68, 1.0]))
def test_the_fewest_pixels_hold_a_share(mass, share):
    kept = holding(mass, share)
    total = mass.astype(np.float64).sum()
    if total == 0:
        assert not kept.any()
        return
    held = mass.astype(np.float64)[kept]
    assert held.sum() >= share * total * (1 - 1e-12)
    assert held.sum() - held.min() < share * total * (1 + 1e-12)
    assert held.min() >= mass[~kept].max(initial=0)
