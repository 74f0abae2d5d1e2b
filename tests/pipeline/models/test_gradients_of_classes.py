"""Gradients of many class scores from one pass are those of as many passes, and times the maps what captum says."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.pipeline.models.test_network_gradients import around, normalised, pictures, seeded


def small() -> nn.Sequential:
    """Convolutions before in-place ReLUs, and a head."""
    return seeded(
        nn.Conv2d(3, 6, 3), nn.ReLU(inplace=True), nn.Conv2d(6, 8, 3), nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 5),
    )  # fmt: skip


def gathered(network, pixels, classes, at):
    """Put all batches together: scores, maps and gradients."""
    parts = list(network.gradients_of_classes(pixels, classes, at))
    assert [rows.start for rows, *_ in parts] == list(range(0, len(pixels), network.batch_size))
    scores = np.concatenate([scores for _, scores, _, _ in parts])
    both = ({name: np.concatenate([part[k][name] for part in parts]) for name in at} for k in (2, 3))
    return scores, *both


def test_they_are_those_of_a_pass_for_each_class():
    network, pixels, at = around(small(), batch_size=4), pictures(6), ("0", "3")
    scores, values, slopes = gathered(network, pixels, [4, 0, 2], at)
    np.testing.assert_array_equal(scores, network.scores(pixels))
    exact = around(small(), at).exact(pixels)
    for name in at:
        np.testing.assert_array_equal(values[name], exact[name])
        for place, index in enumerate((4, 0, 2)):
            alone = network.gradients(pixels, lambda scores, taps, k=index: scores[:, k], [name])[name]
            np.testing.assert_allclose(slopes[name][:, place], alone, atol=1e-7)


def test_a_score_that_a_layer_has_no_influence_on_has_gradient_zero():
    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Conv2d(3, 2, 3), nn.Conv2d(3, 2, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.one(x).mean((2, 3)), self.other(x).mean((2, 3))], 1)

    _, _, slopes = gathered(around(Halves()), pictures(2), [0, 3], ["one"])
    assert (slopes["one"][:, 1] == 0).all()
    assert (slopes["one"][:, 0, 0] == np.float32(1 / 36)).all()


@pytest.mark.parametrize("layer", ["0", "2", "3"])
def test_times_the_maps_they_are_what_captum_says(layer):
    attr = pytest.importorskip("captum.attr")
    module, pixels = small(), pictures(3)
    _, values, slopes = gathered(around(module), pixels, range(5), [layer])
    plain = nn.Sequential(*(nn.ReLU() if isinstance(part, nn.ReLU) else part for part in module))
    oracle = attr.LayerGradientXActivation(plain, plain[int(layer)])
    for index in range(5):
        expected = oracle.attribute(normalised(pixels).requires_grad_(), target=index).detach().numpy()
        np.testing.assert_allclose(slopes[layer][:, index] * values[layer], expected, atol=1e-6)
