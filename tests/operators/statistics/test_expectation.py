"""What a label's IoU is expected to be on new images: right on average where the truth is known, and never absurd."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.statistics.expectation import HeldOut, expected_iou

FOLDS = 8


def choose(met, union):
    """Return the best concept of each unit and its IoU, from sums over groups of shape (units, concepts)."""
    iou = met / np.maximum(union, 1)
    return iou.argmax(axis=1), iou.max(axis=1)


def held_out(met, union, fold):
    """Leave out one fold after another; what groups meet and their unions have the shape (groups, units, concepts)."""
    unit, rows = np.arange(met.shape[1]), []
    for left in range(FOLDS):
        rest = fold != left
        chosen, iou = choose(met[rest].sum(axis=0), union[rest].sum(axis=0))
        share = 1 - rest.mean()
        expected = union[rest].sum(axis=0)[unit, chosen] * share / max(1 - share, 1e-9)
        i, u = (values[~rest][:, unit, chosen] for values in (met, union))
        rows.append(
            (
                iou,
                expected,
                i.sum(axis=0),
                u.sum(axis=0),
                *((a * b).sum(axis=0) for a, b in ((i, i), (i, u), (u, u))),
                share,
            )
        )
    iou, expected, i, u, ii, iu, uu, share = (np.array(column) for column in zip(*rows, strict=True))
    return HeldOut(iou, expected, np.stack([i, u]), np.stack([ii, iu, uu]).astype(float), share)


class World:
    """Units that truly meet each of many concepts in a share of the union; 80 groups of images are drawn from it.

    A group has a concept with probability .3, then its union is exponential, and what it meets varies as much.
    """

    def __init__(self, seed, units=300, concepts=10):
        self.rng = np.random.default_rng(seed)
        self.truth = np.minimum(self.rng.gamma(0.5, 0.06, (units, concepts)), 0.9)

    def draw(self, groups=80):
        shape = groups, *self.truth.shape
        union = (500 * self.rng.exponential(size=shape) * (self.rng.random(shape) < 0.3)).astype(np.int64)
        return self.rng.binomial(union, np.clip(self.truth * self.rng.gamma(0.5, 2, shape), 0, 1)), union


@pytest.fixture(scope="module")
def predicted():
    """In-sample, expected and seen IoUs of 12 worlds: mean, limits, and what a second draw of as many groups shows."""
    rows = []
    for seed in range(12):
        world = World(seed)
        met, union = world.draw()
        label, iou = choose(met.sum(axis=0), union.sum(axis=0))
        found = expected_iou(held_out(met, union, np.arange(80) % FOLDS), iou)
        met, union = (values.sum(axis=0)[np.arange(len(label)), label] for values in world.draw())
        rows.append((iou, found.mean, found.low, found.high, met / np.maximum(union, 1)))
    return np.array(rows).transpose(1, 0, 2)


def test_the_mean_is_what_new_images_show(predicted):
    """Of all labels, and of those that one looks at: the units of highest IoU, which were chosen twice."""
    iou, mean, _, _, seen = predicted
    assert iou.mean() > 1.1 * seen.mean()
    assert mean.mean() == pytest.approx(seen.mean(), rel=0.03)
    best = iou > np.quantile(iou, 0.75)
    assert iou[best].mean() > 1.3 * seen[best].mean()
    assert mean[best].mean() == pytest.approx(seen[best].mean(), rel=0.05)


def test_nine_of_ten_intervals_hold_what_new_images_show(predicted):
    iou, _, low, high, seen = predicted
    inside = (low <= seen) & (seen <= high)
    assert 0.85 <= inside.mean() <= 0.95
    assert 0.85 <= inside[iou > np.quantile(iou, 0.75)].mean() <= 0.95


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 20),
    st.integers(1, 6),
    st.integers(1, 4),
    st.sampled_from([1, 3, 60, 100_000_000]),
    st.sampled_from([0.0, 0.02, 0.5, 1.0]),
)
def test_expectations_are_shares_and_follow_the_iou(seed, groups, units, concepts, size, rate):
    """Whatever the sums: few groups, folds that hold nothing, unions that are 0, units that meet nothing."""
    rng = np.random.default_rng(seed)
    union = rng.integers(0, size, (groups, units, concepts)) * (rng.random((groups, units, concepts)) < 0.6)
    met = rng.binomial(union, np.clip(rate * rng.gamma(0.3, 3, union.shape), 0, 1) if 0 < rate < 1 else rate)
    found = held_out(met, union, rng.integers(0, rng.choice([1, 3, FOLDS]), groups))
    labels = np.sort(np.concatenate([[0.0, 1.0], rng.random(20), choose(met.sum(axis=0), union.sum(axis=0))[1]]))
    expected = expected_iou(found, labels)
    if not ((found.iou > 0) & (found.union > 0)).any():
        assert np.isnan([expected.mean, expected.low, expected.high]).all()
        return
    assert (expected.low >= 0).all()
    assert (expected.low <= expected.mean).all()
    assert (expected.mean <= expected.high).all()
    assert (expected.high <= 1).all()
    assert (np.diff(expected.mean) >= 0).all()
    again = expected_iou(found, labels)
    assert all((getattr(again, name) == getattr(expected, name)).all() for name in ("mean", "low", "high"))
    # each label is judged by its own IoU alone
    alone = expected_iou(found, labels[3:4])
    assert alone.mean[0] == expected.mean[3]
    assert (alone.low[0], alone.high[0]) == (expected.low[3], expected.high[3])


def constant(ratio, units=3):
    """Groups in which each unit meets its concept in the same share, whatever the union."""
    union = np.random.default_rng(0).integers(1, 100, (40, units, 1)) * 100
    return (union * ratio).astype(np.int64), union


@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("ratio", [0.25, 1.0])
def test_what_never_varies_is_expected_again(ratio, units):
    met, union = constant(ratio, units)
    found = expected_iou(held_out(met, union, np.arange(40) % FOLDS), np.full(units, ratio))
    for values in (found.mean, found.low, found.high):
        np.testing.assert_allclose(values, ratio, rtol=1e-6)


def test_a_concept_that_is_never_met_again_is_expected_to_have_no_iou():
    """Each training part finds something, and its fold nothing."""
    folds = np.ones((FOLDS, 4))
    found = HeldOut(
        0.1 * folds,
        50 * folds,
        np.stack([0 * folds, 50 * folds]).astype(np.int64),
        np.stack([0 * folds, 0 * folds, 900 * folds]),
        folds[:, 0] / FOLDS,
    )
    expected = expected_iou(found, np.array([0.05, 0.1, 0.3]))
    for values in (expected.mean, expected.low, expected.high):
        assert values.tolist() == [0, 0, 0]


def test_folds_that_lack_the_concept_count_as_much_as_others():
    """Half of the folds have twice the union expected of them and meet all of it, the others nothing: half is met."""
    x, scale = np.full((FOLDS, 50), 0.5), np.full((FOLDS, 50), 100.0)
    full = (np.arange(FOLDS) % 2 * 200)[:, None] * np.ones((1, 50), np.int64)
    empty = 200 - full
    met, union = full, full + empty
    products = np.stack([met * met, met * union, union * union]) / 10.0
    found = expected_iou(
        HeldOut(x, 2 * scale, np.stack([met, union]), products, np.full(FOLDS, 1 / FOLDS)), np.array([0.5])
    )
    assert found.mean[0] == pytest.approx(0.5, rel=1e-6)
    assert found.low[0] < 0.4
    assert found.high[0] > 0.6


def test_nothing_is_expected_where_no_fold_says_anything():
    nothing = np.zeros((FOLDS, 5))
    sums, products = np.zeros((2, FOLDS, 5), np.int64), np.zeros((3, FOLDS, 5))
    found = expected_iou(HeldOut(nothing, nothing, sums, products, np.full(FOLDS, 1 / FOLDS)), np.array([0.1, 0.2]))
    assert np.isnan([found.mean, found.low, found.high]).all()


def test_no_units_have_no_expectation():
    none = np.zeros((FOLDS, 0))
    empty = HeldOut(none, none, np.zeros((2, FOLDS, 0), np.int64), np.zeros((3, FOLDS, 0)), np.full(FOLDS, 1 / FOLDS))
    assert expected_iou(empty, np.empty(0)).mean.shape == (0,)
    met, union = constant(0.25)
    assert expected_iou(held_out(met, union, np.arange(40) % FOLDS), np.empty(0)).high.shape == (0,)
