"""The same demands on every registered way to explain a score."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from filterscope.operators.attribution.pointing import pointed_at
from filterscope.pipeline.methods.attribution.block import enlarged
from filterscope.pipeline.methods.attribution.explainers import BASELINES, EXPLAINERS, known, made, takes
from filterscope.pipeline.models.patterns import fit_patterns
from filterscope.pipeline.models.taps import Taps
from tests.planted import attribution as planted

#: Settings for images of 40 pixels, and for a moment.
SMALL = {
    "occlusion": {"stride": 16},
    "lime": {"samples": 120, "kernel_size": 2, "max_dist": 10},
    "pda": {"window": 5, "samples": 2, "stride": 3},
    "meaningful": {"iterations": 40},
}
ALL = pytest.mark.parametrize("name", [*EXPLAINERS, *BASELINES])


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class OnePlace(planted.OnePlace):
    """The planted network with a rectifier, and maps of the image's size: large where the pattern is, nowhere negative."""

    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()
        with torch.no_grad():
            self.filter.bias.zero_()
        self.filter.padding = (2, 2)

    def forward(self, x):
        score = self.relu(self.filter(x))[:, :, planted.PLACE[0] + 2, planted.PLACE[1] + 2] - 3
        return torch.cat([score, torch.zeros_like(score)], 1)


def explainer(name, network, **more):
    patterns = fit_patterns(network, [planted.images(64, seed=1)]) if takes(name, "patterns") else None
    return replace(made(name, "relu", patterns), **{**SMALL.get(name, {}), **more})


def explained(name, pixels, seeds, **more):
    network = planted.network()
    network = replace(network, taps=Taps(OnePlace().eval().requires_grad_(False), ()))
    found = explainer(name, network, **more)(network, pixels, np.zeros(len(pixels), np.int64), seeds)
    assert found.maps.dtype == np.float32
    assert found.maps.shape[0] == len(pixels)
    return found


@pytest.mark.parametrize("name", EXPLAINERS)
def test_it_points_at_the_one_place_that_the_score_comes_from(name):
    """At its field, within a pixel; segments are larger, and theirs holds the place."""
    maps = explained(name, planted.images(20), np.arange(20, dtype=np.uint64)).maps
    maps = enlarged(maps, (planted.SIZE, planted.SIZE))
    field = np.zeros((1, planted.SIZE, planted.SIZE), bool)
    field[0, planted.PLACE[0] - 1 : planted.PLACE[0] + 6, planted.PLACE[1] - 1 : planted.PLACE[1] + 6] = True
    assert np.mean([pointed_at(values, field)[0, 0] > 0 for values in maps]) >= 0.95
    assert np.mean(maps == maps.max(axis=(1, 2), keepdims=True)) < 0.1


@ALL
def test_a_map_does_not_depend_on_the_other_images(name):
    """Whatever their order, and however they are cut into blocks."""
    pixels, seeds = planted.images(5), np.arange(10, 15, dtype=np.uint64)
    more = {"iterations": 3} if name == "meaningful" else {"stride": 5} if name == "pda" else {}
    whole = explained(name, pixels, seeds, **more).maps
    order = np.array([3, 0, 4, 2, 1])
    np.testing.assert_array_equal(explained(name, pixels[order], seeds[order], **more).maps, whole[order])
    parts = [explained(name, pixels[part], seeds[part], **more).maps for part in (slice(0, 2), slice(2, 5))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@ALL
def test_it_states_its_cost_before_it_runs(name):
    small = {"iterations": 3} if name == "meaningful" else SMALL.get(name, {})
    stated = replace(made(name), **small).projected_passes(planted.SIZE, planted.SIZE)
    found = explained(name, planted.images(1), np.zeros(1, np.uint64), **small)
    assert found.passes == stated
    assert (stated == 0) == (name in BASELINES)


def test_grad_cam_takes_three_passes_at_most():
    assert made("grad_cam").projected_passes(224, 224) <= 3


def test_names_are_kept_in_order_and_once():
    assert known(["occlusion", "grad_cam", "occlusion"]) == ("grad_cam", "occlusion")
    with pytest.raises(ValueError, match=r"'gradcam' is not one. Did you mean 'grad_cam'"):
        known(["gradcam"])
    with pytest.raises(ValueError, match="grad_cam"):
        known([])
