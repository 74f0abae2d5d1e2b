"""Shapes are measured as the definitions say, on known figures and on digits."""

import gzip

import numpy as np
import pytest
from scipy import ndimage

from filterscope.operators.codes import morphometry as module
from filterscope.operators.codes.morphometry import FACTORS, morphometry
from tests.naive import codes as naive

AT = {name: number for number, name in enumerate(FACTORS)}


def bar(thickness=3, slant=0.0, height=20):
    image = np.zeros((32, 32))
    for y in range(6, 6 + height):
        x = 15 - round(np.tan(slant) * (y - 16))
        image[y, x - thickness // 2 : x + thickness // 2 + 1] = 1
    return image


def test_a_bar_has_its_own_area_height_length_and_thickness():
    found = morphometry(bar()[None])[0]
    assert found[AT["area"]] == 60
    assert found[AT["slant"]] == 0
    assert found[AT["width"]] == pytest.approx(np.sqrt(2 / 3))
    assert found[AT["height"]] == pytest.approx(np.sqrt((20**2 - 1) / 12))
    assert found[AT["length"]] == pytest.approx(20, abs=4)  # thinning takes half the thickness off each end
    assert found[AT["thickness"]] == pytest.approx(3, abs=0.6)
    assert found[[AT["x"], AT["y"]]] == pytest.approx([15, 15.5])


def test_a_leaning_bar_has_its_slant_and_the_width_of_an_upright_one():
    upright, leaning = morphometry(np.stack([bar(), bar(slant=0.4)]))
    assert leaning[AT["slant"]] == pytest.approx(0.4, abs=0.02)
    assert leaning[AT["width"]] == pytest.approx(upright[AT["width"]], abs=0.1)


def test_thickness_grows_with_thickness_and_length_does_not():
    found = morphometry(np.stack([bar(thickness) for thickness in (1, 3, 5)]))
    assert (np.diff(found[:, AT["thickness"]]) > 1.2).all()
    assert np.ptp(found[:, AT["length"]]) < 5


def test_an_empty_image_has_no_shape_and_lies_in_the_middle():
    np.testing.assert_array_equal(morphometry(np.zeros((1, 8, 6)))[0], [0, 0, 0, 0, 0, 0, 2.5, 3.5])
    assert morphometry(np.zeros((0, 8, 8))).shape == (0, len(FACTORS))
    assert np.isfinite(morphometry(np.ones((1, 1, 1)))).all()


def test_bad_images_are_refused_in_words():
    with pytest.raises(ValueError, match=r"shape \(4, 4\).*takes \(n, height, width\)"):
        morphometry(np.zeros((4, 4)))
    with pytest.raises(ValueError, match="negative, NaN or infinite"):
        morphometry(np.full((1, 4, 4), np.nan))


def test_thinning_and_distance_equal_their_slow_twins():
    random = np.random.default_rng(0)
    for _ in range(12):
        image = ndimage.gaussian_filter(random.random((14, 16)), 1.5)
        ink = module._enlarged(image - image.min())
        line = module._thin(ink, module._EDGES)
        np.testing.assert_array_equal(line, naive.thinned(ink))
        distance = ndimage.distance_transform_edt(ink)
        for y, x in np.argwhere(ink)[::7]:
            assert module._to_ground(ink, y, x) == pytest.approx(distance[y, x])


def test_64_digits_are_measured_as_morpho_mnist_defines(test_data):
    """Moments by the definition; strokes at four times the resolution: a skeleton, and a medial axis, which has spurs."""
    with gzip.open(test_data / "mnist10k" / "t10k-images-idx3-ubyte.gz") as file:
        digits = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 28, 28)[:64] / 255
    found = morphometry(digits)
    names = [AT[name] for name in ("area", "slant", "width", "height", "x", "y")]
    np.testing.assert_allclose(found[:, names], [naive.moments(digit) for digit in digits], rtol=0.02, atol=1e-9)
    own, expected = found[:, [AT["length"], AT["thickness"]]], np.array([naive.stroke(digit) for digit in digits])
    assert (np.quantile(np.abs(own / expected[:, :2] - 1), 0.9, axis=0) < 0.1).all()
    assert np.median(own / expected[:, 2:], axis=0) == pytest.approx(1, abs=0.1)
