"""Patterns of a network's layers equal their slow twin, and gradients go back along them with the rest as autograd has it."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.gradients import INPUT
from filterscope.pipeline.models.patterns import Patterns, fit_patterns, linear_layers, patterns_back
from filterscope.pipeline.models.rectifiers import Ruled
from tests.factories import cifar_resnet20
from tests.naive.signal import patches, pattern
from tests.pipeline.models.test_network_gradients import SIDE, around, normalised, pictures, score, seeded


def plain() -> nn.Sequential:
    """Return two convolutions and a linear layer; the input of every layer but the first is that of a ReLU."""
    first, second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, stride=2, dilation=2, groups=2)
    relus, head = (nn.ReLU(inplace=True), nn.ReLU()), nn.Linear(24, 5)
    return seeded(first, relus[0], second, relus[1], nn.Flatten(), head)


def normed(affine: bool = True) -> nn.Sequential:
    """Return a convolution and a linear layer with batch norms behind, of either sign."""
    parts = (nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4, affine=affine), nn.ReLU(), nn.AdaptiveMaxPool2d(2))
    module = nn.Sequential(
        *parts, nn.Flatten(), nn.Linear(16, 6), nn.BatchNorm1d(6, affine=affine), nn.ReLU(), nn.Linear(6, 3)
    )
    generator = torch.Generator().manual_seed(0)
    for part in module.modules():
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
            part.running_mean.normal_(generator=generator)
            part.running_var.uniform_(0.5, 2, generator=generator)
        for value in part.parameters(recurse=False):
            value.data.normal_(generator=generator)
    return module.eval()


def sums_by_hand(
    inputs: np.ndarray, outputs: np.ndarray, weight: np.ndarray, rectified: bool = True, **convolution: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the patterns of a layer from its inputs and outputs, by the slow twin, and positive inputs of each neuron."""
    count = len(weight)
    if weight.ndim == 4:
        seen = patches(inputs, weight.shape[2], outputs=count, **convolution)
        flat = outputs.transpose(1, 0, 2, 3).reshape(count, -1)
    else:
        seen, flat = [inputs] * count, outputs.T
    rows = weight.reshape(count, -1)
    found = [pattern(seen[neuron], flat[neuron], rows[neuron], rectified) for neuron in range(count)]
    return np.array(found).reshape(weight.shape), ((flat > 0) | (not rectified)).sum(axis=1)


def test_patterns_of_every_layer_equal_the_slow_twin() -> None:
    module, pixels = plain(), pictures(5)
    found = fit_patterns(around(module), [pixels])
    assert list(found.pattern) == ["0", "2", "5"]
    x = normalised(pixels)
    settings = {
        "0": {"stride": 1, "padding": 1, "dilation": 1, "groups": 1},
        "2": {"stride": 2, "padding": 0, "dilation": 2, "groups": 2},
        "5": {"rectified": False},
    }
    for name, part in module.named_children():
        output = part(x.clone())
        if name in settings:
            weight = part.weight.double().numpy()
            expected, count = sums_by_hand(x.double().numpy(), output.double().numpy(), weight, **settings[name])
            np.testing.assert_allclose(found.pattern[name], expected, rtol=1e-4, atol=1e-5)
            assert np.array_equal(found.count[name], count)
            assert np.array_equal(found.scale[name], np.ones(len(weight)))
        x = output


@pytest.mark.parametrize("affine", [True, False])
def test_a_batch_norm_is_part_of_the_layer_before_it(affine: bool) -> None:
    module, pixels = normed(affine), pictures(6)
    found = fit_patterns(around(module), [pixels])
    assert list(found.pattern) == ["0", "5", "8"]
    x, settings = normalised(pixels), {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    for name, behind in (("0", "1"), ("5", "6")):
        layer, norm = module.get_submodule(name), module.get_submodule(behind)
        inputs = x if name == "0" else module[:5](x)
        gain = (norm.weight if affine else torch.ones(norm.num_features)) / (norm.running_var + norm.eps).sqrt()
        folded = layer.weight * gain.view(-1, *[1] * (layer.weight.ndim - 1))
        output, options = norm(layer(inputs)).double().numpy(), settings if name == "0" else {}
        expected, _ = sums_by_hand(inputs.double().numpy(), output, folded.double().numpy(), **options)
        np.testing.assert_allclose(found.pattern[name], expected, rtol=2e-4, atol=2e-5)
        np.testing.assert_allclose(found.scale[name], gain.numpy(), rtol=1e-6)


def along(module: nn.Module, patterns: Patterns, way: str, pixels: np.ndarray) -> np.ndarray:
    with patterns_back(around(module), patterns, way):
        return around(module).gradients(pixels, score(2), [INPUT])[INPUT]


def replaced(module: nn.Sequential, patterns: Patterns, way: str) -> nn.Sequential:
    """Return a copy whose weights are patterns, batch norms the identity."""
    import copy

    found = copy.deepcopy(module)
    for name, part in found.named_children():
        if name in patterns.pattern:
            a = torch.from_numpy(patterns.pattern[name])
            scale = torch.from_numpy(patterns.scale[name]).view(-1, *[1] * (a.ndim - 1))
            part.weight.data = a if way == "signal" else part.weight * scale * a
    return found


@pytest.mark.parametrize("way", ["signal", "attribution"])
@pytest.mark.parametrize("make", [plain, normed])
def test_the_way_back_has_the_masks_and_switches_of_the_network_and_the_weights_of_patterns(make, way: str) -> None:
    module, pixels = make(), pictures(4)
    patterns = fit_patterns(around(module), [pixels])
    values = [normalised(pixels)]
    for part in module:
        values.append(part(values[-1].clone()))
    back = torch.zeros_like(values[-1])
    back[:, 2] = 1
    parts = list(replaced(module, patterns, way))
    for part, x in reversed(list(zip(parts, values, strict=False))):
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
            continue
        x = x.clone().requires_grad_()
        # A ReLU that works in place is one that does not; linear layers go back by their weights, whatever they answer.
        output = F.relu(x) if isinstance(part, nn.ReLU) else part(x)
        (back,) = torch.autograd.grad(output, x, back)
    np.testing.assert_allclose(along(module, patterns, way, pixels), back.numpy(), rtol=1e-4, atol=1e-6)


def test_weights_in_place_of_patterns_give_the_gradient() -> None:
    for module in (plain(), normed()):
        pixels = pictures(4)
        fitted = fit_patterns(around(module), [pixels])
        weights = {}
        for name in fitted.pattern:
            weight = module.get_submodule(name).weight.detach().numpy()
            weights[name] = weight * fitted.scale[name].reshape(-1, *[1] * (weight.ndim - 1))
        found = along(module, Patterns(weights, fitted.scale, fitted.count), "signal", pixels)
        expected = around(module).gradients(pixels, score(2), [INPUT])[INPUT]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_outputs_stay_as_they_are() -> None:
    module, pixels = normed(), pictures(4)
    network, patterns = around(module), fit_patterns(around(module), [pixels])
    seen: list[Tensor] = []

    def noting(scores: Tensor, taps: Mapping[str, Tensor]) -> Tensor:
        seen.append(scores.detach())
        return scores[:, 0]

    network.gradients(pixels, noting, [INPUT])
    with patterns_back(network, patterns, "signal"):
        network.gradients(pixels, noting, [INPUT])
    assert torch.equal(*seen)


def test_a_planted_linear_network_gives_back_the_signal() -> None:
    """The score is w^T x of pixels x = a y + d, with w^T d = 0: the way back is a, and w says something else."""
    rng, half = np.random.default_rng(0), 40
    size = 3 * SIDE * SIDE
    direction = rng.integers(-4, 5, size).astype(float)
    distractor = 4 * direction + np.where(rng.random(size) < 0.5, 8.0, -8.0)  # what weights must turn away from
    signal, noise = rng.integers(1, 8, half).astype(float), rng.integers(-4, 5, half).astype(float)
    values = np.concatenate([np.outer(signal, direction) + np.outer(sign * noise, distractor) for sign in (1, -1)])
    assert np.abs(values).max() < 127
    layer = nn.Linear(size, 1)
    basis = np.stack([direction, distractor])
    layer.weight.data[0] = torch.from_numpy(np.linalg.lstsq(basis, np.array([1.0, 0.0]), rcond=None)[0]).float()
    # Pixels are x + 128, normalised to 127.5ths of x + 1/2; the bias takes what that adds.
    layer.weight.data *= 127.5
    layer.bias.data = -layer.weight.data.sum(1) * 0.5 / 127.5
    images = (values + 128).astype(np.uint8).reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    network = around(nn.Sequential(nn.Flatten(), layer))
    np.testing.assert_allclose(network.scores(images)[:, 0], np.tile(signal, 2), rtol=1e-4)
    patterns = fit_patterns(network, [images])
    with patterns_back(network, patterns, "signal"):
        found = network.gradients(images[:2], score(0), [INPUT])[INPUT]
    np.testing.assert_allclose(found.reshape(2, -1) * 127.5, np.tile(direction, (2, 1)), atol=4e-6)
    weights = layer.weight.data[0].numpy()
    assert weights @ direction / np.linalg.norm(weights) / np.linalg.norm(direction) < 0.8


def test_blocks_of_any_size_give_the_same_bits() -> None:
    module, pixels = normed(), pictures(11)
    whole = fit_patterns(around(module), [pixels]).arrays()
    for cuts in ([3], [1, 2, 9], [4, 8]):
        parts = fit_patterns(around(module), np.split(pixels, cuts)).arrays()
        assert parts.keys() == whole.keys()
        assert all(np.array_equal(parts[key], whole[key]) for key in whole)


def test_no_map_depends_on_another_image() -> None:
    module, pixels, order = plain(), pictures(7), np.array([6, 2, 0, 1, 5, 4, 3])
    patterns = fit_patterns(around(module), [pixels])
    whole = along(module, patterns, "signal", pixels)
    parts = [along(module, patterns, "signal", pixels[[number]]) for number in order]
    assert np.array_equal(np.concatenate(parts), whole[order])


def test_they_are_the_same_behind_a_file(tmp_path) -> None:
    fitted = fit_patterns(around(plain()), [pictures(4)])
    np.savez(tmp_path / "patterns.npz", **fitted.arrays())
    with np.load(tmp_path / "patterns.npz") as file:
        read = Patterns.of({key: file[key] for key in file.files})
    assert list(read.pattern) == list(fitted.pattern)
    assert all(np.array_equal(read.arrays()[key], value) for key, value in fitted.arrays().items())


def test_residual_additions_concatenations_and_reused_layers_work() -> None:
    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            once = F.relu(self.conv(x))
            twice = F.relu(self.conv(once) + x)
            return self.head(torch.cat([once, twice], 1).mean((2, 3)))

    torch.manual_seed(0)
    module, pixels = Joined(), pictures(5)
    patterns = fit_patterns(around(module), [pixels])
    assert list(patterns.pattern) == ["conv#0", "conv#1", "head"]
    first, second, head = (torch.from_numpy(part) for part in patterns.pattern.values())
    x = normalised(pixels)
    once = F.relu(module.conv(x))
    summed = module.conv(once) + x
    share = (head[2] / SIDE**2).view(2, 3, 1, 1)
    from_sum = share[1] * (summed > 0)
    at_once = (share[0] + F.conv_transpose2d(from_sum, second, padding=1)) * (once > 0)
    expected = F.conv_transpose2d(at_once, first, padding=1) + from_sum
    np.testing.assert_allclose(
        along(module, patterns, "signal", pixels), expected.detach().numpy(), rtol=1e-4, atol=1e-7
    )

    torch.manual_seed(0)
    deep = cifar_resnet20().eval()
    found = fit_patterns(around(deep), [pictures(3, 32)])
    assert len(found.pattern) == 20
    assert np.isfinite(along(deep, found, "attribution", pictures(3, 32))).all()


def test_what_has_no_patterns_is_refused_in_words() -> None:
    refused = {
        "a batch norm of 3 channels does not follow": (nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3), nn.Flatten()),
        "a batch norm of 4 channels does not follow": (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.Flatten()),
        "the network calls group_norm": (nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Flatten()),
        "the network calls conv_transpose2d": (nn.ConvTranspose2d(3, 4, 3), nn.Flatten()),
        "the way back meets 1 SiLU": (nn.Conv2d(3, 4, 3), nn.SiLU(), nn.Flatten()),
        "no convolution and no linear layer|0 convolutions of 0": (nn.Flatten(),),
        "1 convolutions of 2": (nn.Conv2d(3, 4, 3), torch.jit.script(nn.Conv2d(4, 4, 3)), nn.Flatten()),
        "sees 12 inputs of 4 images": (
            nn.Unflatten(1, (3, 1)),
            nn.Flatten(0, 1),
            nn.Conv2d(1, 1, 8),
            nn.Unflatten(0, (4, 3)),
            nn.Flatten(),
        ),
    }
    for words, parts in refused.items():
        with pytest.raises(InputError, match=words):
            fit_patterns(around(nn.Sequential(*parts)), [pictures(4)])
    with pytest.raises(InputError, match="patterns are fitted on images, and there are none"):
        fit_patterns(around(plain()), [])


def test_a_layer_that_is_read_beside_its_batch_norm_is_refused() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            return (self.norm(y) + y).mean((2, 3))

    with pytest.raises(InputError, match="is read by more than that, so it has two patterns"):
        fit_patterns(around(Twice()), [pictures(4)])


def test_patterns_of_another_network_are_refused_and_nothing_stays_behind() -> None:
    module, pixels = plain(), pictures(4)
    before = around(module).gradients(pixels, score(2), [INPUT])[INPUT]
    with pytest.raises(InputError, match="the patterns are of another network"):
        along(module, fit_patterns(around(normed()), [pixels]), "signal", pixels)
    assert np.array_equal(around(module).gradients(pixels, score(2), [INPUT])[INPUT], before)
    guided = around(module).gradients(pixels, Ruled(score(2), "guided"), [INPUT])[INPUT]
    assert not np.array_equal(guided, before)
    assert not module._forward_pre_hooks


def test_inputs_count_that_a_rectifier_lets_through_where_it_alone_reads() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c, self.d, self.e = (nn.Conv2d(3, 3, 1) for _ in range(5))
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            x = F.relu(F.max_pool2d(self.a(x), 2))
            x = self.norm(self.b(x)).relu_()
            x = F.relu(self.c(x) + x)
            y = self.d(x)
            return self.e(F.relu(y) + y.mean()).mean((2, 3))

    layers = linear_layers(Mixed().eval(), normalised(pictures(2)))
    assert layers.names == ("a", "b", "c", "d", "e")
    assert layers.normed == {1}
    assert layers.rectified == {0, 1}
