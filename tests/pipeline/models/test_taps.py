"""Layers are listed, resolved and copied as the network computes them."""

from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.model import open_model
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.models.taps import Layer, Taps, list_layers, resolve_layers
from tests.factories import SharedReLU


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def network(source: str) -> nn.Module:
    return open_model(ModelSpec(source)).module


@pytest.fixture(scope="module")
def resnet18() -> nn.Module:
    return network("torchvision:resnet18@random:0")


@pytest.fixture(scope="module")
def resnet18_layers(resnet18: nn.Module) -> list[Layer]:
    return list_layers(resnet18, (64, 64), what="resnet18")


@pytest.fixture(scope="module")
def shared_relu() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SharedReLU().eval()


def names(layers: list[Layer]) -> list[str]:
    return [layer.name for layer in layers]


def raised(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        call()
    return str(error.value)


def test_layers_are_listed_in_order_of_execution(resnet18_layers: list[Layer]) -> None:
    block = ["conv1", "bn1", "relu#0", "conv2", "bn2", "relu#1"]
    assert names(resnet18_layers)[:10] == ["conv1", "bn1", "relu", "maxpool", *(f"layer1.0.{x}" for x in block)]
    assert names(resnet18_layers)[10] == "layer1.0"
    shapes = {layer.name: (layer.type, layer.channels, layer.height, layer.width) for layer in resnet18_layers}
    assert shapes["conv1"] == ("Conv2d", 64, 32, 32)
    assert shapes["layer2.0.downsample.0"] == ("Conv2d", 128, 8, 8)
    assert shapes["layer4"] == ("Sequential", 512, 2, 2)
    assert shapes["avgpool"] == ("AdaptiveAvgPool2d", 512, 1, 1)
    assert "fc" not in shapes


def test_a_layer_may_be_non_square(resnet18: nn.Module) -> None:
    layers = {layer.name: layer for layer in list_layers(resnet18, (64, 96))}
    assert (layers["layer3"].height, layers["layer3"].width) == (4, 6)


def test_modules_that_hand_on_one_tensor_share_an_output(resnet18_layers: list[Layer]) -> None:
    output = {layer.name: layer.output for layer in resnet18_layers}
    assert output["layer4"] == output["layer4.1"] == output["layer4.1.relu#1"]
    assert output["bn1"] != output["relu"], "an in-place ReLU returns the same tensor with other values"


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["layer4"], ["layer4"]),
        (["layer3", "conv1", "layer3"], ["conv1", "layer3"]),
        (["layer?"], ["layer1", "layer2", "layer3", "layer4"]),
        (["layer1.0.rel*"], ["layer1.0.relu#0", "layer1.0.relu#1"]),
        (["layer[12].1.relu#1", "-1"], ["layer1.1.relu#1", "layer2.1.relu#1", "layer4"]),
        (["*.1.relu"], [f"layer{i}.1.relu#{k}" for i in (1, 2, 3, 4) for k in (0, 1)]),
    ],
)
def test_patterns_resolve_in_order_of_execution(
    resnet18_layers: list[Layer], patterns: list[str], expected: list[str]
) -> None:
    assert names(resolve_layers(patterns, resnet18_layers)) == expected


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (
            "layer5",
            "layer 'layer5' is not in resnet18. Did you mean 'layer4'? Outermost layers are: conv1, bn1, relu, "
            "maxpool, layer1, layer2, layer3, layer4; `filterscope layers` lists all",
        ),
        ("stage*", "no layer of resnet18 matches 'stage*'; `filterscope layers` lists them"),
        (
            "layer1.0.relu",
            "layer 'layer1.0.relu' of resnet18 is called 2 times; name a call: layer1.0.relu#0, layer1.0.relu#1",
        ),
    ],
)
def test_an_unknown_layer_is_refused_with_a_hint(resnet18_layers: list[Layer], pattern: str, message: str) -> None:
    assert raised(lambda: resolve_layers([pattern], resnet18_layers, what="resnet18")) == message


@pytest.mark.parametrize(
    ("source", "last"),
    [
        ("torchvision:mobilenet_v2@random:0", "features"),
        ("torchvision:squeezenet1_1@random:0", "classifier.2"),
        ("timm:regnetx_002@random:0", "s4"),
        ("package:efficientnet-lite0", "_swish#1"),
    ],
)
def test_minus_one_is_the_outermost_name_of_the_last_map(source: str, last: str) -> None:
    layers = list_layers(network(source), (96, 96))
    assert names(resolve_layers(["-1"], layers)) == [last]


def test_minus_one_is_the_in_place_relu_not_what_it_overwrites() -> None:
    flat = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Identity(), nn.Flatten())
    assert names(resolve_layers(["-1"], list_layers(flat.eval(), (8, 8)))) == ["2"]


def test_minus_one_needs_a_map() -> None:
    layers = [Layer("pool", "AvgPool2d", 4, 1, 1), Layer("row", "Conv2d", 4, 1, 9)]
    message = raised(lambda: resolve_layers(["-1"], layers, what="net"))
    assert message == "no layer of net has height and width above 1, so -1 means none"


def test_a_network_that_refuses_the_input_says_its_size() -> None:
    class Picky(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("expected 32 pixels\nmore")

    assert raised(lambda: list_layers(Picky(), (8, 9), what="picky")) == (
        "picky cannot take an input of 3 x 8 x 9 (ValueError: expected 32 pixels); state its input_size"
    )
    message = "the network has no layer to tap: no module gives an output (N, C, H, W)"
    assert raised(lambda: list_layers(nn.Sequential(nn.Flatten()), (8, 8))) == message


def test_a_convolution_is_tapped_before_its_in_place_relu() -> None:
    vgg = network("torchvision:vgg11@random:0")
    first, batch = vgg.features[0], noise(2, 3, 32, 32)
    maps = Taps(vgg, ["features.0", "features.1", "features.3"])(batch)
    before = F.conv2d(batch, first.weight, first.bias, padding=1)
    assert torch.equal(maps["features.0"], before)
    assert torch.equal(maps["features.1"], before.clamp(min=0))
    assert (maps["features.0"] < 0).float().mean() > 0.2
    assert (maps["features.3"] < 0).any()


def test_each_call_of_a_module_is_a_layer_of_its_own(shared_relu: nn.Module) -> None:
    batch = noise(2, 3, 9, 7)
    assert names(list_layers(shared_relu, (9, 7))) == ["conv1", "relu#0", "conv2", "relu#1"]
    maps = Taps(shared_relu, ["relu#1", "conv1", "relu#0"])(batch)
    first = F.relu(shared_relu.conv1(batch))
    assert list(maps) == ["relu#1", "conv1", "relu#0"]
    assert torch.equal(maps["relu#0"], first)
    assert torch.equal(maps["relu#1"], F.relu(shared_relu.conv2(first)))


def test_many_layers_in_one_pass_equal_each_alone(resnet18: nn.Module, resnet18_layers: list[Layer]) -> None:
    batch, tapped = noise(2, 3, 64, 64), names(resnet18_layers)[::7]
    together = Taps(resnet18, tapped)(batch)
    assert all(torch.equal(together[name], Taps(resnet18, [name])(batch)[name]) for name in tapped)
    with torch.no_grad():
        assert torch.equal(together[tapped[0]], resnet18.conv1(batch))


def test_copies_of_channels_last_are_contiguous(resnet18: nn.Module) -> None:
    batch = noise(2, 3, 64, 64)
    plain = Taps(resnet18, ["conv1", "layer4"])(batch)
    fast = Taps(resnet18, ["conv1", "layer4"])(batch.contiguous(memory_format=torch.channels_last))
    assert all(copy.is_contiguous() for copy in fast.values())
    for name in plain:
        torch.testing.assert_close(fast[name], plain[name], rtol=1e-4, atol=1e-4)


def test_a_dtype_is_a_cast_and_overflow_is_infinite() -> None:
    scale = nn.Conv2d(3, 1, 1, bias=False).requires_grad_(False)
    scale.weight[:] = 1
    batch = torch.full((1, 3, 2, 2), 1 / 3)
    batch[0, 0, 0, 1] = 1e5
    maps = Taps(nn.Sequential(scale), ["0"], dtype=torch.float16)(batch)
    assert maps["0"].dtype == torch.float16
    assert torch.equal(maps["0"], scale(batch).half())
    assert torch.isinf(maps["0"]).flatten().tolist() == [False, True, False, False]


def test_the_pass_ends_when_all_is_copied() -> None:
    class Stubborn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.late = nn.Conv2d(3, 2, 1), nn.Identity()
            self.reached = False

        def forward(self, x: Tensor) -> Tensor:
            try:
                x = self.conv(x)
            except Exception:
                x = torch.zeros(1)
            self.reached = True
            return self.late(x)

    net, batch = Stubborn().eval(), noise(1, 3, 4, 4)
    assert Taps(net, ["conv"])(batch)["conv"].shape == (1, 2, 4, 4)
    assert not net.reached
    Taps(net, ["conv", "late"])(batch)
    assert net.reached


def test_no_hook_stays_behind(shared_relu: nn.Module) -> None:
    Taps(shared_relu, ["conv1"])(noise(1, 3, 8, 8))
    with pytest.raises(RuntimeError):
        Taps(shared_relu, ["conv2"])(noise(1, 5, 8, 8))
    list_layers(shared_relu, (8, 8))
    assert not any(part._forward_hooks for part in shared_relu.modules())


def test_a_tap_that_cannot_be_is_refused(shared_relu: nn.Module) -> None:
    batch = noise(1, 3, 8, 8)
    assert raised(lambda: Taps(shared_relu, ["conv3"])) == (
        "layer 'conv3' is not in the network. Did you mean 'conv2'?"
    )
    assert raised(lambda: Taps(shared_relu, ["relu#2"])(batch)) == "layer 'relu#2' was not called in the forward pass"
    head = nn.Sequential(OrderedDict(flat=nn.Flatten(2)))
    assert raised(lambda: Taps(head, ["flat"])(batch)) == "layer 'flat' gives (1, 3, 64), not a map (N, C, H, W)"
