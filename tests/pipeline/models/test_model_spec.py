"""How networks are named, and what is refused."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.views.transform import Transform

TRANSFORM = Transform((224, 224), 256, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("torchvision:resnet18", ("torchvision", "resnet18", None, None, None, None)),
        ("torchvision:resnet18@DEFAULT", ("torchvision", "resnet18", "DEFAULT", "DEFAULT", None, None)),
        ("timm:resnet18.a1_in1k@random:7", ("timm", "resnet18.a1_in1k", "random:7", None, None, 7)),
        ("factory:a.b:c@w.safetensors", ("factory", "a.b:c", "w.safetensors", None, Path("w.safetensors"), None)),
        ("package:x@dir/last", ("package", "x", "dir/last", None, Path("dir/last"), None)),
        ("timm:x@random.pth", ("timm", "x", "random.pth", None, Path("random.pth"), None)),
        ("timm:x@/a@b/w.pt", ("timm", "x", "/a@b/w.pt", None, Path("/a@b/w.pt"), None)),
    ],
)
def test_a_source_is_scheme_architecture_and_weights(source: str, parts: tuple[Any, ...]) -> None:
    spec = ModelSpec(source)
    assert (spec.scheme, spec.architecture, spec.weights, spec.tag, spec.weights_path, spec.seed) == parts


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "resnet18",
            "model 'resnet18' has no scheme; write SCHEME:ARCH[@WEIGHTS], such as torchvision:resnet18@IMAGENET1K_V1",
        ),
        (
            "torchvison:resnet18",
            "unknown scheme 'torchvison' in model 'torchvison:resnet18'; schemes are torchvision, timm, package, "
            "factory, trained. Did you mean 'torchvision'?",
        ),
        (
            "timm:@x.pth",
            "model 'timm:@x.pth' names no architecture; write SCHEME:ARCH[@WEIGHTS], such as "
            "torchvision:resnet18@IMAGENET1K_V1",
        ),
        ("timm:x@", "model 'timm:x@' ends in @ without weights; give a tag, a path or random:SEED, or drop the @"),
        (
            "timm:x@random",
            "weights 'random' of model 'timm:x@random' name no seed; write random:SEED, such as random:0",
        ),
        (
            "timm:x@random:-1",
            "weights 'random:-1' of model 'timm:x@random:-1' name no seed; write random:SEED, such as random:0",
        ),
        ("factory:pkg.module", "factory 'pkg.module' is not of the form pkg.module:function"),
    ],
)
def test_a_wrong_source_is_refused(source: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        ModelSpec(source)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("name", "a/b", "model name 'a/b' is not safe as a path; use letters, digits and . _ + - alone"),
        ("name", "..", "model name '..' is not safe as a path; use letters, digits and . _ + - alone"),
        ("name", "-x", "model name '-x' is not safe as a path; use letters, digits and . _ + - alone"),
        ("input_size", 0, "input_size is 0 for timm:x; give the pixels of one side, such as 224"),
        ("input_size", True, "input_size is True for timm:x; give the pixels of one side, such as 224"),
        ("mean", [0.5], "mean is [0.5] for timm:x; give three numbers, for R, G and B in 0..1"),
        (
            "mean",
            (float("nan"),) * 3,
            "mean is (nan, nan, nan) for timm:x; give three numbers, for R, G and B in 0..1",
        ),
        (
            "std",
            [58, 57, 57],
            "std is [58, 57, 57] for timm:x; it is in the scale 0..1 (divide by 255), std above 0",
        ),
        ("std", [0, 1, 1], "std is [0, 1, 1] for timm:x; it is in the scale 0..1 (divide by 255), std above 0"),
        (
            "interpolation",
            "bicubc",
            "unknown interpolation 'bicubc'; it is one of bilinear, bicubic, nearest, lanczos. Did you mean 'bicubic'?",
        ),
    ],
)
def test_a_wrong_option_is_refused(option: str, value: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        ModelSpec("timm:x", **{option: value})
    assert str(error.value) == message


def test_a_spec_is_a_value() -> None:
    listed, paired = (ModelSpec("timm:x", mean=kind((0.5, 0.5, 1))) for kind in (list, tuple))
    assert listed == paired
    assert len({listed, paired}) == 1


def test_the_hash_of_a_transform_is_stable_and_tells_every_setting() -> None:
    changes: list[dict[str, Any]] = [
        {"input_size": (224, 225)},
        {"resize_size": 255},
        {"interpolation": "bicubic"},
        {"mean": (0.485, 0.456, 0.407)},
        {"std": (0.229, 0.224, 0.226)},
    ]
    assert TRANSFORM.hash == "b478c45c8dab2998b73b5fd206eff07507464a426736b750ec5d1dcf55c078c0"
    assert len({TRANSFORM.hash, *(dataclasses.replace(TRANSFORM, **change).hash for change in changes)}) == 6


def test_naming_a_network_imports_no_torch() -> None:
    names = "filterscope.pipeline.models.spec, filterscope.pipeline.views.transform"
    code = f"import sys, {names}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False).returncode == 0
