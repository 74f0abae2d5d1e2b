"""On labels that have nothing to do with the units, significance finds nothing, and says so as often as it should."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom

from filterscope.operators.dissection.activated import activated_pixels
from filterscope.operators.dissection.anchoring import resize_axis
from filterscope.operators.dissection.masks import mask_block
from filterscope.operators.dissection.tally import half_values
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.permutation import Strata, add_intersections, category_sets, iou_of
from filterscope.operators.statistics.significance import FALSE_DISCOVERY_RATE, significance

IMAGES, UNITS, CONCEPTS, SIZE, RUNS, DRAWS = 40, 40, 10, 28, 100, 50
CATEGORY = np.arange(CONCEPTS) % 2


def boxes(rng):
    """Concepts of very different frequency, as boxes anywhere."""
    labels = []
    for _ in range(IMAGES):
        image = {}
        for concept in np.flatnonzero(rng.random(CONCEPTS) < np.linspace(0.1, 0.7, CONCEPTS)):
            top, left = rng.integers(0, SIZE - 8, 2)
            image[int(concept)] = np.zeros((SIZE, SIZE), bool)
            image[int(concept)][top : top + rng.integers(4, 16), left : left + rng.integers(4, 16)] = True
        labels.append(image)
    return labels


def best_ious(seed, *, signal):
    """Best IoU of every unit as annotated and in every permutation; with `signal`, some units follow concept 9."""
    rng = np.random.default_rng(seed)
    labels = boxes(rng)
    # units agree with each other, as those of networks do
    shared = rng.gamma(0.5, size=(IMAGES, 4, 7, 7)) @ np.eye(7)
    maps = np.einsum("uk,nkij->nuij", rng.dirichlet(np.ones(4), UNITS), shared) + rng.gamma(
        0.3, size=(IMAGES, UNITS, 7, 7)
    )
    if signal:
        for image, own in enumerate(labels):
            if 9 in own:
                maps[image, :15] += 10 * own[9].reshape(7, 4, 7, 4).mean(axis=(1, 3))
    maps = maps.astype(np.float16)
    threshold = np.quantile(maps, 0.97, axis=(0, 2, 3), method="inverted_cdf").astype(np.float32)
    axis, masks = resize_axis(7, SIZE), mask_block(labels, SIZE, SIZE)
    drawn = activated_pixels(maps, maps.max(axis=(2, 3)).astype(np.float32), threshold, axis, axis, half_values())
    kinds = category_sets(masks, CATEGORY, 2)
    strata = Strata(np.arange(IMAGES), np.arange(IMAGES), kinds)
    source = np.stack([np.arange(IMAGES), *(strata.permuted(seed_of(seed, number)) for number in range(DRAWS))])
    intersection = np.zeros((DRAWS + 1, CONCEPTS, UNITS), np.int64)
    add_intersections(intersection, drawn, masks, np.arange(CONCEPTS), source)
    area = np.zeros((IMAGES, UNITS), np.int64)
    area[np.repeat(np.arange(IMAGES), np.diff(drawn.first)), drawn.unit] = drawn.area
    activated = (kinds.T.astype(np.int64) @ area)[CATEGORY]
    labelled = np.bincount(masks.concept, masks.area, CONCEPTS).astype(np.int64)[:, None]
    best = iou_of(intersection, activated, labelled).max(axis=1)
    return best[0], best[1:]


@pytest.fixture(scope="module")
def chance():
    return [significance(*best_ious(seed, signal=False)) for seed in range(RUNS)]


@given(arrays(float, (21, 6), elements=st.floats(0, 1)), st.integers(0, 20))
def test_at_most_one_draw_in_twenty_is_found_among_its_like(draws, spike):
    """Whatever the draws: each takes the place of the observed one, and the others are the null."""
    draws[spike] += 1
    found = [significance(draws[k], np.delete(draws, k, 0)).q_value.min() < FALSE_DISCOVERY_RATE for k in range(21)]
    assert sum(found) <= 0.05 * 21


def test_unrelated_labels_are_significant_as_seldom_as_promised(chance):
    """As binomial draws of a rate of 2 in 51 allow: 8 or fewer in 98 of 100 such tests."""
    assert sum((found.q_value < FALSE_DISCOVERY_RATE).any() for found in chance) <= binom.ppf(0.98, RUNS, 2 / 51)


def test_p_values_of_unrelated_labels_are_uniform(chance):
    p = np.sort(np.concatenate([found.p_value for found in chance]))
    uniform = (np.arange(len(p)) + 0.5) / len(p)
    assert np.abs(p - uniform).max() < 0.04


def test_units_that_follow_a_concept_are_found():
    observed, null = best_ious(0, signal=True)
    found = significance(observed, null)
    assert (found.q_value[:15] < FALSE_DISCOVERY_RATE).mean() > 0.9
    assert (found.q_value[15:] < FALSE_DISCOVERY_RATE).sum() <= 2
