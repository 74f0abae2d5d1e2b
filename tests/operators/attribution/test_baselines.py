"""Maps that look at no network, and means of windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from filterscope.operators.attribution.baselines import centre_map, edge_map, random_map, window_mean
from filterscope.operators.attribution.windows import averaged, covered
from tests import naive

VALUES = st.floats(-8, 8, width=32)


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=VALUES),
    st.sampled_from([1, 3, 5, 15]),
)
def test_window_means_equal_their_naive_twin(values, side):
    np.testing.assert_allclose(window_mean(values[None], side)[0], naive.pointing.window_mean(values, side), atol=1e-5)


@given(st.data())
def test_averages_of_windows_equal_their_naive_twin(data):
    window = data.draw(st.integers(1, 4))
    stride = data.draw(st.integers(1, window))
    height, width = data.draw(st.integers(window, 9)), data.draw(st.integers(window, 9))
    rows, columns = covered(height, window, stride), covered(width, window, stride)
    values = data.draw(hnp.arrays(np.float32, (len(rows), len(columns)), elements=VALUES))
    expected = naive.pointing.averaged(values, height, width, window, stride)
    np.testing.assert_allclose(averaged(values, rows, columns), expected, atol=1e-5)


def test_the_centre_is_where_the_gaussian_is_largest():
    values = centre_map(5, 8)
    assert [tuple(place) for place in np.argwhere(values == values.max())] == [(2, 3), (2, 4)]
    assert values[2, 3] / values[2, 1] == pytest.approx(np.exp(0.5 * (2.5**2 - 0.5**2) / 4), rel=1e-6)
    np.testing.assert_array_equal(values, values[::-1, ::-1])


def test_edges_are_where_grey_values_change():
    image = np.zeros((6, 6, 3), np.uint8)
    image[:, 3:] = 100
    values = edge_map(image)
    np.testing.assert_allclose(values[:, 2:4], 400, rtol=1e-6)
    assert not values[:, :2].any()
    assert not values[:, 4:].any()


def test_noise_is_that_of_its_seed():
    np.testing.assert_array_equal(random_map(3, 4, 5), random_map(3, 4, 5))
    assert (random_map(3, 4, 5) != random_map(3, 4, 6)).all()
