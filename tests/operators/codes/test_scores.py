"""MIG, SAP and DCI: by hand, beside latte-metrics, and on planted codes in twenty seeds."""

import numpy as np
import pytest

from filterscope.operators.codes.forest import forest
from filterscope.operators.codes.scores import dci, mig, sap, scores

FACTORS = 4


def planted(kind, seed, n=600):
    """Return codes and factors."""
    random = np.random.default_rng(seed)
    factors = random.uniform(-1, 1, (n, FACTORS))
    if kind == "equal":
        return factors, factors
    if kind == "rotated":
        half = np.sqrt(0.5) * np.array([[1, -1], [1, 1]])
        return factors @ np.kron(np.eye(2), half), factors
    if kind == "noise":
        return random.uniform(-1, 1, (n, FACTORS)), factors
    blurred = factors[:, :1] + random.normal(0, 0.3, (n, 2))
    return np.column_stack([blurred, factors[:, 1:]]), factors


def test_dci_of_a_matrix_of_three_by_three_by_hand():
    """Rows, codes: one factor, two alike, all three alike; weights 1/3 each."""
    importance = np.array([[1, 0, 0], [0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]])
    disentanglement, completeness = dci(importance)
    assert disentanglement == pytest.approx((1 + (1 - np.log(2) / np.log(3)) + 0) / 3)
    first = 1 - (0.75 * np.log(4 / 3) + 0.25 * np.log(4)) / np.log(3)
    other = 1 - (0.6 * np.log(5 / 3) + 0.4 * np.log(5 / 2)) / np.log(3)
    assert completeness == pytest.approx((4 / 3 * first + 2 * 5 / 6 * other) / 3)


def test_dci_of_nothing_is_not_defined():
    assert np.isnan(dci(np.zeros((2, 2)))).all()
    assert np.isnan(dci(np.ones((3, 1)))[0])


#: The package takes Python below 3.11 alone and so cannot be a dependency of the tests; these are its numbers.
#: Of latte-metrics 0.0.1a6 for `planted(kind, 0, 2000)`: MIG and SAP of each factor, computed in an environment of its own.
LATTE = {
    "equal": ([0.995, 0.995, 0.9991, 0.9991], [0.99805688205, 0.998004874068, 0.998004874068, 0.999534111826]),
    "noise": (
        [0.0016, 0.0002, 0.0022, 0.0022],
        [0.000579600009566, 0.000150153552577, 0.0010172724733, 0.000599786475275],
    ),
    "rotated": ([0.0047, 0.0065, 0.0034, 0.0003], [0.043427454797, 0.0447245862044, 0.0127906033435, 0.0128994153349]),
    "split": ([0.0084, 0.9983, 0.9969, 0.9991], [0.00166858037869, 0.998004874068, 0.998004874068, 0.999534111826]),
}


@pytest.mark.parametrize("kind", LATTE)
def test_mig_and_sap_are_those_of_latte(kind):
    """SAP to the last digits; MIG as far as bins and nearest neighbours agree on the information of continuous values."""
    codes, factors = planted(kind, 0, 2000)
    gaps, separate = LATTE[kind]
    assert sap(codes, factors) == pytest.approx(separate, abs=1e-9)
    if kind != "equal":  # nearest neighbours give a copy more information than bins can hold
        assert mig(codes, factors) == pytest.approx(gaps, abs=0.06)


@pytest.mark.parametrize("seeds", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_planted_codes_in_many_seeds(seeds):
    found = {
        kind: np.array([scores(*planted(kind, seed), np.zeros(FACTORS, bool), seed) for seed in range(seeds)])
        for kind in ("equal", "rotated", "noise", "split")
    }
    equal, rotated, noise, split = (
        dict(zip(("mig", "sap", "d", "c", "i"), found[kind].T, strict=True)) for kind in found
    )
    assert equal["mig"].min() > 0.7
    assert min(equal[name].min() for name in ("sap", "d", "c", "i")) > 0.9
    assert rotated["mig"].max() < 0.2
    assert rotated["d"].max() < 0.7
    assert rotated["i"].min() > 0.85
    assert noise["mig"].max() < 0.1
    assert noise["i"].max() < 0.1
    assert (split["c"] < equal["c"] - 0.08).all()
    assert split["d"].min() > 0.9


def test_names_of_classes_are_told_by_accuracy_and_by_variance_between_them():
    random = np.random.default_rng(0)
    classes = random.integers(0, 3, 400).astype(float)
    codes = np.column_stack([np.array([0, 5, 1])[classes.astype(int)], random.normal(size=400)])
    found = scores(codes, classes[:, None], np.array([True]), 0)
    assert found.informativeness == 1
    assert found.sap == pytest.approx(1, abs=0.03)
    assert sap(codes, classes[:, None])[0] < 0.5  # as numbers they are no line


def test_a_forest_finds_what_matters_and_is_the_same_again():
    random = np.random.default_rng(0)
    codes = random.normal(size=(400, 5))
    target = codes[:, 0] + 0.5 * codes[:, 3] ** 2
    importance, predicted = forest(codes[:300], target[:300, None], codes[300:], 0)
    assert importance.sum() == pytest.approx(1)
    assert importance[[0, 3]].sum() > 0.9
    assert np.corrcoef(predicted[:, 0], target[300:])[0, 1] > 0.9
    again, _ = forest(codes[:300], target[:300, None], codes[300:], 0)
    np.testing.assert_array_equal(importance, again)
    constant, _ = forest(codes[:300], np.ones((300, 1)), codes[300:], 0)
    assert not constant.any()
