"""Checkpoints as training frameworks write them: the right weights are taken, or the choice is named."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from filterscope import schemas
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.absent import refuse_dependent
from filterscope.pipeline.models.model import Model, open_model
from filterscope.pipeline.models.network import Identity, Network
from filterscope.pipeline.models.spec import ModelSpec
from tests import planted
from tests.audits import audit_here

LAYERS = ("conv", "block.1", "block")


class Small(nn.Module):
    """A network with a head, and an auxiliary head that evaluation does not call."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3))
        self.fc, self.aux = nn.Linear(5, 2), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        features = self.block(self.bn(self.conv(x)).relu()).mean((2, 3))
        return self.fc(features) + self.aux(features) if self.training else self.fc(features)


def made(seed: int) -> dict[str, Tensor]:
    """Return weights that are told apart by a seed, and the network's statistics."""
    torch.manual_seed(seed)
    module = Small()
    module.bn.running_mean += torch.rand(4)
    return module.state_dict()


RAW, AVERAGE = made(1), made(2)


def under(prefix: str, state: Mapping[str, Tensor] = RAW) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


def trunk(state: Mapping[str, Tensor] = RAW) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if not key.startswith(("fc.", "aux."))}


ADAM = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.ones(4, 3, 3, 3)}}, "param_groups": [{"lr": 0.1}]}


def lightning() -> dict[str, Any]:
    beside = {"criterion.weight": torch.ones(2), "metric.total": torch.tensor(9.0)}
    parts = {"epoch": 3, "global_step": 12, "pytorch-lightning_version": "2.4.0", "hyper_parameters": {"lr": 0.1}}
    return {**parts, "state_dict": under("model.") | beside, "optimizer_states": [ADAM], "loops": {"fit_loop": {}}}


def timm() -> dict[str, Any]:
    return {
        "epoch": 3, "arch": "small", "state_dict": RAW, "optimizer": ADAM, "version": 2, "state_dict_ema": AVERAGE,
        "metric": 0.7,
    }  # fmt: skip


def dino() -> dict[str, Any]:
    head = {"module.head.mlp.0.weight": torch.ones(8, 5), "module.head.last_layer.weight_g": torch.ones(8, 1)}
    copies = {name: under("module.backbone.", trunk(s)) | head for name, s in (("student", RAW), ("teacher", AVERAGE))}
    return {**copies, "optimizer": ADAM, "epoch": 3, "dino_loss": {"center": torch.zeros(1, 8)}}


def moco() -> dict[str, Any]:
    projection = {"fc.0.weight": torch.ones(5, 5), "fc.0.bias": torch.ones(5), "fc.2.weight": torch.ones(2, 5)}
    copies = under("module.encoder_q.", trunk() | projection) | under("module.encoder_k.", trunk(AVERAGE) | projection)
    queue = {"module.queue": torch.ones(2, 16), "module.queue_ptr": torch.zeros(1, dtype=torch.int64)}
    return {"epoch": 3, "arch": "small", "state_dict": copies | queue, "optimizer": ADAM}


def yolo() -> dict[str, Any]:
    halves = {key: value.half() if value.is_floating_point() else value for key, value in AVERAGE.items()}
    return {"epoch": 3, "best_fitness": None, "model": RAW, "ema": halves, "updates": 120, "optimizer": ADAM}


def fsdp() -> dict[str, Any]:
    wrapped = {key.replace("block.", "block._checkpoint_wrapped_module."): value for key, value in RAW.items()}
    moments = {key: {"exp_avg": torch.ones(1), "step": torch.tensor(1.0)} for key in RAW}
    return {"model": under("_fsdp_wrapped_module.", wrapped), "optimizer": {"state": moments}}


def data_parallel() -> dict[str, Any]:
    """As the ImageNet example of PyTorch saved AlexNet and VGG: a wrapper inside."""
    inside = {key.replace("block.", "block.module."): value for key, value in RAW.items()}
    return {"epoch": 3, "best_acc1": torch.tensor(70.0), "state_dict": inside}


def averaged() -> dict[str, Any]:
    """As `torch.optim.swa_utils.AveragedModel` has it."""
    return {"n_averaged": torch.tensor(5), **under("module.", AVERAGE)}


def saved(path: Path, content: Any) -> None:
    torch.save(content, path)


def accelerated(path: Path, content: Any) -> None:
    save_file(content, path, metadata={"format": "pt"})


#: Name of the file, what writes it, what is in it, options, whose weights are right, what is said of them.
SHAPES: dict[str, tuple[str, Callable[..., None], Any, dict[str, str], dict[str, Tensor], str]] = {
    "lightning": ("last.ckpt", saved, lightning(), {}, RAW, "that are not of the network: criterion, metric"),
    "timm": ("last.pth.tar", saved, timm(), {"state_key": "state_dict_ema"}, AVERAGE, "'state_dict_ema'"),
    "dino": ("dino.pth", saved, dino(), {"state_key": "teacher"}, AVERAGE, "prefix 'module.backbone.'"),
    "moco": ("moco.pth.tar", saved, moco(), {"prefix": "module.encoder_q"}, RAW, "prefix 'module.encoder_q.'"),
    "yolo": ("best.pt", saved, yolo(), {"state_key": "ema"}, yolo()["ema"], "'ema'"),
    "accelerate": ("model.safetensors", accelerated, under("_orig_mod."), {}, RAW, "prefix '_orig_mod.'"),
    "fsdp": ("full.pt", saved, fsdp(), {}, RAW, "prefix '_fsdp_wrapped_module.'"),
    "data parallel": ("vgg.pth.tar", saved, data_parallel(), {}, RAW, "'state_dict'"),
    "ema beside raw": ("both.pth", saved, RAW | under("ema.", AVERAGE), {"prefix": "ema"}, AVERAGE, "prefix 'ema.'"),
    "safetensors by another name": ("weights.bin", accelerated, RAW, {}, RAW, ""),
    "averaged": ("swa.pt", saved, averaged(), {}, AVERAGE, "that are not of the network: n_averaged"),
}

#: What two copies that fit are called where none is chosen.
CHOICES = {
    "timm": "several state dicts: 'state_dict', 'state_dict_ema'; choose one with state_key (--state-key)",
    "dino": "several state dicts: 'student', 'teacher'; choose one with state_key (--state-key)",
    "moco": "under the prefixes 'module.encoder_q.', 'module.encoder_k.'; choose one with prefix (--prefix)",
    "yolo": "several state dicts: 'model', 'ema'; choose one with state_key (--state-key)",
    "ema beside raw": "under the prefixes '', 'ema.'; choose one with prefix (--prefix)",
}


def opened(path: Path, factory: Callable[[], nn.Module] = Small, **options: str) -> Model:
    return open_model(ModelSpec(f"factory:tests.own:small@{path}", input_size=16, **options), factory)


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_the_weights_of_a_frameworks_file_are_loaded(tmp_path: Path, shape: str) -> None:
    name, write, content, options, right, said = SHAPES[shape]
    write(tmp_path / name, content)
    model = opened(tmp_path / name, **options)
    held, absent = model.module.state_dict(), set(model.absent)
    assert absent == ({key for key in RAW if key not in trunk()} if shape in ("dino", "moco") else set())
    for key in set(RAW) - absent:
        assert torch.equal(held[key], right[key].to(held[key].dtype)), key
    assert said in " ".join(model.notes)
    refuse_dependent(model, LAYERS)


@pytest.mark.parametrize("shape", sorted(CHOICES))
def test_two_copies_are_both_named(tmp_path: Path, shape: str) -> None:
    name, write, content, *_ = SHAPES[shape]
    write(tmp_path / name, content)
    with pytest.raises(InputError) as error:
        opened(tmp_path / name)
    assert CHOICES[shape] in str(error.value)


def test_no_prefix_is_a_choice_too(tmp_path: Path) -> None:
    saved(tmp_path / "w.pth", RAW | under("ema.", AVERAGE))
    assert torch.equal(opened(tmp_path / "w.pth", prefix="").module.state_dict()["conv.weight"], RAW["conv.weight"])
    with pytest.raises(InputError, match=r"under the prefix 'emma' in .*w\.pth\. Did you mean 'ema\.'\?"):
        opened(tmp_path / "w.pth", prefix="emma")


def test_an_average_without_all_keys_is_no_second_copy(tmp_path: Path) -> None:
    """Statistics of batch norm are no parameters, and many averages are of parameters alone."""
    parameters = {key: value for key, value in AVERAGE.items() if "running" not in key}
    saved(tmp_path / "w.pth", {"model": RAW, "ema": parameters})
    assert torch.equal(opened(tmp_path / "w.pth").module.state_dict()["fc.weight"], RAW["fc.weight"])


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        (("fc.", "aux."), None),
        (("aux.weight",), None),
        (("block.2.bias",), "1 key missing, on which block depends (block.2.bias)"),
        (("bn.running_var", "fc."), "3 keys missing, on which block.1, block depends (bn.running_var, "),
        (("conv.",), "2 keys missing, on which conv, block.1, block depends (conv.weight, conv.bias)"),
    ],
)
def test_only_what_no_tapped_layer_depends_on_may_be_missing(
    tmp_path: Path, lost: tuple[str, ...], reason: str | None
) -> None:
    saved(tmp_path / "w.pth", {key: value for key, value in RAW.items() if not key.startswith(lost)})
    model = opened(tmp_path / "w.pth")
    assert f"w.pth lacks {model.absent[0]}" in " ".join(model.notes)
    if reason is None:
        refuse_dependent(model, LAYERS)
    else:
        with pytest.raises(InputError) as error:
            refuse_dependent(model, LAYERS)
        assert reason in str(error.value)


def test_weights_that_are_used_past_their_module_count_as_used(tmp_path: Path) -> None:
    """The projection of an attention is a module that is never called."""

    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.conv = nn.MultiheadAttention(3, 1, batch_first=True), nn.Conv2d(3, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            tokens = x.flatten(2).transpose(1, 2)
            return self.conv(self.attention(tokens, tokens, tokens)[0].transpose(1, 2).reshape(x.shape))

    state = {key: value for key, value in Attending().state_dict().items() if "out_proj" not in key}
    saved(tmp_path / "w.pth", state)
    with pytest.raises(InputError, match="2 keys missing, on which conv depends"):
        refuse_dependent(opened(tmp_path / "w.pth", Attending), ["conv"])


def test_scores_without_a_head_are_refused_and_never_numbers(tmp_path: Path) -> None:
    saved(tmp_path / "w.pth", trunk())
    model = opened(tmp_path / "w.pth")
    with pytest.raises(InputError, match="4 keys missing, on which the class scores depends"):
        refuse_dependent(model, LAYERS, scores=True)
    identity = Identity(model.weights_sha256, model.transform, model.name)
    network = Network.open(model.spec, layers=("block",), expected=identity, batch_size=1, factory=Small)
    pixels = np.full((1, 16, 16, 3), 99, np.uint8)
    assert np.isfinite(network.maps(pixels)["block"]).all()
    assert np.isnan(network.scores(pixels)).all()


def test_a_larger_network_of_the_same_names_is_refused(tmp_path: Path) -> None:
    """Every key of the smaller one is found in it, and it computes something else."""
    for number, more in enumerate(({"block.3.weight": torch.ones(5, 5, 3, 3)}, {"bn.extra": torch.ones(4)})):
        saved(tmp_path / f"{number}.pth", under("model.", RAW | more))
        with pytest.raises(InputError, match=rf"do not fit .*: 1 key unexpected \({next(iter(more))}\)"):
            opened(tmp_path / f"{number}.pth")

    def short() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())

    deep = nn.Sequential(*short(), nn.Conv2d(4, 4, 3))
    saved(tmp_path / "deep.pth", deep.state_dict())
    with pytest.raises(InputError, match=r"2 keys unexpected \(2\.weight, 2\.bias\)"):
        opened(tmp_path / "deep.pth", short)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int32, torch.bool, torch.float8_e4m3fn])
def test_quantised_weights_are_refused(tmp_path: Path, dtype: torch.dtype) -> None:
    saved(tmp_path / "w.pth", RAW | {"conv.weight": torch.ones(4, 3, 3, 3).to(dtype)})
    with pytest.raises(
        InputError, match=rf"are quantised: .*conv\.weight is {dtype}.*give the file from before quantisation"
    ):
        opened(tmp_path / "w.pth")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_floating_point_numbers_of_any_size_are_weights(tmp_path: Path, dtype: torch.dtype) -> None:
    state = {key: value.to(dtype) if value.is_floating_point() else value for key, value in RAW.items()}
    saved(tmp_path / "w.pth", state)
    assert torch.equal(opened(tmp_path / "w.pth").module.state_dict()["conv.weight"], state["conv.weight"].float())


def test_a_tensor_shared_by_two_names_is_missing_under_neither(tmp_path: Path) -> None:
    class Tied(Small):
        def __init__(self) -> None:
            super().__init__()
            self.aux.weight = self.fc.weight

    saved(tmp_path / "w.pth", {key: value for key, value in RAW.items() if key != "aux.weight"})
    model = opened(tmp_path / "w.pth", Tied)
    assert model.absent == []
    assert torch.equal(model.module.state_dict()["aux.weight"], RAW["fc.weight"])


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daa\n"


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize(
    ("content", "named"),
    [
        (LFS, "is a git-lfs pointer, not the weights themselves; run `git lfs pull`"),
        (b"<!DOCTYPE html>\n<html><head>", "is an HTML page"),
        (b"\xef\xbb\xbf\r\n  <HTML lang=en>", "is an HTML page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied", "is an XML text"),
        (b"\x1f\x8b\x08\x00rest", "is a gzip archive"),
        (b'{"error": "Access to the model is restricted"}', "is a JSON text"),
        (b'{"meta":{"total_size": 1}, "weight_map": {"a": "b"}}', "is the index of weights in pieces"),
        (
            b'{\n  "metadata": {\n    "total_size": 102000000\n  },\n  "weight_map": {',
            "is the index of weights in pieces",
        ),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
    ],
)
def test_what_is_no_checkpoint_is_named(tmp_path: Path, name: str, content: bytes, named: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        opened(tmp_path / name)
    assert str(error.value).startswith(f"weights {tmp_path / name}: the file {named}")


def test_a_header_whose_length_reads_like_json_is_one_of_safetensors(tmp_path: Path) -> None:
    path, length = tmp_path / "w.bin", int.from_bytes(b'{"', "little")
    save_file(RAW, path)
    header = path.read_bytes()[8:].partition(b"}}")[0] + b"}}"
    body = path.read_bytes()[8 + int.from_bytes(path.read_bytes()[:8], "little") :]
    path.write_bytes(length.to_bytes(8, "little") + header.ljust(length) + body)
    assert torch.equal(opened(path).module.state_dict()["conv.weight"], RAW["conv.weight"])


def test_a_choice_without_a_checkpoint_is_refused() -> None:
    with pytest.raises(InputError, match="prefix is stated for torchvision:resnet18, which reads no checkpoint"):
        ModelSpec("torchvision:resnet18", prefix="model.")


def test_other_weights_of_the_same_file_do_not_extend_a_run(tmp_path: Path) -> None:
    """The digest is of the file, so that the markers of one copy would stand for the other."""
    planted.write_dataset(tmp_path / "data")
    copies = {name: planted.network().state_dict() for name in ("raw", "ema")}
    copies["ema"]["0.weight"] *= 2
    torch.save(copies, tmp_path / "w.pth")
    model = {**planted.PLANTED, "source": f"{planted.PLANTED['source']}@{tmp_path / 'w.pth'}"}
    asked = {"data": tmp_path / "data", "models": [model], "layers": "1", "quantile": 0.05, "min_images": 3}
    run = audit_here(tmp_path / "run", **asked, state_key="raw")
    with pytest.raises(
        InputError, match="planted was read with state_key 'raw' in this run and is now asked for with 'ema'"
    ):
        audit_here(run, **asked, state_key="ema")
    other = audit_here(tmp_path / "other", **{**asked, "models": [{**model, "state_key": "ema"}]})
    raw, ema = (schemas.scan_units(at).collect()["maximum"] for at in (run, other))
    assert ema.to_list() == [2 * value for value in raw]


def test_complex_weights_are_refused(tmp_path: Path) -> None:
    torch.save({**RAW, "conv.weight": RAW["conv.weight"].to(torch.complex64)}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"have complex numbers in 1 key .*conv\.weight.* where .* real ones"):
        open_model(ModelSpec(f"factory:tests.pipeline.models.test_checkpoints:Small@{tmp_path / 'w.pth'}"))
