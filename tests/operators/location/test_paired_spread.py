"""Groups of positions beside a landmark: the twin, and nodes against patterns where two planted parts are mixed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.activations.local_maxima import LocalMaxima
from filterscope.operators.explanatory_graph.entities import entities_of, grid_of
from filterscope.operators.explanatory_graph.learning import learn
from filterscope.operators.explanatory_graph.settings import Settings, largest_deformation, nodes_per_filter
from filterscope.operators.explanatory_graph.survival import merge_nodes, peak_shares, strongest_peaks
from filterscope.operators.location.location_instability import c4, field_centres
from filterscope.operators.location.paired_spread import (
    Spread,
    chance_of_no_less,
    mean_spread,
    reduction,
    share_steadier,
    spread_of,
)
from filterscope.operators.patterns.patterns import find_patterns
from filterscope.operators.statistics.paired_bootstrap import poisson_weights
from tests.planted.parts import EXTENT, planted_layer, planted_parts
from tests.planted.patterns import features_of

CELLS, IMAGES, LEARNED = 14, 140, 80


@given(st.integers(0, 1000), st.integers(2, 8), st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_a_draw_is_the_deviation_of_the_images_it_holds(seed, views, sizes):
    rng = np.random.default_rng(seed)
    groups = [rng.uniform(0, 50, (size, views, 2)) for size in sizes]
    landmark, images = rng.uniform(0, 50, (views, 2)), np.sort(rng.integers(0, views, views))
    weights = poisson_weights(views, seed, draws=20)
    found = spread_of(groups, landmark, images, (30, 40), weights)
    for group, alone, drawn in zip(groups, found.instability, found.drawn, strict=True):
        apart = np.linalg.norm(group - landmark, axis=2) / 50
        assert alone == pytest.approx(np.mean([np.std(each, ddof=1) for each in apart]) / c4(views))
        for draw, value in enumerate(drawn):
            held = np.repeat(np.arange(views), weights[images, draw].astype(int))
            if len(held) < 2:
                assert np.isnan(value)
            else:
                assert value == pytest.approx(np.mean([np.std(each[held], ddof=1) for each in apart]), abs=1e-7)


def test_what_many_filters_have_in_common_is_averaged_draw_by_draw():
    """Two filters, each with two groups and three draws, by hand."""
    one = Spread(np.array([1.0, 4.0]), np.array([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]]))
    two = Spread(np.array([3.0, 4.0]), np.array([[5.0, 2.0, 1.0], [4.0, 1.0, 4.0]]))
    mean = mean_spread([one, two])
    assert mean.instability.tolist() == [2.0, 4.0]
    assert mean.drawn.tolist() == [[3.0, 2.0, 2.0], [4.0, 2.5, 4.0]]
    less, replicates = reduction(mean, 0, 1)
    assert less == 0.5
    assert replicates.tolist() == pytest.approx([0.25, 0.2, 0.5])
    # chance of no less: 1/4 and 3/4 for the first group, 4/4 and 2/4 for the second
    assert share_steadier([one, two], 0, 1, 0.3) == 0.5
    assert share_steadier([one, two], 0, 1, 0.25) == 0.0
    assert share_steadier([one, two], 1, 0, 0.8) == 0.5
    still = Spread(np.array([1.0, 0.0]), np.array([[1.0], [0.0]]))
    assert reduction(still, 0, 1)[0] == -np.inf
    assert reduction(still, 1, 1)[1].tolist() == pytest.approx([np.nan], nan_ok=True)


def test_draws_in_which_nothing_can_be_told_speak_for_nobody():
    own, other = np.array([1.0, 2.0, np.nan, 1.0]), np.array([2.0, 2.0, 1.0, 3.0])
    assert chance_of_no_less(own, other) == 3 / 5
    assert chance_of_no_less(other, own) == 5 / 5


def nodes_of(layer, unit, learning, seed):
    """Return positions of the surviving nodes of a filter on all images, (K, I, 2)."""
    maps, shape = layer.maps[:, unit], (CELLS, CELLS)
    grid = grid_of(shape, EXTENT, layer.centre, layer.stride)
    found = learn(
        entities_of(maps, 1.0, grid), grid, EXTENT, nodes_per_filter(*shape),
        largest_deformation(*shape, layer.stride[0]), seed + unit, learning, None, Settings(),
    )  # fmt: skip
    into = merge_nodes(found.position[learning], found.score[learning], found.nodes.deformation, found.sums.recorded)
    share, chance = peak_shares(
        *strongest_peaks(maps[learning]), shape, layer.centre, layer.stride, found.centres.place[learning],
        found.nodes.deformation, unit,
    )  # fmt: skip
    survivors = (into == np.arange(len(into))) & (share > chance)
    return found.position[:, survivors].transpose(1, 0, 2).astype(float)


def patterns_of(layer, unit, learning, seed):
    """Return positions of the patterns of a filter on all images, (P, I, 2), their mean places where they have no peak."""
    maps = np.ascontiguousarray(layer.maps[:, unit : unit + 1])
    threshold = np.quantile(maps[learning].astype(np.float32), [1 - 4 / CELLS**2], method="inverted_cdf")
    peaks = LocalMaxima.of(maps, maps.max(axis=(2, 3)).astype(np.float32), threshold, np.arange(len(maps)))
    place = field_centres(peaks.position, CELLS, layer.centre, layer.stride)
    row, column = np.divmod(peaks.position, CELLS)
    features = features_of(np.maximum(layer.maps[peaks.view, :, row, column], 0))
    known = learning[peaks.view]
    found = find_patterns(place[known], features[known], layer.stride, seed)
    labels = np.empty(len(place), int)
    labels[known], labels[~known] = found.labels, found.assign(place[~known], features[~known])
    position = np.empty((found.patterns, len(maps), 2))
    for pattern in range(found.patterns):
        position[pattern] = place[known & (labels == pattern)].mean(axis=0)
        for peak in np.flatnonzero(labels == pattern)[::-1]:
            position[pattern, peaks.view[peak]] = place[peak]
    return position


def found_of(seed, peaks):
    """Yield what is found of each part that a filter mixes, on images that nothing was learned from.

    Instability of the filter, its nodes and its patterns; how far off the nearest node and the nearest pattern are.
    """
    parts, learning = planted_parts(IMAGES, seed), np.arange(IMAGES) < LEARNED
    layer = planted_layer(parts, CELLS, 3, 0, seed, peaks=peaks)
    held, weights = np.flatnonzero(~learning), poisson_weights(IMAGES - LEARNED, seed)
    for unit, mix in enumerate(layer.mixes):
        nodes, patterns = nodes_of(layer, unit, learning, seed), patterns_of(layer, unit, learning, seed)
        peak = layer.maps[:, unit].reshape(IMAGES, -1).argmax(axis=1)
        raw = field_centres(peak, CELLS, layer.centre, layer.stride)[None]
        for part in mix:
            place, groups = parts[held, part], [each[:, held] for each in (raw, nodes, patterns)]
            away = [np.linalg.norm(each - place, axis=2).mean(axis=1).min() for each in groups[1:]]
            yield [*spread_of(groups, place, held - LEARNED, EXTENT, weights).instability, *away]


@pytest.mark.parametrize("seed", range(5))
def test_nodes_and_patterns_both_resolve_two_planted_parts(seed):
    raw, nodes, patterns, node_off, pattern_off = np.array(list(found_of(seed, 2))).T
    assert len(raw) == 6
    assert (nodes < raw / 2.5).all()
    assert (patterns < raw / 2.5).all()
    assert max(node_off) < 12
    assert max(pattern_off) < 14  # pixels, of a stride of 16


@pytest.mark.parametrize("seed", range(5))
def test_among_noise_nodes_resolve_the_parts_better_than_patterns(seed):
    """A third, noisy peak on every image leaves no dip between the patterns."""
    raw, nodes, patterns, node_off, pattern_off = np.array(list(found_of(seed, 3))).T
    assert nodes.mean() < 0.6 * patterns.mean() < 0.6 * raw.mean()
    assert max(node_off) < 14
    assert max(pattern_off) > 30
