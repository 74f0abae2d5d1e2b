"""Rules of rectifiers hold at every one, however it is called, and at nothing else."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.gradients import INPUT
from filterscope.pipeline.models.rectifiers import Ruled
from tests.pipeline.models.test_network_gradients import SIDE, around, normalised, pictures, score, seeded

ZERO = torch.zeros(())

RECTIFIERS: dict[str, Callable[[Tensor], Tensor]] = {
    "module": nn.ReLU(),
    "module in place": nn.ReLU(inplace=True),
    "module of TorchScript": torch.jit.script(nn.ReLU()),
    "F.relu": F.relu,
    "F.relu_": F.relu_,
    "torch.relu": torch.relu,
    "torch.ops": torch.ops.aten.relu,
    "Tensor.relu": Tensor.relu,
    "Tensor.relu_": Tensor.relu_,
    "clamp": lambda x: x.clamp(min=0),
    "clamp_": lambda x: x.clamp_(min=0),
    "clamp of a tensor": lambda x: x.clamp(min=ZERO),
    "clip": lambda x: torch.clip(x, 0.0),
    "clamp_min": lambda x: x.clamp_min(0),
    "threshold": nn.Threshold(0, 0),
    "threshold in place": nn.Threshold(0, 0, inplace=True),
    "maximum": lambda x: torch.maximum(x, ZERO),
    "max": lambda x: torch.max(torch.zeros_like(x), x),
    "fmax": lambda x: torch.fmax(x, ZERO),
}
CAPPED: dict[str, Callable[[Tensor], Tensor]] = {
    "module": nn.ReLU6(),
    "module in place": nn.ReLU6(inplace=True),
    "F.relu6": F.relu6,
    "hardtanh": nn.Hardtanh(0, 6),
    "clamp": lambda x: x.clamp(0, 6),
}


class Called(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def network_with(rectifier: Callable[[Tensor], Tensor], gain: float = 1.0) -> nn.Sequential:
    """Return two convolutions, each before a rectifier, and a linear layer of 5 scores."""
    first, second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
    module = seeded(first, Called(rectifier), second, Called(rectifier), nn.Flatten(), nn.Linear(6 * SIDE * SIDE, 5))
    first.weight.data *= gain
    return module


def by_hand(module: nn.Sequential, pixels: np.ndarray, rule: str, high: float) -> np.ndarray:
    """Take the gradient of score 2 back through `network_with` by the rule, layer by layer."""
    before = module[0](normalised(pixels))
    middle = module[2](before.clamp(0, high))
    back = module[5].weight[2].view(1, 6, SIDE, SIDE).expand(len(pixels), -1, -1, -1)
    for conv, x in ((module[2], middle), (module[0], before)):
        if rule != "deconvnet":
            back = back * ((x > 0) & (x < high))
        if rule != "saliency":
            back = back.clamp(min=0)
        back = F.conv_transpose2d(back, conv.weight, padding=1)
    return back.numpy()


def found(module: nn.Module, rule: str, pixels: np.ndarray, **options: bool) -> tuple[np.ndarray, dict[str, int]]:
    ruled = Ruled(score(2), rule, **options)
    return around(module).gradients(pixels, ruled, [INPUT])[INPUT], ruled.replaced


@pytest.mark.parametrize("rule", ["saliency", "deconvnet", "guided"])
@pytest.mark.parametrize("name", RECTIFIERS)
def test_every_rectifier_follows_the_rule(name: str, rule: str) -> None:
    module, pixels = network_with(RECTIFIERS[name]), pictures(6)
    gradients, replaced = found(module, rule, pixels)
    np.testing.assert_allclose(gradients, by_hand(module, pixels, rule, np.inf), rtol=1e-5, atol=1e-6)
    assert sum(replaced.values()) == (0 if rule == "saliency" else 2)


@pytest.mark.parametrize("rule", ["saliency", "deconvnet", "guided"])
@pytest.mark.parametrize("name", CAPPED)
def test_rectifiers_with_a_cap_follow_the_rule_below_it(name: str, rule: str) -> None:
    module, pixels = network_with(CAPPED[name], gain=20.0), pictures(6)
    assert (module[0](normalised(pixels)) > 6).float().mean() > 0.1
    gradients, replaced = found(module, rule, pixels)
    np.testing.assert_allclose(gradients, by_hand(module, pixels, rule, 6.0), rtol=1e-5, atol=1e-6)
    assert sum(replaced.values()) == (0 if rule == "saliency" else 2)


def test_the_three_rules_differ() -> None:
    pixels = pictures(4)
    saliency, deconvnet, guided = (
        found(network_with(F.relu), rule, pixels)[0] for rule in ("saliency", "deconvnet", "guided")
    )
    pairs = ((saliency, deconvnet), (saliency, guided), (deconvnet, guided))
    assert all(np.abs(one - other).max() > 1e-3 for one, other in pairs)


@pytest.mark.parametrize("rule", ["deconvnet", "guided"])
def test_modules_equal_captum_bit_for_bit_and_functions_do_not_fall_back_to_the_plain_gradient(rule: str) -> None:
    attr = pytest.importorskip("captum.attr")
    method, pixels = attr.GuidedBackprop if rule == "guided" else attr.Deconvolution, pictures(4)

    def captum(rectifier: Callable[[], nn.Module]) -> np.ndarray:
        parts = network_with(F.relu)
        plain = nn.Sequential(parts[0], rectifier(), parts[2], rectifier(), *parts[4:])
        images = normalised(pixels).contiguous(memory_format=torch.channels_last).requires_grad_()
        return method(plain).attribute(images, target=2).detach().numpy()

    assert np.array_equal(found(network_with(nn.ReLU()), rule, pixels)[0], captum(nn.ReLU))
    for other in (lambda: Called(F.relu), nn.ReLU6):
        plain = found(network_with(other()), "saliency", pixels)[0]
        np.testing.assert_allclose(
            captum(other), plain, rtol=1e-5, atol=1e-7
        )  # captum hooks instances of nn.ReLU alone
        ours = found(network_with(other()), rule, pixels)[0]
        assert np.abs(ours - plain).max() > 1e-3
    assert np.array_equal(found(network_with(F.relu), rule, pixels)[0], captum(nn.ReLU))


def test_a_reused_module_counts_at_each_call_and_residual_additions_work() -> None:
    from tests.factories import cifar_resnet20

    torch.manual_seed(0)
    gradients, replaced = found(cifar_resnet20().eval(), "guided", pictures(3, 32))
    assert replaced == {"Relu": 19}
    assert np.isfinite(gradients).all()


def test_only_rectifiers_behind_the_layer_that_is_asked_are_replaced() -> None:
    ruled = Ruled(score(2), "guided")
    around(network_with(F.relu)).gradients(pictures(2), ruled, ["2"])
    assert ruled.replaced == {"Relu": 1}


def test_the_rule_ends_with_the_pass() -> None:
    network, pixels = around(network_with(nn.ReLU(inplace=True))), pictures(3)
    before = network.gradients(pixels, score(2), [INPUT])[INPUT]
    network.gradients(pixels, Ruled(score(2), "guided"), [INPUT])
    assert np.array_equal(network.gradients(pixels, score(2), [INPUT])[INPUT], before)


def test_no_gradient_depends_on_another_image() -> None:
    network, pixels = around(network_with(F.relu)), pictures(7)
    whole = network.gradients(pixels, Ruled(score(2), "guided"), [INPUT])[INPUT]
    order = np.array([6, 2, 0, 1, 5, 4, 3])
    parts = [network.gradients(pixels[[number]], Ruled(score(2), "guided"), [INPUT])[INPUT] for number in order]
    assert np.array_equal(np.concatenate(parts), whole[order])


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (nn.SiLU(), "SiLU"),
        (nn.SiLU(inplace=True), "SiLU"),
        (nn.GELU(), "GELU"),
        (nn.Hardswish(), "Hardswish"),
        (nn.Mish(), "Mish"),
        (nn.ELU(), "ELU"),
        (nn.ELU(inplace=True), "ELU"),
        (nn.CELU(), "CELU"),
        (nn.LeakyReLU(), "LeakyReLU"),
        (nn.LeakyReLU(inplace=True), "LeakyReLU"),
        (nn.PReLU(), "PReLU"),
        (nn.RReLU(), "RReLU"),
        (nn.Softplus(), "Softplus"),
    ],
)
def test_stand_ins_are_refused_by_name_or_taken_as_relu(function: nn.Module, name: str) -> None:
    module, pixels = network_with(function.eval().requires_grad_(False)), pictures(4)
    with pytest.raises(InputError, match=f"the way back meets 2 {name}, and its rule is defined for ReLU alone"):
        found(module, "guided", pixels)
    gradients, replaced = found(module, "guided", pixels, smooth_as_relu=True)
    before = module[0](normalised(pixels))
    middle = module[2](function(before.clone()))
    back = module[5].weight[2].view(1, 6, SIDE, SIDE).clamp(min=0) * (middle > 0)
    back = F.conv_transpose2d(back, module[2].weight, padding=1).clamp(min=0) * (before > 0)
    expected = F.conv_transpose2d(back, module[0].weight, padding=1).numpy()
    np.testing.assert_allclose(gradients, expected, rtol=1e-5, atol=1e-6)
    assert sum(replaced.values()) == 2


def test_nothing_to_replace_is_an_error_in_words() -> None:
    bounds = {
        "none": lambda x: x,
        "clamp at 0.1": lambda x: x.clamp(min=0.1),
        "cap alone": lambda x: x.clamp(max=6),
        "hardtanh": F.hardtanh,
        "maximum of maps": lambda x: torch.maximum(x, 0.5 * x),
        "gate": torch.sigmoid,
        "spelt out": lambda x: x * (x > 0),
    }
    for function in bounds.values():
        with pytest.raises(InputError, match="guided replaced 0 rectifiers"):
            found(network_with(function), "guided", pictures(2))


def test_what_hides_rectifiers_is_refused() -> None:
    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> Tensor:
            return gradient

    with pytest.raises(InputError, match="an operation of its own on the way back, OwnBackward"):
        found(network_with(Own.apply), "guided", pictures(2))


def test_a_rule_that_there_is_not_is_refused() -> None:
    with pytest.raises(InputError, match="'guide'; give one of saliency, deconvnet, guided"):
        Ruled(score(0), "guide")
