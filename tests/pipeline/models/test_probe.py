"""Every layer is shown to be maps of one image each before a network is put to work, or is refused by name."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.models.model import Model, open_model
from filterscope.pipeline.models.network import settle_batch_norm
from filterscope.pipeline.models.probe import chosen, prove, same_forward
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.models.taps import Taps
from filterscope.pipeline.models.tensors import normalisation, prepare
from filterscope.pipeline.models.vision import torchvision

SIDE = 32


def opened(make: Callable[[], nn.Module], **options: object) -> Model:
    spec = ModelSpec("factory:own:net", **{"input_size": SIDE, "name": "net", **options})

    def scattered() -> nn.Module:
        module = make()
        for part in module.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.normal_(part.bias, std=0.1)
        return module

    return open_model(spec, scattered)


def proven(model: Model, *patterns: str) -> list[Layer]:
    return prove(model, chosen(model, patterns))


def refusal(make: Callable[[], nn.Module], layer: str = "last") -> str:
    model = opened(make)
    with pytest.raises(InputError) as error:
        proven(model, layer)
    return str(error.value)


def named(**parts: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(parts))


def conv(inputs: int = 3, outputs: int = 8, stride: int = 2) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, 1)


class Changed(nn.Module):
    """Does something to its input that no module of torch does."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        return self.change(x)


def tiles(x: Tensor) -> Tensor:
    return torch.cat([half for row in x.chunk(2, 2) for half in row.chunk(2, 3)])


@pytest.mark.parametrize(
    ("change", "count"),
    [
        (tiles, 8),
        (lambda x: torch.stack([x, x.flip(3)], 1).flatten(0, 1), 4),
        (lambda x: x.mean(0, keepdim=True), 1),
    ],
    ids=["tiles", "mirror images", "mean of the batch"],
)
def test_a_first_axis_that_is_not_the_batch_is_refused_by_name(change: Callable[[Tensor], Tensor], count: int) -> None:
    assert refusal(lambda: named(change=Changed(change), last=conv())) == (
        f"layer 'last' of net returns {count} items for 2 images: its first axis is not the batch; the forward pass "
        "must keep one item per image"
    )


COMPANY = (
    "layer 'last' of net gives an image other values in another batch: {} looks at the other images of the batch; a batch "
    "norm needs running statistics (track_running_stats=True)"
)


@pytest.mark.parametrize(
    ("make", "culprit"),
    [
        (
            lambda: named(a=conv(), norm=nn.BatchNorm2d(8, track_running_stats=False), last=conv(8)),
            "BatchNorm2d 'norm'",
        ),
        (lambda: named(a=conv(), mean=Changed(lambda x: x - x.mean(0)), last=conv(8)), "Changed 'mean'"),
        (lambda: named(a=conv(), other=Changed(lambda x: x + x.roll(1, 0)), last=conv(8)), "Changed 'other'"),
        (lambda: named(a=conv(), first=Changed(lambda x: x + x[:1]), last=conv(8)), "Changed 'first'"),
        (lambda: named(a=conv(), count=Changed(lambda x: x / len(x)), last=conv(8)), "Changed 'count'"),
        (
            lambda: named(pool=nn.AdaptiveAvgPool2d(1), norm=nn.BatchNorm2d(3, track_running_stats=False), last=conv()),
            "BatchNorm2d 'norm'",
        ),
        (lambda: Inside(lambda x: x - x.mean(0)), "its own forward pass"),
    ],
    ids=["batch norm", "mean", "neighbour", "first image", "count", "pooled", "in forward"],
)
def test_what_looks_at_the_other_images_is_refused_with_the_module(make: Callable[[], nn.Module], culprit: str) -> None:
    assert refusal(make) == COMPANY.format(culprit)


class Inside(nn.Module):
    """A function between two convolutions, which is no module."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.last, self.change = conv(), conv(8), change

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.change(self.first(x)))


@pytest.mark.parametrize(
    ("make", "culprit"),
    [
        (lambda: Inside(F.dropout), "its own forward pass"),
        (lambda: named(block=Inside(F.dropout), last=conv(8)), "Inside 'block'"),
        (lambda: named(a=conv(), noise=Changed(lambda x: x + torch.randn_like(x)), last=conv(8)), "Changed 'noise'"),
    ],
)
def test_passes_that_do_not_agree_are_refused(make: Callable[[], nn.Module], culprit: str) -> None:
    assert refusal(make) == (
        f"layer 'last' of net gives different values on every pass: {culprit} is random in evaluation mode; F.dropout needs "
        "training=self.training"
    )


def test_a_network_that_works_in_place_on_its_input_is_fine() -> None:
    model = opened(lambda: named(scale=Changed(lambda x: x.mul_(2).add_(1)), last=conv()))
    (layer,) = proven(model, "last")
    assert same_forward(model, proven(model, "last")[0], layer)


def test_dropout_that_heeds_the_mode_and_what_comes_behind_the_layer_are_fine() -> None:
    late = nn.BatchNorm2d(8, track_running_stats=False)
    model = opened(lambda: named(a=conv(), drop=nn.Dropout(0.5), last=conv(8), late=late))
    assert [layer.name for layer in proven(model, "a", "last")] == ["a", "last"]


class Permuted(nn.Module):
    """A convolution that hands on its maps with other axes."""

    def __init__(self, *axes: int, lost: bool = False) -> None:
        super().__init__()
        self.conv, self.axes, self.lost = nn.Conv2d(3, 5, 5, (4, 2), 2), axes, lost

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if self.lost:  # an operation that is not followed
            x = F.interpolate(x, scale_factor=2)
        return x.permute(0, *self.axes)


@pytest.mark.parametrize("lost", [False, True], ids=["followed", "by changes"])
@pytest.mark.parametrize(
    ("axes", "layout"), [((2, 3, 1), "nhwc"), ((1, 3, 2), "ncwh"), ((3, 1, 2), "nwch"), ((1, 2, 3), "nchw")]
)
def test_axes_are_found_and_put_in_order(axes: tuple[int, ...], layout: str, lost: bool) -> None:
    model = opened(lambda: named(last=Permuted(*axes, lost=lost), same=nn.Identity()))
    (layer,) = proven(model, "last")
    scale = 2 if lost else 1
    assert (layer.layout, layer.channels, layer.height, layer.width) == (layout, 5, 8 * scale, 16 * scale)
    batch = torch.rand((2, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(3))
    maps = Taps(model.module, ["last"], layouts={"last": layer.layout})(batch)["last"]
    expected = model.module.last.conv(batch)
    expected = F.interpolate(expected, scale_factor=2) if lost else expected
    assert torch.equal(maps, expected)
    if not lost:
        assert layer.field is not None
        assert layer.field.stride == (4, 2)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.flatten(2).transpose(1, 2)[:, None].expand(-1, 3, -1, -1),
        lambda x: torch.einsum("nchw,ndhw->ncd", x, x)[..., None].expand(-1, -1, -1, 4),
        lambda x: x.flip(2),
        lambda x: x.mean((2, 3), keepdim=True).expand(-1, -1, 4, 4),
        lambda x: torch.zeros(len(x), 4, 5, 6),
    ],
    ids=["heads of tokens", "Gram matrix", "upside down", "one value everywhere", "constant"],
)
def test_what_is_not_proven_is_not_offered_and_is_refused_by_name(change: Callable[[Tensor], Tensor]) -> None:
    def make() -> nn.Module:
        return named(a=conv(), last=Changed(change))

    assert [layer.name for layer in proven(opened(make), "-1")] == ["a"]
    assert [layer.name for layer in proven(opened(make), "*")] == ["a"]
    assert refusal(make) == (
        "layer 'last' of net cannot be placed on the image: no two of its axes follow the image's rows and columns"
    )


def test_a_map_of_one_position_is_channels_first_unless_its_channels_come_last() -> None:
    model = opened(lambda: named(a=conv(), pool=nn.AdaptiveAvgPool2d(1)))
    (pool,) = proven(model, "pool")
    assert (pool.layout, pool.channels, pool.height, pool.width) == ("nchw", 8, 1, 1)


def layers_of(source: str, *patterns: str) -> Sequence[Layer]:
    return proven(open_model(ModelSpec(source)), *patterns)


def test_swin_gives_its_maps_channels_last() -> None:
    (last,) = layers_of("timm:swin_tiny_patch4_window7_224@random:0", "-1")
    assert (last.name, last.layout, last.channels, last.height, last.width) == ("norm", "nhwc", 768, 7, 7)


def test_minus_one_is_the_last_block_of_a_vision_transformer() -> None:
    model = open_model(ModelSpec("timm:vit_tiny_patch16_224@random:0"))
    (last,) = proven(model, "-1")
    assert last.name == "blocks.11@tokens"
    assert (last.layout, last.channels, last.height, last.width) == ("tokens", 192, 14, 14)
    with pytest.raises(InputError, match=r"^layer 'blocks.11.attn.k_norm' of .* cannot be placed on the image"):
        proven(model, "blocks.11.attn.k_norm")


def test_another_forward_pass_is_noticed_and_float_noise_is_not() -> None:
    torch.manual_seed(0)
    parts = OrderedDict(a=conv(), act=nn.ReLU(), last=conv(8))
    model = opened(lambda: nn.Sequential(parts))
    (then,) = proven(model, "last")
    assert same_forward(model, proven(model, "last")[0], then)
    with torch.no_grad():
        for weight in model.module.parameters():
            weight.mul_(1 + 1e-6)
    assert same_forward(model, proven(model, "last")[0], then)
    for act in (nn.LeakyReLU(0.05), nn.GELU(), nn.Hardtanh(0, 0.5)):
        model.module.act = act
        assert not same_forward(model, proven(model, "last")[0], then)


def conv_of(channels: int) -> Callable[[], nn.Module]:
    return lambda: named(last=conv(channels), pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten())


def seen(model: Model) -> np.ndarray:
    """Return what a network is shown of two images of which the first is red."""
    pixels = np.zeros((2, *model.transform.input_size, 3), np.uint8)
    pixels[0, :, :, 0] = 200
    return prepare(pixels, *normalisation(model, "cpu"), "cpu").numpy()


def test_a_network_of_one_channel_sees_grey() -> None:
    model = opened(conv_of(1))
    assert model.notes[-1] == (
        "its input has 1 channel: it is shown images in grey, with mean 0.449 and std 0.226; set mean and std if it was "
        "trained with others"
    )
    assert [layer.channels for layer in proven(model, "-1")] == [8]
    assert seen(model)[:, 0, 5, 5] == pytest.approx([(0.299 * 200 / 255 - 0.449) / 0.226, -0.449 / 0.226], abs=1e-5)
    stated = opened(conv_of(1), mean=(0.25,), std=(0.5,))
    assert seen(stated)[:, 0, 5, 5] == pytest.approx([(0.299 * 200 / 255 - 0.25) / 0.5, -0.5], abs=1e-5)


def test_a_network_of_five_channels_sees_red_green_and_blue_in_turn() -> None:
    model = opened(conv_of(5), mean=(0.0,) * 5, std=(1.0,) * 5)
    proven(model, "-1")
    assert seen(model)[0, :, 0, 0] == pytest.approx([200 / 255, 0, 0, 200 / 255, 0])
    assert opened(conv_of(5)).transform.mean == (0.485, 0.456, 0.406, 0.485, 0.456)


def test_a_network_that_rearranges_its_input_takes_three_channels() -> None:
    model = opened(lambda: named(unshuffle=nn.PixelUnshuffle(2), last=conv(12)))
    assert model.transform.channels == 3
    assert [(layer.height, layer.field.stride) for layer in proven(model, "last") if layer.field] == [(8, (4, 4))]


def test_an_input_need_not_be_square() -> None:
    model = opened(conv_of(3), input_size=(32, 64))
    (layer,) = proven(model, "last")
    assert (model.transform.input_size, layer.height, layer.width) == ((32, 64), 16, 32)
    resnet = open_model(ModelSpec("torchvision:resnet18@random:0", input_size=(64, 96)))
    assert [(layer.height, layer.width) for layer in proven(resnet, "layer3")] == [(4, 6)]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_network_in_half_precision_is_handed_its_own_numbers(dtype: torch.dtype) -> None:
    model, whole = (opened(lambda t=t: network_of(t)) for t in (dtype, torch.float32))
    ours, theirs = (proven(one, "last")[0] for one in (model, whole))
    assert ours.values[0] == pytest.approx(theirs.values[0], rel=2e-2)
    with torch.inference_mode():
        assert model.module(torch.rand(2, 3, SIDE, SIDE)).dtype == dtype


def network_of(dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(0)
    return named(a=conv(), norm=nn.BatchNorm2d(8), act=nn.ReLU(), last=conv(8)).to(dtype)


@pytest.mark.parametrize(
    "make", [torch.jit.script, lambda module: torch.jit.trace(module, torch.rand(1, 3, SIDE, SIDE))]
)
def test_torchscript_is_refused_in_words(make: Callable[[nn.Module], nn.Module]) -> None:
    with pytest.raises(
        InputError, match=r"^own:net is a TorchScript module, .* no layer can be tapped; load its state"
    ):
        opened(lambda: make(named(a=conv(), last=conv(8)).eval()))


def test_a_traced_part_of_a_network_is_one_layer() -> None:
    def make() -> nn.Module:
        traced = torch.jit.trace(named(a=conv(), b=conv(8)).eval(), torch.rand(2, 3, SIDE, SIDE))
        return named(part=traced, last=conv(8))

    assert [layer.height for layer in proven(opened(make), "part", "last")] == [8, 4]


def test_three_dimensional_convolutions_are_refused_in_words() -> None:
    with pytest.raises(
        InputError, match=r"^own:net convolves in three dimensions \(last\); an audit shows a network single"
    ):
        opened(lambda: named(last=nn.Conv3d(3, 8, 3)))
    with pytest.raises(InputError, match=r"^r3d_18 takes videos, but an audit shows single images"):
        open_model(ModelSpec("torchvision:r3d_18@random:0"))


class Answers(nn.Module):
    """Answers in a dict, as segmentation networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = conv(), conv(8, 4)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"out": self.head(self.body(x))}


def test_a_network_may_answer_in_a_dict() -> None:
    assert [layer.name for layer in proven(opened(Answers), "-1", "body")] == ["body", "head"]
    wrapped = opened(lambda: named(all=Answers(), take=Changed(lambda found: found["out"])))
    assert [layer.name for layer in proven(wrapped, "-1")] == ["take"]


def test_segmentation_networks_of_torchvision_are_audited() -> None:
    model = open_model(ModelSpec("torchvision:fcn_resnet50@random:0", input_size=64))
    layers = proven(model, "backbone.layer4", "classifier")
    assert [(layer.channels, layer.height, layer.width) for layer in layers] == [(2048, 8, 8), (21, 8, 8)]


def test_the_backbone_of_a_detector_of_torchvision_is_audited() -> None:
    model = open_model(ModelSpec("torchvision:fasterrcnn_mobilenet_v3_large_fpn@random:0", input_size=64))
    assert model.notes == ["the backbone of a detector is audited; what follows it proposes boxes"]
    (layer,) = proven(model, "fpn.layer_blocks.0")
    assert (layer.channels, layer.height, layer.width) == (256, 2, 2)
    assert model.transform.mean == pytest.approx((0.485, 0.456, 0.406))


def test_arguments_reach_the_constructor() -> None:
    model = open_model(ModelSpec("torchvision:resnet18@random:0", args=("num_classes=7", "width_per_group=64")))
    assert model.module.fc.out_features == 7
    assert open_model(ModelSpec("timm:resnet18@random:0", args=("in_chans=1",))).transform.channels == 1
    with pytest.raises(InputError, match=r"^resnet18 cannot be built with colour=red \(TypeError"):
        open_model(ModelSpec("torchvision:resnet18@random:0", args=("colour=red",)))
    with pytest.raises(InputError, match=r"write NAME=VALUE, such as transform_input=true$"):
        ModelSpec("torchvision:resnet18@random:0", args=("colour",))


def test_a_network_that_may_normalise_itself_says_so(tmp_path: Path) -> None:
    file = tmp_path / "mine.pth"
    torch.save(torchvision.models.googlenet(init_weights=False, transform_input=True).state_dict(), file)
    model = open_model(ModelSpec(f"torchvision:googlenet@{file}"))
    assert not model.module.transform_input
    assert model.notes[-1] == (
        "googlenet can normalise its input itself, and weights do not say so; if trained from the official ones, give "
        "--model-arg transform_input=true"
    )
    told = open_model(ModelSpec(f"torchvision:googlenet@{file}", args=("transform_input=true",)))
    assert told.module.transform_input
    assert not any("--model-arg" in note for note in told.notes)


def test_one_image_is_enough_for_a_batch_norm_behind_pooling() -> None:
    model = open_model(
        ModelSpec("factory:own:net@random:0", input_size=SIDE),
        lambda: named(a=conv(), pool=nn.AdaptiveAvgPool2d(1), norm=nn.BatchNorm2d(8), last=nn.Conv2d(8, 4, 1)),
    )
    settle_batch_norm(model, [np.full((SIDE, SIDE, 3), 100, np.uint8)])
    assert not model.module.norm.training
    assert torch.equal(model.module.norm.running_var, torch.zeros(8))
