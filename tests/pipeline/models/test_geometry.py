"""Receptive fields equal published ones, and the support of the gradient."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from filterscope.pipeline.models.field import Field, box
from filterscope.pipeline.models.geometry import followed, receptive_fields
from filterscope.pipeline.models.taps import list_layers
from filterscope.pipeline.models.vision import torchvision
from tests.factories import SharedReLU, cifar_resnet20
from tests.pipeline.models.gradient_support import supports


class Wrapped(nn.Module):
    """A function as a network: its input is the output of `before`, its result that of `after`."""

    def __init__(self, function: Callable[[Tensor], Tensor], before: nn.Module | None = None) -> None:
        super().__init__()
        self.before, self.after, self.function = before or nn.Identity(), nn.Identity(), function

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.function(self.before(x)))


def field_of(function: Callable[[Tensor], Tensor], size: int = 32, before: nn.Module | None = None) -> Field | str:
    return receptive_fields(Wrapped(function, before), (size, size))["after"]


def square(size: int, stride: float, centre: float, seen: tuple[int, int], *, through_global: bool = False) -> Field:
    return Field((size,) * 2, (stride,) * 2, (centre,) * 2, (seen,) * 2, through_global)


def published(found: dict[str, Field | str], convolutions: list[str]) -> list[tuple[int, float, float]]:
    """Return size, stride and first centre, 1-based, of square fields."""
    rows = []
    for name in convolutions:
        field = found[name]
        assert isinstance(field, Field)
        assert (field.size[0], field.stride[0], field.centre[0]) == (field.size[1], field.stride[1], field.centre[1])
        rows.append((field.size[0], field.stride[0], field.centre[0] + 1))
    return rows


def convolutions_of(module: nn.Module) -> list[str]:
    return [name for name, part in module.named_modules() if isinstance(part, nn.Conv2d)]


def test_vgg16_has_the_published_fields() -> None:
    module = torchvision.models.vgg16().eval()
    found = published(receptive_fields(module, (224, 224)), convolutions_of(module))
    assert [stride for _, stride, _ in found] == [1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 16, 16, 16]
    assert [centre for _, _, centre in found] == [1, 1, 1.5, 1.5, 2.5, 2.5, 2.5, 4.5, 4.5, 4.5, 8.5, 8.5, 8.5]
    assert [size for size, _, _ in found][7:] == [60, 76, 92, 132, 164, 196]


def test_the_original_alexnet_has_the_published_fields() -> None:
    pool = nn.MaxPool2d(3, 2)
    module = nn.Sequential(
        *(nn.Conv2d(3, 4, 11, 4), pool, nn.Conv2d(4, 4, 5, padding=2), pool),
        *(nn.Conv2d(4, 4, 3, padding=1) for _ in range(4)),
    )
    found = published(receptive_fields(module, (227, 227)), convolutions_of(module))
    assert found == [(11, 4, 6), (51, 8, 10), (99, 16, 18), (131, 16, 18), (163, 16, 18), (195, 16, 18)]


def test_torchvisions_alexnet_is_padded_at_the_first_layer() -> None:
    found = receptive_fields(torchvision.models.alexnet().eval(), (224, 224))
    sizes = [found[name].size[0] for name in ("features.0", "features.3", "features.6", "features.8", "features.10")]
    assert sizes == [11, 51, 99, 131, 163]
    assert found["features.10"] == square(163, 16, 15, (0, 223))


def test_a_field_is_clipped_to_what_the_strides_reach() -> None:
    found = receptive_fields(torchvision.models.squeezenet1_0().eval(), (224, 224))
    field = found["features.0"]  # 7 x 7, stride 2, no padding: the last row and column are never read
    assert field == square(7, 2, 3, (0, 222))
    assert box(field, 0, 108) == ((0, 6), (216, 222))
    padded = field_of(nn.Conv2d(3, 4, 5, 4, 2), 30)
    assert padded == square(5, 4, 0, (0, 29))
    assert box(padded, 0, 7) == ((0, 2), (26, 29))


conv = nn.Conv2d(3, 3, 3, padding=1).requires_grad_(False)
OPERATIONS: dict[str, tuple[Callable[[Tensor], Tensor], Field | str]] = {
    "dilation": (nn.Conv2d(3, 4, 3, 1, 2, dilation=2), square(5, 1, 0, (0, 31))),
    "asymmetric padding": (lambda x: F.conv2d(F.pad(x, (0, 1, 0, 1)), conv.weight, stride=2), square(3, 2, 1, (0, 31))),
    "cropping": (lambda x: x[:, :, 2:-1, 2:-1], square(1, 1, 2, (2, 30))),
    "subsampling": (lambda x: x[:, :, 1::2, 1::2], square(1, 2, 1, (1, 31))),
    "ceil_mode": (nn.MaxPool2d(3, 2, ceil_mode=True), square(3, 2, 1, (0, 31))),
    "adaptive pooling": (nn.AdaptiveAvgPool2d(8), square(4, 4, 1.5, (0, 31))),
    "branches": (lambda x: torch.cat([x, conv(conv(x))], 1), square(5, 1, 0, (0, 31))),
    "branches off centre": (lambda x: x[:, :, :-1, :-1] + x[:, :, 1:, 1:], square(2, 1, 0.5, (0, 31))),
    "channel gate": (
        lambda x: x * x.mean((2, 3), keepdim=True).sigmoid(),
        square(1, 1, 0, (0, 31), through_global=True),
    ),
    "instance norm": (lambda x: F.instance_norm(conv(x)), square(3, 1, 0, (0, 31), through_global=True)),
    "attention over channels": (
        lambda x: ((q := x.flatten(2)) @ q.transpose(1, 2) @ q).view(x.shape),
        square(1, 1, 0, (0, 31), through_global=True),
    ),
    "channel shuffle": (
        lambda x: torch.cat([x, x[:, :1]], 1).view(1, 2, 2, 32, 32).transpose(1, 2).reshape(1, 4, 32, 32),
        square(1, 1, 0, (0, 31)),
    ),
    "channels last and back": (
        lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (3,)).permute(0, 3, 1, 2),
        square(1, 1, 0, (0, 31)),
    ),
    "space to depth": (lambda x: F.pixel_unshuffle(x, 2), square(2, 2, 0.5, (0, 31))),
    "nearest": (lambda x: F.interpolate(F.avg_pool2d(x, 2), scale_factor=2), square(3, 1, 0, (0, 31))),
    "written in place": (lambda x: conv(x).add_(conv(conv(x))).relu_(), square(5, 1, 0, (0, 31))),
    "pooled": (lambda x: F.adaptive_avg_pool2d(x, 1), "global"),
    "strides differ": (lambda x: x[:, :, :16, :16] + F.avg_pool2d(x, 2), "branches of stride 1 and 2 meet"),
    "transposed": (nn.ConvTranspose2d(3, 4, 2, 2), "a transposed convolution has no constant field"),
    "uneven pooling": (nn.AdaptiveAvgPool2d(7), "adaptive pooling of 32 to 7 positions has no constant stride"),
    "rolled": (lambda x: x.roll(1, 2), "roll is not followed"),
    "channels last": (lambda x: x.permute(0, 2, 3, 1), square(1, 1, 0, (0, 31))),
    "windows": (lambda x: x.view(3, 8, 4, 8, 4).transpose(2, 3).reshape(1, 3, 32, 32), "a reshape mixes positions"),
    "constant": (lambda x: torch.zeros_like(x), "it does not depend on the input"),
    "a part overwritten": (lambda x: _overwritten(conv(x), x), "a part of the map is overwritten"),
}


def _overwritten(x: Tensor, y: Tensor) -> Tensor:
    x[:, :1] = y[:, :1]
    return x


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_followed_or_refused(name: str) -> None:
    function, expected = OPERATIONS[name]
    assert field_of(function) == expected


def test_rows_and_columns_are_apart() -> None:
    found = receptive_fields(nn.Sequential(nn.Conv2d(3, 4, (1, 7), (1, 2), (0, 3)), nn.MaxPool2d((3, 1))), (33, 40))
    assert found["1"] == Field((3, 7), (3.0, 2.0), (1.0, 0.0), ((0, 32), (0, 39)))


def test_a_network_that_asks_for_values_is_run_with_values() -> None:
    found = field_of(lambda x: conv(x) if x.sum().item() == 0 else x)
    assert found == square(3, 1, 0, (0, 31))


def test_calls_are_named_as_in_the_list_of_layers() -> None:
    module = SharedReLU().eval()
    assert list(receptive_fields(module, (8, 8))) == [layer.name for layer in list_layers(module, (8, 8))]
    assert receptive_fields(module, (8, 8))["relu#1"] == square(5, 1, 0, (0, 7))


def test_the_network_is_left_as_it_was() -> None:
    module = cifar_resnet20().eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    receptive_fields(module, (32, 32))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert not any(part._forward_hooks for part in module.modules())


def agrees(module: nn.Module, size: tuple[int, int], layers: int = 6) -> None:
    """Compare boxes with the gradient's support at both corners and the middle of some layers."""
    found = receptive_fields(module, size)
    layouts = {name: known.layout for name, known in followed(module, size).items()}
    shapes = {layer.name: (layer.channels, layer.height, layer.width) for layer in list_layers(module, size)}
    assert list(found) == list(shapes)
    last = {name for name, layout in layouts.items() if layout == "nhwc"}
    fields = {name: field for name, field in found.items() if isinstance(field, Field)}
    names = list(fields)
    asked = []
    for name in sorted({names[(len(names) - 1) * k // (layers - 1)] for k in range(layers)}):
        height, width = shapes[name][:2] if name in last else shapes[name][1:]
        asked += [(name, 0, 0), (name, height // 2, width // 2), (name, height - 1, width - 1)]
    predicted = {key: box(fields[key[0]], *key[1:]) for key in asked}
    assert supports(module, size, asked, last) == predicted


def made(source: str) -> nn.Module:
    library, _, name = source.partition(":")
    options = {"init_weights": False} if source in ("torchvision:googlenet", "torchvision:inception_v3") else {}
    if library == "torchvision":
        return torchvision.models.get_model(name, **options).eval()
    import timm

    return timm.create_model(name).eval()


FAST = {
    "torchvision:resnet18": (96, 128),
    "torchvision:squeezenet1_0": (150, 131),
    "torchvision:shufflenet_v2_x0_5": (128, 128),
    "timm:tf_efficientnet_lite0": (97, 120),  # pads as TensorFlow does: unevenly
    "timm:hrnet_w18_small": (128, 128),  # upsamples and adds
    "timm:seresnet18": (96, 96),
}
SLOW = {
    **dict.fromkeys(("torchvision:mobilenet_v2", "torchvision:mobilenet_v3_small", "torchvision:mnasnet1_0"), 160),
    **dict.fromkeys(("torchvision:resnet50", "torchvision:resnext50_32x4d", "torchvision:densenet121"), 128),
    **dict.fromkeys(("torchvision:vgg11_bn", "torchvision:convnext_tiny", "torchvision:efficientnet_v2_s"), 128),
    **dict.fromkeys(("torchvision:googlenet", "torchvision:inception_v3", "torchvision:regnet_y_400mf"), 160),
    **dict.fromkeys(("timm:efficientnet_b0", "timm:resnet26d", "timm:resnetblur18", "timm:resnest14d"), 160),
    **dict.fromkeys(("timm:skresnet18", "timm:gcresnet33ts", "timm:dla34", "timm:dpn48b", "timm:ghostnet_100"), 160),
    **dict.fromkeys(("timm:res2net50_26w_4s", "timm:eca_nfnet_l0", "timm:dm_nfnet_f0", "timm:cspresnet50"), 128),
    **dict.fromkeys(("timm:nf_regnet_b0", "timm:rexnet_100", "timm:repvgg_a0", "timm:ese_vovnet19b_dw"), 160),
    **dict.fromkeys(("timm:resnetv2_50x1_bit", "timm:tresnet_m", "timm:xception41", "timm:legacy_xception"), 128),
    **dict.fromkeys(("timm:cs3darknet_focus_s", "timm:selecsls42", "timm:hardcorenas_a", "timm:hgnetv2_b0"), 160),
    **dict.fromkeys(("timm:poolformer_s12", "timm:fastvit_t8", "timm:mobilenetv4_conv_small", "timm:mixnet_s"), 160),
    **dict.fromkeys(("timm:convnext_atto", "timm:inception_next_atto", "timm:starnet_s1", "timm:repvit_m0_9"), 160),
    **dict.fromkeys(("timm:inception_v4", "timm:inception_resnet_v2", "timm:tf_efficientnet_b0"), 150),
    "timm:pnasnet5large": 100,
    "timm:convmixer_768_32": 140,
    "timm:efficientformerv2_s0": 224,
}


@pytest.mark.parametrize("source", FAST)
def test_boxes_are_the_support_of_the_gradient(source: str) -> None:
    agrees(made(source), FAST[source], layers=4)


@pytest.mark.slow
@pytest.mark.parametrize("source", SLOW)
def test_boxes_are_the_support_of_the_gradient_in_many_networks(source: str) -> None:
    agrees(made(source), (SLOW[source],) * 2)


def test_a_network_of_the_users_own() -> None:
    agrees(cifar_resnet20().eval(), (32, 32))
