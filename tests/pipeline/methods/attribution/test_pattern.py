"""PatternNet and PatternAttribution show what a score detects, and point at what was planted."""

import numpy as np
import pytest
import torch
from torch import nn

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.attribution.explainers import pattern
from filterscope.pipeline.methods.attribution.explainers.pattern import PatternAttribution, PatternNet
from filterscope.pipeline.models.gradients import INPUT
from filterscope.pipeline.models.patterns import patterns_back
from tests.pipeline.methods.attribution.test_guided import (
    CLASSES,
    SEEDS,
    SIDE,
    Corner,
    around,
    mean_of_window,
    module,
    pictures,
)

BOTH = [PatternNet, PatternAttribution]


def gone_back(network, patterns, way):
    def score(scores, taps, classes):
        return scores[torch.arange(len(scores)), torch.from_numpy(classes)]

    with patterns_back(network, patterns, way):
        return network.gradients(pictures(), score, [INPUT], targets=CLASSES)[INPUT]


def test_maps_are_what_goes_back_summed_over_channels() -> None:
    network = around(module())
    patterns = PatternNet.fit(network, [pictures()])
    signal = PatternNet(patterns, window=1)(network, pictures(), CLASSES, SEEDS)
    expected = np.abs(gone_back(network, patterns, "signal")).sum(1)
    np.testing.assert_allclose(signal.maps, expected, rtol=1e-5)
    attribution = PatternAttribution(patterns, window=1)(network, pictures(), CLASSES, SEEDS)
    expected = gone_back(network, patterns, "attribution").sum(1)
    np.testing.assert_allclose(attribution.maps, expected, rtol=1e-4, atol=1e-7)
    assert (attribution.maps < 0).any()
    assert signal.passes == attribution.passes == PatternNet(None).projected_passes(SIDE, SIDE) == 4.0
    smooth = PatternNet(patterns, window=47)(network, pictures(), CLASSES, SEEDS).maps  # 47 of 224 are 5 of 24
    np.testing.assert_allclose(smooth, [mean_of_window(image, 5) for image in signal.maps], rtol=1e-5)


def test_attribution_of_a_linear_score_is_what_its_signal_puts_in() -> None:
    """All of y = w^T a y is the attribution w o a, whose sum is 1 where the way back starts with 1."""
    network = around(nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, 5)).requires_grad_(False))
    pixels = np.random.default_rng(1).integers(0, 256, (64, SIDE, SIDE, 3), np.uint8)
    patterns = PatternAttribution.fit(network, [pixels])
    maps = PatternAttribution(patterns, window=1)(network, pixels[:5], np.arange(5), SEEDS[:5]).maps
    np.testing.assert_allclose(maps.sum((1, 2)), np.ones(5), rtol=1e-4)


@pytest.mark.parametrize("explainer", BOTH)
def test_no_map_depends_on_another_image(explainer) -> None:
    network, pixels, order = around(module()), pictures(), np.array([6, 2, 0, 1, 5, 4, 3])
    explain = explainer(explainer.fit(network, [pixels]))
    whole = explain(network, pixels, CLASSES, SEEDS).maps
    parts = [explain(network, pixels[[n]], CLASSES[[n]], SEEDS[[n]]).maps for n in order]
    assert np.array_equal(np.concatenate(parts), whole[order])


@pytest.mark.parametrize("explainer", BOTH)
def test_a_planted_filter_at_one_place_is_pointed_at(explainer) -> None:
    rng = np.random.default_rng(0)
    # Images of blobs: neighbours are alike, and yet what the filter sees decides.
    pixels = np.kron(rng.integers(0, 256, (24, 8, 8, 3)), np.ones((1, 3, 3, 1))).astype(np.uint8)
    for row, column in rng.integers(0, SIDE - 5, (3, 2)).tolist():
        network = around(Corner(row, column).eval().requires_grad_(False))
        maps = explainer(explainer.fit(network, [pixels]))(network, pixels[:7], np.zeros(7, np.int64), SEEDS).maps
        peaks = np.array([np.unravel_index(image.argmax(), image.shape) for image in maps])
        assert (np.abs(peaks - (row + 2, column + 2)) <= 2).all()


@pytest.mark.parametrize("explainer", BOTH)
def test_networks_without_patterns_are_refused_before_any_image(explainer) -> None:
    blank = torch.zeros(1, 3, SIDE, SIDE)
    explainer(None).check(module(), blank)
    with pytest.raises(InputError, match="the way back meets 2 SiLU"):
        explainer(None).check(module(nn.SiLU), blank)
    assert pattern.__all__ == ["PatternAttribution", "PatternNet"]
