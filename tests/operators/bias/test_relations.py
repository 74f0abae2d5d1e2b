"""Cosines of masked gradients are those of the formula, and a linear head has the cosines of its weights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from filterscope.operators.bias.relations import Means, cosines, masked, pairs_of
from tests.naive import bias as naive

values = st.floats(-8, 8, width=32) | st.sampled_from([0.0, 1.0, -1.0])
shapes = st.tuples(st.integers(2, 4), st.integers(1, 60))


@given(
    shapes.flatmap(lambda shape: hnp.arrays(np.float32, (2, *shape), elements=values)),
    st.sampled_from(["top", "share", "none"]),
)
def test_they_equal_the_formula(drawn, mask):
    gradients, maps = drawn
    products = gradients * maps
    kept, chosen = masked(gradients, products, mask)
    expected = [naive.masked(g.tolist(), p.tolist(), mask) for g, p in zip(gradients, products, strict=True)]
    np.testing.assert_array_equal(kept, np.array(expected, np.float32))
    assert (kept[~chosen] == 0).all()
    found = cosines(kept)
    for place, (i, j) in enumerate(zip(*pairs_of(len(kept)), strict=True)):
        assert found[place] == pytest.approx(naive.cosine(kept[i].tolist(), kept[j].tolist()), abs=1e-6, nan_ok=True)


def test_a_linear_head_has_the_cosines_of_its_weights_on_every_view():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(5, 40)).astype(np.float32)
    exact = weights.astype(np.float64) / np.linalg.norm(weights.astype(np.float64), axis=1, keepdims=True)
    first, second = pairs_of(5)
    for _ in range(3):
        kept, _ = masked(weights, weights * rng.normal(size=40).astype(np.float32), "none")
        np.testing.assert_allclose(cosines(kept), (exact @ exact.T)[first, second], atol=1e-7)


def test_top_keeps_nine_tenths_of_the_evidence_and_ties_with_the_last():
    product = np.array([[8.0, -1, 0.5, 0.5, 0, 0]], np.float32)
    kept, chosen = masked(np.ones_like(product), product, "top")
    assert chosen.tolist() == [[True, True, False, False, False, False]]
    assert kept.tolist() == [[1, 1, 0, 0, 0, 0]]
    tied = np.array([[4.0, 4, 1, 1]], np.float32)
    assert masked(tied, tied, "top")[1].tolist() == [[True, True, True, True]]


def test_gradients_of_any_size_have_a_cosine():
    tiny = np.array([[1e-30, 2e-30], [2e-30, 4e-30], [0, 0]], np.float32)
    found = cosines(tiny)
    assert found[0] == pytest.approx(1)
    assert np.isnan(found[1:]).all()


def test_means_do_not_depend_on_how_views_are_cut_and_ignore_what_is_not_known():
    rng = np.random.default_rng(1)
    found = rng.uniform(-1, 1, (30, 3)).astype(np.float32)
    found[rng.random(found.shape) < 0.2] = np.nan
    found[:, 2] = np.nan
    seeds = (np.arange(30) // 2).tolist()
    whole, cut = Means(3, 50), Means(3, 50)
    whole.add(found, seeds)
    for start in range(0, 30, 7):
        cut.add(found[start : start + 7], seeds[start : start + 7])
    np.testing.assert_allclose(
        whole.mean(), np.append(np.nanmean(found[:, :2].astype(float), axis=0), np.nan), atol=1e-12
    )
    np.testing.assert_allclose(whole.deviation()[:2], np.nanstd(found[:, :2].astype(float), axis=0), atol=1e-12)
    assert whole.views.tolist() == [*(~np.isnan(found[:, :2])).sum(axis=0), 0]
    for one, other in zip((*whole.interval(), whole.mean()), (*cut.interval(), cut.mean()), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_intervals_hold_the_mean_of_the_source_nineteen_times_in_twenty_and_widen_where_views_repeat():
    rng = np.random.default_rng(2)
    hits, widths = 0, []
    for trial in range(100):
        drawn = rng.normal(0.3, 0.2, (60, 1))
        alone, twice = Means(1), Means(1)
        seeds = [1000 * trial + k for k in range(60)]
        alone.add(drawn, seeds)
        twice.add(np.repeat(drawn, 2, axis=0), np.repeat(seeds, 2).tolist())
        (low,), (high,) = alone.interval()
        hits += low <= 0.3 <= high
        (again_low,), (again_high,) = twice.interval()
        widths.append((again_high - again_low) / (high - low))
    assert 88 <= hits <= 99
    assert np.mean(widths) == pytest.approx(1, abs=1e-6)
