"""Templates are grown of the units that the formulas choose, and find planted parts."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterscope.operators.and_or.growing import grow, grow_layer
from filterscope.operators.and_or.parsing import parse
from filterscope.operators.and_or.responses import LayerResponses, standardise, usual_sums
from filterscope.operators.localization.patches import Lattice
from filterscope.operators.localization.templates import NONE
from tests.naive import and_or as naive
from tests.planted.parts import EXTENT, planted_layer, planted_parts

SIDE = 224.0


def responses_of(planted):
    """Standardise the maps of a planted layer over all views, and measure how usual its units are."""
    seen = np.maximum(planted.maps.astype(np.float64), 0)
    response = standardise(planted.maps, seen.mean(axis=(0, 2, 3)), seen.std(axis=(0, 2, 3)))
    lattice = Lattice(planted.centre, planted.stride)
    reach = LayerResponses(response, np.zeros(response.shape[1:]), lattice).reach(SIDE)
    return LayerResponses(response, usual_sums(response, reach, (4.0, 4.0)) / len(response), lattice)


def small_layer(seed, cells, views=3):
    rng = np.random.default_rng([seed, cells])
    response = rng.normal(0, 1, (views, 2, cells, cells)).astype(np.float32)
    response[rng.random(response.shape) < 0.4] = NONE
    stride = SIDE / cells
    lattice = Lattice((stride / 2 - 0.5,) * 2, (stride,) * 2)
    return LayerResponses(response, rng.normal(0, 1, response.shape[1:]), lattice)


def test_standardised_responses_are_above_those_of_silent_units():
    maps = np.array([0.0, -2.0, 1.0, 5.0, 1e-3]).reshape(1, 1, 1, 5)
    found = standardise(maps, np.array([3.0]), np.array([0.5])).ravel()
    assert found[:2].tolist() == [NONE, NONE]
    assert found[3] == 4
    assert (found[[2, 4]] > NONE).all()
    assert standardise(maps, np.array([0.0]), np.array([0.0])).ravel()[3] == 5


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 3), st.floats(0.5, 5), st.floats(0.5, 5))
def test_how_usual_a_unit_is_equals_the_formula(seed, down, right, tall, wide):
    response = np.random.default_rng(seed).normal(0, 3, (2, 2, 4, 5)).astype(np.float32)
    found = usual_sums(response, (down, right), (tall, wide))
    np.testing.assert_allclose(found, naive.usual(response, (down, right), (tall, wide)), atol=1e-9)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_growing_equals_the_formula_in_both_layers(seed, shots):
    rng = np.random.default_rng(seed)
    rows, part, upper = np.arange(shots), rng.uniform(60, 160, (shots, 2)), None
    for cells in (5, 7):
        layer = small_layer(seed, cells)
        found = grow_layer(layer, rows, part, SIDE, upper)
        places = layer.places().reshape(cells, cells, 2).tolist()
        known = naive.grow(layer.response, layer.usual, places, layer.reach(SIDE), rows, part.tolist(), SIDE, upper)
        best = sorted((score for score, _ in known.values()), reverse=True)
        np.testing.assert_allclose(found.score, best[: len(found.score)], atol=1e-8)
        cell = np.round((found.found - layer.lattice.centre) / layer.lattice.stride).astype(int)
        for k, unit in enumerate(found.unit.tolist()):
            name = (unit, *np.floor(cell[:, k].mean(axis=0) + 0.5).astype(int).tolist())
            assert known[name][0] == pytest.approx(found.score[k], abs=1e-8)
            assert known[name][1] == [tuple(at) for at in cell[:, k].tolist()]
        np.testing.assert_allclose(found.displacement, part.mean(axis=0) - found.place, atol=1e-9)
        upper = found


@pytest.fixture(scope="module", params=[0, 1])
def planted(request):
    """Forty views; six filters of one part each among noise, three of noise alone, in two layers."""
    parts = planted_parts(40, request.param)
    layers = [planted_layer(parts, cells, 6, 3, request.param, mixed=1, peaks=2) for cells in (14, 28)]
    responses = [responses_of(layer) for layer in layers]
    return parts, layers, responses, [grow(responses, np.arange(5), parts[:5, part], SIDE) for part in range(3)]


def lies_on_its_part(layer, patterns, parts):
    """Return of each pattern whether it lies where its filter's part shows, on most of the annotated views."""
    found = []
    for k, unit in enumerate(patterns.unit.tolist()):
        # a planted part raises its filter up to 1.75 strides away
        near = [
            np.hypot(*(patterns.found[:, k] - parts[:, one]).T) < 1.75 * layer.stride[0] for one in layer.mixes[unit]
        ]
        found.append(bool(near) and np.mean(near[0]) > 0.5)
    return found


def test_cells_drawn_at_random_rarely_lie_on_a_part(planted):
    parts, layers, responses, _ = planted
    for layer, units in zip(layers, responses, strict=True):
        cells = np.random.default_rng(0).integers(0, len(units.places()), (5, 300))
        drawn = SimpleNamespace(unit=np.arange(300) % 9, found=units.places()[cells])
        assert np.mean(lies_on_its_part(layer, drawn, parts[:5])) < 0.05


@pytest.mark.parametrize("part", [0, 1, 2])
def test_planted_parts_are_found_within_a_cell_by_patterns_of_their_filters(planted, part):
    parts, layers, responses, templates = planted
    rows, tested, template = np.arange(5), np.arange(20, 40), templates[part]
    for layer, patterns in zip(layers, template.layers, strict=True):
        of_a_part = [bool(layer.mixes[unit]) for unit in patterns.unit]
        assert np.mean(of_a_part) >= 0.9  # 6 of 9 by chance
    centre, _ = parse(template, responses, tested, EXTENT)
    apart = np.hypot(*(centre - parts[tested, part]).T)
    usual = np.hypot(*(parts[rows, part].mean(axis=0) - parts[tested, part]).T)
    assert apart.mean() < 8  # the finer of the two strides
    assert apart.mean() < usual.mean() / 2


def test_nine_in_ten_patterns_lie_on_planted_parts(planted):
    parts, layers, _, templates = planted
    found = []
    for template in templates:
        for layer, patterns in zip(layers, template.layers, strict=True):
            found += lies_on_its_part(layer, patterns, parts[:5])
    assert np.mean(found) >= 0.9


def test_patterns_follow_a_part_from_one_annotated_view(planted):
    parts, _, responses, _ = planted
    tested = np.arange(20, 40)
    for row in range(3):
        template = grow(responses, np.array([row]), parts[[row], 0], SIDE)
        centre, _ = parse(template, responses, tested, EXTENT)
        apart = np.hypot(*(centre - parts[tested, 0]).T)
        usual = np.hypot(*(parts[row, 0] - parts[tested, 0]).T)
        assert np.median(apart) < 16  # the coarser of the two strides
        assert apart.mean() < usual.mean() * 2 / 3


def test_a_view_on_which_nothing_fires_has_the_part_where_it_was_annotated():
    layer = small_layer(3, 5)
    layer.response[2] = NONE
    template = grow([layer], np.array([0]), np.array([[90.0, 120.0]]), SIDE)
    centre, score = parse(template, [layer], np.array([2, 0]), EXTENT)
    assert centre[0].tolist() == [90.0, 120.0]
    assert score[0] < score[1]
