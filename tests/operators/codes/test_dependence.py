"""What codes tell of factors, beside scikit-learn, scipy and permuted images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import mutual_info_score

from filterscope.operators.codes.dependence import (
    association,
    binned,
    entropy,
    mutual_information,
    partial_spearman,
    spearman,
)
from filterscope.operators.codes.effects import q_values
from tests.naive import codes as naive

labels = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40)


@given(labels)
def test_mutual_information_is_that_of_scikit_learn_and_of_the_formula(pairs):
    a, b = (np.array(column, np.int32) for column in zip(*pairs, strict=True))
    found = mutual_information(a[:, None], b)[0]
    assert found == pytest.approx(max(naive.information(a.tolist(), b.tolist()), 0), abs=1e-12)
    assert found == pytest.approx(mutual_info_score(a, b), abs=1e-9)
    assert entropy(a) == pytest.approx(mutual_info_score(a, a), abs=1e-9)


def test_bins_hold_as_many_and_few_levels_stay_as_they_are():
    random = np.random.default_rng(0)
    bins = binned(np.column_stack([random.normal(size=1000), random.integers(0, 3, 1000) * 5.0]))
    np.testing.assert_array_equal(np.bincount(bins[:, 0]), np.full(20, 50))
    assert bins[:, 1].max() == 2
    tied = binned(np.concatenate([np.zeros(500), np.arange(500)])[:, None])[:, 0]
    assert len(np.unique(tied[:501])) == 1


def test_correlations_are_those_of_scipy():
    random = np.random.default_rng(1)
    codes, factors = random.normal(size=(60, 3)), random.integers(0, 9, (60, 2)).astype(float)
    expected = spearmanr(np.column_stack([codes, factors])).statistic[:3, 3:]
    np.testing.assert_allclose(spearman(codes, factors), expected, atol=1e-12)
    x, y, z = (spearmanr(*pair).statistic for pair in ((codes[:, 0], factors[:, 0]), (codes[:, 0], factors[:, 1]),
               (factors[:, 0], factors[:, 1])))  # fmt: skip
    partial = (x - y * z) / np.sqrt((1 - y**2) * (1 - z**2))
    assert partial_spearman(codes, factors)[0, 0] == pytest.approx(partial, abs=1e-9)


def test_a_partial_correlation_takes_out_what_another_factor_explains():
    random = np.random.default_rng(2)
    cause = random.normal(size=500)
    other = cause + 0.3 * random.normal(size=500)
    code = cause + 0.05 * random.normal(size=500)
    factors = np.column_stack([cause, other])
    assert abs(spearman(code[:, None], factors)[0, 1]) > 0.9
    assert abs(partial_spearman(code[:, None], factors)[0, 1]) < 0.15


def test_what_is_not_known_is_left_out_and_what_does_not_vary_has_no_information():
    random = np.random.default_rng(3)
    codes = random.normal(size=(200, 2))
    factors = np.column_stack([codes[:, 0], np.ones(200), codes[:, 1]])
    factors[::2, 0] = np.nan
    found = association(codes, factors, 0)
    assert np.isnan(found.information[:, 1]).all()
    assert found.information[0, 0] == pytest.approx(np.log(20), abs=1e-9)
    assert found.p[0, 0] == pytest.approx(1 / 101)


def test_noise_tells_nothing_and_a_copy_tells_all_in_twenty_seeds():
    false = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        factors = random.uniform(size=(300, 4))
        noise = association(random.uniform(size=(300, 4)), factors, seed)
        false += (q_values(noise.p) < 0.05).any()
        assert np.abs(noise.information - noise.null).max() < 0.35 * noise.null.mean()
        assert (q_values(association(factors, factors, seed).p).diagonal() < 0.05).all()
    assert false <= 3  # of 20 at a rate of .05: more have a chance of 2 %
