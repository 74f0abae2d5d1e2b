"""Outputs (N, C) and the tokens of transformers are layers of maps where they are named, and nowhere else."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.geometry import receptive_fields
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.models.model import open_model
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.models.taps import Taps, list_flat_layers, list_layers, resolve_layers
from filterscope.pipeline.models.vision import torchvision
from tests.pipeline.models.test_network_gradients import around, pictures, score

import timm  # isort: skip

SIZE = (32, 32)
SMALL = {"patch_size": 8, "num_heads": 2, "num_classes": 5}


def torchvision_transformer() -> nn.Module:
    return torchvision.models.VisionTransformer(image_size=32, num_layers=2, hidden_dim=16, mlp_dim=32, **SMALL)


def timm_transformer(**options: object) -> nn.Module:
    return timm.models.VisionTransformer(img_size=32, embed_dim=16, depth=2, **SMALL, **options)


def made(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = make().eval().requires_grad_(False)
        for parameter in module.parameters():  # heads and class tokens start as zeros
            parameter.add_(torch.randn(parameter.shape) * 0.1)
    return module


def noise(count: int, side: int = 32) -> Tensor:
    return torch.randn((count, 3, side, side), generator=torch.Generator().manual_seed(1))


def names(layers: Sequence[Layer]) -> list[str]:
    return [layer.name for layer in layers]


def raised(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        call()
    return str(error.value)


TRANSFORMERS = [
    (torchvision_transformer, "encoder.layers.encoder_layer_0", 1),
    (timm_transformer, "blocks.0", 1),
    (lambda: timm_transformer(reg_tokens=3), "blocks.0", 4),
    (lambda: timm_transformer(class_token=False, global_pool="avg"), "blocks.0", 0),
    (lambda: nn.Sequential(OrderedDict(normalise=nn.Identity(), net=timm_transformer())), "net.blocks.0", 1),
]


@pytest.mark.parametrize(
    ("make", "block", "prefix"), TRANSFORMERS, ids=["torchvision", "timm", "registers", "pooled", "in"]
)
def test_patches_lie_row_by_row_behind_the_tokens_without_a_place(
    make: Callable[[], nn.Module], block: str, prefix: int
) -> None:
    module, batch, kept = made(make), noise(2), []
    handle = module.get_submodule(block).register_forward_hook(lambda *called: kept.append(called[2].clone()))
    module(batch)
    handle.remove()
    tokens = kept[0]
    assert tokens.shape == (2, prefix + 16, 16)
    maps = Taps(module, [f"{block}@tokens"])(batch)[f"{block}@tokens"]
    assert maps.shape == (2, 16, 4, 4)
    assert maps.is_contiguous()
    for row in range(4):
        for column in range(4):
            assert torch.equal(maps[:, :, row, column], tokens[:, prefix + 4 * row + column])
    layers = {layer.name: layer for layer in list_flat_layers(module, SIZE)}
    layer = layers[f"{block}@tokens"]
    assert (layer.channels, layer.height, layer.width) == (16, 4, 4)
    assert layer.field is None
    assert layer.no_field == "a token may see the whole image"


def test_patches_without_a_class_token_yet_are_laid_out_too() -> None:
    module = made(timm_transformer)
    maps = Taps(module, ["patch_embed@tokens"])(noise(2))["patch_embed@tokens"]
    expected = module.patch_embed.proj(noise(2))
    assert torch.allclose(maps, expected, atol=1e-6)


def test_one_value_a_unit_is_a_map_of_one_position() -> None:
    module, batch = open_model(ModelSpec("torchvision:resnet18@random:0")).module, noise(2, 64)
    maps = Taps(module, ["fc", "layer4"])(batch)
    assert maps["fc"].shape == (2, 1000, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(maps["fc"][:, :, 0, 0], module.fc(maps["layer4"].mean((2, 3))))
    assert list_flat_layers(module, (64, 64)) == [
        Layer("fc", "Linear", 1000, 1, 1, no_field="it gives one value per unit, not a map", layout="nc")
    ]


def test_what_globs_and_minus_one_mean_stays_as_it_was() -> None:
    module = made(timm_transformer)
    layers = list_layers(module, SIZE)
    assert "patch_embed.proj" in names(layers)
    assert not [layer for layer in names(layers) if "@" in layer or layer in ("head", "norm")]

    def flat() -> list[Layer]:
        return list_flat_layers(module, SIZE)

    for patterns in (["*"], ["-1"], ["patch*"]):
        assert resolve_layers(patterns, layers, flat=flat) == resolve_layers(patterns, layers)
    message = raised(lambda: resolve_layers(["blocks.?@tokens"], layers, what="vit", flat=flat))
    assert message == "no layer of vit matches 'blocks.?@tokens'; `filterscope layers` lists them"

    def not_asked() -> list[Layer]:
        raise AssertionError("a pattern that means maps needs no other layers")

    assert names(resolve_layers(["patch_embed.proj"], layers, flat=not_asked)) == ["patch_embed.proj"]


def test_flat_layers_are_taken_when_named_exactly_and_come_last_in_order_of_execution() -> None:
    module = made(timm_transformer)
    layers = list_layers(module, SIZE)
    passes: list[int] = []

    def flat() -> list[Layer]:
        passes.append(1)
        return list_flat_layers(module, SIZE)

    wanted = ["head", "blocks.1@tokens", "patch_embed.proj", "blocks.0@tokens", "head"]
    found = names(resolve_layers(wanted, layers, flat=flat))
    assert found == ["patch_embed.proj", "blocks.0@tokens", "blocks.1@tokens", "head"]
    assert len(passes) == 1
    assert "Did you mean 'blocks.1@tokens'?" in raised(lambda: resolve_layers(["block.1@tokens"], layers, flat=flat))
    assert "layer 'blocks.1' is not in vit" in raised(
        lambda: resolve_layers(["blocks.1"], layers, what="vit", flat=flat)
    )


class Shared(nn.Module):
    """One ReLU for a vector, for maps and for a vector again."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.twice = nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, 4)."""
        bias = self.relu(x.mean((2, 3)) - 0.1)
        maps = self.relu(self.conv(x)) + bias.sum(1)[:, None, None, None]
        return self.relu(self.twice(self.twice(maps.mean((2, 3)))))


def test_calls_are_numbered_so_that_each_name_taps_what_was_listed() -> None:
    """Maps have the number of their call where a vector came before, for the module's name means its first call."""
    module, batch = made(Shared), noise(2, 8)
    maps, flat = list_layers(module, (8, 8)), list_flat_layers(module, (8, 8))
    assert names(maps) == ["conv", "relu#1"]
    assert names(flat) == ["relu#0", "twice#0", "twice#1", "relu#2"]
    tapped = Taps(module, [*names(maps), *names(flat)])(batch)
    for layer in (*maps, *flat):
        assert tapped[layer.name].shape[1:] == (layer.channels, layer.height, layer.width)
    assert torch.equal(tapped["relu#1"], module.conv(batch).clamp(min=0))
    assert torch.equal(tapped["relu#2"][:, :, 0, 0], module(batch))
    assert set(receptive_fields(module, (8, 8))) == set(names(maps))
    message = raised(lambda: resolve_layers(["twice"], maps, what="net", flat=lambda: flat))
    assert message == "layer 'twice' of net is called 2 times; name a call: twice#0, twice#1"


def test_gradients_at_tokens_are_those_of_the_patches() -> None:
    """The head reads the mean of the patches, so that every patch of the last block has its share of the weights."""

    def pooled() -> nn.Module:
        return timm_transformer(class_token=False, global_pool="avg", final_norm=False, fc_norm=False)

    module = made(pooled)
    network = around(module)
    found = network.gradients(pictures(3, 32), score(2), ["blocks.1@tokens", "head"])
    share = module.head.weight[2].numpy() / 16
    expected = np.broadcast_to(share[None, :, None, None], (3, 16, 4, 4))
    assert found["blocks.1@tokens"] == pytest.approx(expected, abs=1e-7)
    assert found["head"].shape == (3, 5, 1, 1)
    assert np.array_equal(found["head"][:, :, 0, 0], np.eye(5)[[2, 2, 2]])


def test_tokens_that_cannot_be_laid_out_are_refused() -> None:
    batch, module = noise(1), made(timm_transformer)
    assert raised(lambda: Taps(module, ["blocks.0"])(batch)) == (
        "layer 'blocks.0' gives (1, 17, 16), not a map (N, C, H, W)"
    )
    assert raised(lambda: Taps(module, ["head@tokens"])(batch)) == (
        "layer 'head@tokens' gives (1, 5), not a sequence of tokens (N, T, C)"
    )
    assert "Did you mean 'blocks'?" in raised(lambda: Taps(module, ["block@tokens"]))
    rows = nn.Sequential(OrderedDict(rows=nn.Flatten(2)))
    assert raised(lambda: Taps(rows, ["rows@tokens"])(batch)) == (
        "layer 'rows@tokens' cannot be laid out: the network does not say which patches its tokens are"
    )
    module.patch_embed.grid_size = (3, 4)
    assert raised(lambda: Taps(module, ["blocks.0@tokens"])(batch)) == (
        "layer 'blocks.0@tokens' gives 17 tokens, which do not fill 3 x 4 patches with 1 tokens before them"
    )
    assert names(list_flat_layers(module, SIZE)) == ["fc_norm", "head_drop", "head"]
