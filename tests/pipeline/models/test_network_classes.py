"""Classes have the names that a file, the weights or their numbers give them."""

import tomllib
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import tomli_w

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.model import open_model
from filterscope.pipeline.models.scores import class_names, read_classes
from filterscope.pipeline.models.spec import ModelSpec

SQUEEZENET = ModelSpec("torchvision:squeezenet1_1@random:0")


@pytest.fixture
def no_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)


@pytest.mark.usefixtures("no_downloads")
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("torchvision:squeezenet1_1", {0: "tench", 207: "golden retriever", 999: "toilet tissue"}),
        ("torchvision:vit_b_16@weights.pth", {0: "tench", 985: "daisy"}),
        ("timm:resnet18", {0: "tench, Tinca tinca", 207: "golden retriever", 985: "daisy"}),
        ("package:efficientnet-lite0", {0: "tench", 985: "daisy"}),
    ],
)
def test_a_head_of_imagenet_has_the_names_of_imagenet(source: str, expected: dict[int, str]) -> None:
    names = class_names(ModelSpec(source), 1000)
    assert len(names) == 1000
    assert {index: names[index] for index in expected} == expected


@pytest.mark.parametrize("source", ["torchvision:resnet18@own.pth", "timm:resnet18", "package:efficientnet-lite0"])
def test_another_head_has_numbers(source: str) -> None:
    assert class_names(ModelSpec(source), 3) == ["0", "1", "2"]


def test_a_network_of_ones_own_has_numbers() -> None:
    assert class_names(ModelSpec("factory:nets:tiny"), 1000)[998:] == ["998", "999"]


def test_a_file_names_classes_before_the_weights_do(tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    path.write_text('\ufeffIndex, Name\n1,"fox, red"\n\n0, Füchsin \n2,fox\n', encoding="utf-8")
    spec = replace(SQUEEZENET, classes=str(path))
    assert class_names(spec, 3) == ["Füchsin", "fox, red", "fox"]
    with pytest.raises(InputError, match="names 3 classes, but torchvision:squeezenet1_1@random:0 scores 1000"):
        class_names(spec, 1000)


def test_a_file_needs_no_header(tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    path.write_text("0,cat\n1,cat\n")
    assert read_classes(path) == ["cat", "cat"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("index,name\n0,cat\none,dog\n", "row 3 is 'one,dog'; write a number from 0, a comma and a name"),
        ("0,cat\n-1,dog\n", "row 2 is '-1,dog'; write a number from 0"),
        ("0,cat\n1,fox, red\n", "row 2 is '1,fox, red'; write a number from 0"),
        ("0,cat\n1, \n", "row 2 is '1, '; write a number from 0"),
        ("0,cat\n1\n", "row 2 is '1'; write a number from 0"),
        ("0,cat\n1,dog\n1,fox\n", "row 3: class 1 was named before, 'dog'"),
        ("0,cat\n1,dog\n3,fox\n", "has 3 rows and none for class 2; classes are numbered from 0"),
        ("1,cat\n2,dog\n", "has 2 rows and none for class 0; classes are numbered from 0"),
        ("index,name\n", "names no class; write one row per class"),
        ("", "names no class; write one row per class"),
    ],
)
def test_a_file_that_does_not_name_every_class_once_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "classes.csv"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_classes(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    absent, binary = tmp_path / "absent.csv", tmp_path / "binary.csv"
    binary.write_bytes(b"0,\xff\xfe\n")
    for path, reason in ((absent, "FileNotFoundError"), (binary, "UnicodeDecodeError")):
        with pytest.raises(InputError, match=f"the class names .*{path.name} cannot be read \\({reason}"):
            read_classes(path)


def test_a_spec_takes_a_path_of_class_names_alone() -> None:
    for wrong in ("", 3):
        with pytest.raises(InputError, match="give the path of a CSV file: index,name"):
            replace(SQUEEZENET, classes=wrong)


def test_names_change_no_identity_and_old_specs_still_load() -> None:
    stated = {key: value for key, value in asdict(SQUEEZENET).items() if value is not None}
    assert "classes" not in stated
    assert ModelSpec(**tomllib.loads(tomli_w.dumps(stated))) == SQUEEZENET
    named, plain = open_model(replace(SQUEEZENET, classes="classes.csv")), open_model(SQUEEZENET)
    assert (named.name, named.weights_sha256, named.transform) == (plain.name, plain.weights_sha256, plain.transform)
