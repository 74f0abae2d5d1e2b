"""Inputs are optimised towards what is known to be best, reproducibly, and each by itself."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.models.gradients import INPUT
from tests.pipeline.models.test_network_gradients import SIDE, around, linear, score, with_relus


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.1, (count, 3, SIDE, SIDE)).astype(np.float32)


def test_the_best_input_of_a_linear_network_is_along_its_weights() -> None:
    """Of all inputs of one length the best is parallel to the weights; a penalty on the length makes it weights / 2."""
    module = linear()
    weights = module[1].weight[2].detach().numpy()

    def of(scores: Tensor, taps: Mapping[str, Tensor]) -> Tensor:
        return scores[:, 2] - (taps[INPUT] ** 2).sum((1, 2, 3))

    found, trace = around(module).optimise(of, noise(2), steps=300, learning_rate=0.01)
    assert found.dtype == trace.dtype == np.float32
    assert trace.shape == (301, 2)
    assert found.reshape(2, -1) == pytest.approx(np.stack([weights / 2] * 2), abs=1e-4)
    best = (weights**2).sum() / 4 + module[1].bias[2].item()
    assert trace[-1] == pytest.approx([best] * 2, abs=1e-5)


def test_the_first_update_of_adam_goes_along_the_signs_of_the_gradient() -> None:
    module, start = linear(), noise(3)
    found, trace = around(module).optimise(score(0), start, steps=1, learning_rate=0.125)
    weights = module[1].weight[0].numpy()
    assert (found - start).reshape(3, -1) == pytest.approx(np.stack([0.125 * np.sign(weights)] * 3), abs=1e-4)
    scores = [start.reshape(3, -1) @ weights + module[1].bias[0].item()]
    scores.append(scores[0] + 0.125 * np.abs(weights).sum())
    assert trace == pytest.approx(np.stack(scores), abs=1e-3)


def test_a_unit_is_driven_up_without_the_head_and_the_start_is_left_alone() -> None:
    module = nn.Sequential(*list(with_relus())[:3])
    start = noise(2)
    kept = start.copy()
    network = around(module, ("2",))
    found, trace = network.optimise(
        lambda scores, taps: taps["2"][:, 4].mean((1, 2)), start, steps=20, learning_rate=0.05, scores=False
    )
    assert (np.diff(trace, axis=0) > 0).all()
    assert np.array_equal(start, kept)
    with torch.no_grad():
        reached = module(torch.from_numpy(found))[:, 4].mean((1, 2)).numpy()
    assert trace[-1] == pytest.approx(reached, rel=1e-5)
    assert all(parameter.grad is None for parameter in module.parameters())


def test_every_image_is_optimised_by_itself() -> None:
    network, start = around(with_relus()), noise(6)
    found, trace = network.optimise(score(1), start, steps=5, learning_rate=0.1)
    for image in (0, 5):
        alone, line = network.optimise(score(1), start[image : image + 1], steps=5, learning_rate=0.1)
        assert np.array_equal(alone[0], found[image])
        assert np.array_equal(line[:, 0], trace[:, image])


def jitter(inputs: Tensor, generator: torch.Generator) -> Tensor:
    rows, columns = torch.randint(-2, 3, (2,), generator=generator).tolist()
    return torch.roll(inputs, (rows, columns), (2, 3))


def test_a_transformation_is_drawn_anew_at_every_step_from_the_seed() -> None:
    network, start = around(with_relus()), noise(2)

    def run(seed: int) -> np.ndarray:
        torch.manual_seed(np.random.default_rng().integers(1 << 30))  # torch's own state plays no part
        return network.optimise(score(0), start, steps=6, learning_rate=0.1, transform=jitter, seed=seed)[0]

    plain = network.optimise(score(0), start, steps=6, learning_rate=0.1)[0]
    assert np.array_equal(run(3), run(3))
    assert not np.array_equal(run(3), run(4))
    assert not np.array_equal(run(3), plain)


def test_what_is_optimised_may_be_parameters_of_an_image() -> None:
    """One grey value per image, which `transform` spreads over it, grows as the weights sum up."""
    module = linear()
    total = module[1].weight[1].sum().item()
    found, _ = around(module).optimise(
        score(1),
        np.zeros((2, 1), np.float32),
        steps=1,
        learning_rate=0.5,
        transform=lambda grey, generator: grey[:, :, None, None].expand(-1, 3, SIDE, SIDE),
    )
    assert found == pytest.approx(np.full((2, 1), 0.5 * np.sign(total)), abs=1e-5)


def test_an_objective_that_cannot_be_followed_is_refused() -> None:
    network = around(linear())
    with pytest.raises(InputError, match="does not depend on the input, so there is nothing to optimise"):
        network.optimise(lambda scores, taps: scores.detach()[:, 0], noise(1), steps=2, learning_rate=0.1)
    with pytest.raises(InputError, match=r"one value per image, of shape \(2,\); got \(\)"):
        network.optimise(lambda scores, taps: scores.sum(), noise(2), steps=2, learning_rate=0.1)
    with pytest.raises(RunError, match=r"the objective is \[nan\] after 0 steps; lower the learning rate"):
        network.optimise(lambda scores, taps: (scores[:, 0] * 0 - 1).sqrt(), noise(1), steps=2, learning_rate=0.1)
