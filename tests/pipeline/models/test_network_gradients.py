"""Gradients are those of calculus, at the value that the rest of the network uses, and belong to one image alone."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from filterscope.operators.numerics.basis import rotation
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.gradients import INPUT
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.taps import Taps
from tests.factories import cifar_resnet20

SIDE = 8


def around(
    module: nn.Module, layers: tuple[str, ...] = (), batch_size: int = 4, basis: tuple[int, float] | None = None
) -> Network:
    """Put a network of one's own in place, with an input from -1 to 1."""
    mean = torch.full((1, 3, 1, 1), 127.5)
    module = module.eval().requires_grad_(False)
    return Network(Taps(module, layers, rotation=basis), layers, batch_size, 1.0, "cpu", mean, mean)


def pictures(count: int, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)


def normalised(pixels: np.ndarray) -> Tensor:
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127.5) / 127.5


def seeded(*parts: nn.Module) -> nn.Sequential:
    module = nn.Sequential(*parts)
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) / parameter[0].numel() ** 0.5
    return module


def linear() -> nn.Sequential:
    return seeded(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 5))


def with_relus() -> nn.Sequential:
    """Two convolutions, each before an in-place ReLU, then class scores."""
    conv, head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(6 * SIDE * SIDE, 5)
    return seeded(conv, nn.ReLU(inplace=True), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(inplace=True), nn.Flatten(), head)


def score(number: int):
    return lambda scores, taps: scores[:, number]


def test_the_input_gradient_of_a_linear_network_is_its_weights() -> None:
    module = linear()
    found = around(module).gradients(pictures(6), score(3), [INPUT])
    assert list(found) == [INPUT]
    assert found[INPUT].shape == (6, 3, SIDE, SIDE)
    assert found[INPUT].dtype == np.float32
    expected = module[1].weight[3].view(3, SIDE, SIDE).numpy()
    assert np.array_equal(found[INPUT], np.broadcast_to(expected, found[INPUT].shape))


def test_targets_say_what_is_differentiated_for_each_image() -> None:
    module, targets = linear(), np.array([4, 0, 2, 2, 1, 3])
    network = around(module)

    def own_class(scores: Tensor, taps: Mapping[str, Tensor], classes: np.ndarray) -> Tensor:
        return scores[torch.arange(len(scores)), torch.from_numpy(classes)]

    found = network.gradients(pictures(6), own_class, [INPUT], targets=targets)[INPUT]
    assert np.array_equal(found.reshape(6, -1), module[1].weight[targets].numpy())
    with pytest.raises(InputError, match="there are 5 targets for 6 images; give one per image"):
        network.gradients(pictures(6), own_class, [INPUT], targets=targets[:5])


def test_a_tap_before_an_in_place_relu_has_the_gradient_and_the_value_from_before_it() -> None:
    """At the convolutions what comes back through the ReLU is masked; behind the ReLUs it is not."""
    module, pixels = with_relus(), pictures(6)
    seen: list[dict[str, Tensor]] = []

    def of(scores: Tensor, taps: Mapping[str, Tensor]) -> Tensor:
        seen.append({name: value.detach().clone() for name, value in taps.items()})
        return scores[:, 1]

    found = around(module).gradients(pixels, of, ["0", "1", "2", "3"])
    first = module[0](normalised(pixels))
    second = module[2](first.clamp(min=0))
    behind = module[5].weight[1].view(6, SIDE, SIDE).expand(6, -1, -1, -1)
    before = behind * (second > 0)
    between = nn.functional.conv_transpose2d(before, module[2].weight, padding=1)
    expected = {"3": behind, "2": before, "1": between, "0": between * (first > 0)}
    for name, gradient in expected.items():
        assert found[name] == pytest.approx(gradient.numpy(), abs=1e-6), name
    assert (first < 0).any()
    torch.testing.assert_close(torch.cat([taps["0"] for taps in seen]), first)
    torch.testing.assert_close(torch.cat([taps["1"] for taps in seen]), first.clamp(min=0))


def test_a_value_that_is_read_alone_is_the_one_from_before_an_in_place_relu() -> None:
    """What is differentiated is the score times a value of the first convolution, which is negative at places."""
    module, pixels = with_relus(), pictures(4)
    network = around(module, ("0",))
    found = network.gradients(pixels, lambda scores, taps: scores[:, 1] * taps["0"][:, 2, 3, 3], ["3"])["3"]
    factor = module[0](normalised(pixels))[:, 2, 3, 3]
    assert factor.min() < 0
    expected = module[5].weight[1].view(6, SIDE, SIDE) * factor[:, None, None, None]
    assert found == pytest.approx(expected.numpy(), abs=1e-6)


def test_gradients_are_those_of_finite_differences() -> None:
    """In double precision, with respect to a layer whose block ends in an in-place sum and whose input is reused."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
            self.relu, self.head = nn.ReLU(inplace=True), nn.Linear(4, 3)

        def forward(self, x: Tensor, *, late: Tensor | None = None) -> Tensor:
            here = self.conv1(x.double()) if late is None else late
            out = self.conv2(torch.tanh(here))
            out += here
            return self.head(self.relu(out).mean((2, 3)))

    torch.manual_seed(0)
    module = Block().double()
    network = around(module)
    pixels = pictures(2)

    def of(scores: Tensor, taps: Mapping[str, Tensor]) -> Tensor:
        return scores[:, 2] ** 2 + (taps["conv1"] ** 3).mean((1, 2, 3))

    found = network.gradients(pixels, of, ["conv1"])["conv1"]
    with torch.no_grad():
        here = module.conv1(normalised(pixels).double())

    @torch.no_grad()
    def value(late: Tensor) -> Tensor:
        return of(module(torch.zeros(0), late=late), {"conv1": late})

    step = 1e-5
    for place in [(0, 0, 0), (1, 3, 4), (2, 7, 7), (3, 5, 0)]:
        moved = torch.zeros_like(here)
        moved[(slice(None), *place)] = step
        slopes = (value(here + moved) - value(here - moved)) / (2 * step)
        assert found[(slice(None), *place)] == pytest.approx(slopes.numpy(), rel=1e-4, abs=1e-7)


def test_no_gradient_depends_on_another_image() -> None:
    torch.manual_seed(0)
    network = around(cifar_resnet20(), ("layer2",))
    pixels = pictures(6, 32)

    def best(scores: Tensor, taps: Mapping[str, Tensor]) -> Tensor:
        return scores.max(1).values

    whole = network.gradients(pixels, best, [INPUT, "layer1.1", "layer3"])
    assert whole["layer3"].shape == (6, 64, 8, 8)
    assert np.abs(whole[INPUT]).min(axis=(1, 2, 3)).max() < np.abs(whole[INPUT]).max()
    for image in (1, 5):
        alone = network.gradients(pixels[image : image + 1], best, [INPUT, "layer1.1", "layer3"])
        assert all(np.array_equal(alone[name][0], whole[name][image]) for name in whole)
    several = network.gradients(pixels, best, ["layer3"])
    assert np.array_equal(several["layer3"], whole["layer3"])


def test_gradients_of_a_unit_end_the_pass_at_its_layer() -> None:
    class Headless(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            self.conv(x)
            raise AssertionError("the pass went on")

    module = Headless()
    network = around(module, ("conv",))
    found = network.gradients(pictures(2), lambda scores, taps: taps["conv"][:, 1, 2, 3], [INPUT], scores=False)[INPUT]
    expected = np.zeros_like(found)
    expected[:, :, 2:5, 3:6] = module.conv.weight[1].numpy()
    assert found == pytest.approx(expected)


def test_layers_that_share_an_output_have_one_gradient() -> None:
    inner = seeded(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True))
    module = nn.Sequential(inner, nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 36, 2))
    found = around(module).gradients(pictures(3), score(0), ["0", "0.1", "0.0"])
    assert np.array_equal(found["0"], found["0.1"])
    assert np.array_equal(found["0.0"], found["0"] * (found["0.0"] != 0))
    assert (found["0.0"] == 0).any()


def test_gradients_of_rotated_units_are_rotated() -> None:
    module, pixels = with_relus(), pictures(3)
    plain = around(module).gradients(pixels, score(2), ["2"])["2"]
    network = around(module, ("2",), basis=(7, 1.0))
    network.maps(pixels)  # what a pass in inference mode keeps must not stand in the way
    rotated = network.gradients(pixels, score(2), ["2"])["2"]
    expected = np.einsum("dc,nchw->ndhw", rotation(6, 7, "2"), plain)
    assert rotated == pytest.approx(expected, abs=1e-6)
    assert np.abs(rotated - plain).max() > 0.01


def test_nothing_stays_behind_in_the_network() -> None:
    module = with_relus()
    network, pixels = around(module, ("0",)), pictures(3)
    before = network.maps(pixels)["0"]
    with torch.inference_mode():
        network.gradients(pixels, score(0), [INPUT, "1"])
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in module.parameters())
    assert not any(part._forward_hooks for part in module.modules())
    assert np.array_equal(network.maps(pixels)["0"], before)


def test_a_network_that_overwrites_its_input_has_a_gradient_at_the_input() -> None:
    module = nn.Sequential(nn.ReLU(inplace=True), *linear())
    pixels = pictures(2)
    found = around(module).gradients(pixels, score(0), [INPUT])[INPUT]
    weights = module[2].weight[0].view(3, SIDE, SIDE).numpy()
    assert np.array_equal(found, weights * (normalised(pixels) > 0).numpy())


def test_what_cannot_be_differentiated_is_refused() -> None:
    network, pixels = around(with_relus(), ("0", "2")), pictures(6)
    with pytest.raises(InputError, match=r"one value per image, of shape \(4,\); got \(4, 5\)"):
        network.gradients(pixels, lambda scores, taps: scores, [INPUT])
    with pytest.raises(InputError, match=r"one value per image, of shape \(4,\); got float"):
        network.gradients(pixels, lambda scores, taps: 1.0, [INPUT])
    with pytest.raises(InputError, match="does not depend on '2': it is made before it"):
        network.gradients(pixels, lambda scores, taps: taps["0"].mean((1, 2, 3)), ["0", "2"])
    with pytest.raises(InputError, match="does not depend on 'input'"):
        network.gradients(pixels, lambda scores, taps: torch.zeros(len(scores)), [INPUT])
    with pytest.raises(InputError, match="layer '9' is not in the network"):
        network.gradients(pixels, score(0), ["9"])
