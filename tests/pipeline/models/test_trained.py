"""``trained:RUN/NAME``: what a training left, opened like any other network; what is damaged or hostile is refused."""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from filterscope.jobs.config.train import asked_of
from filterscope.jobs.config.zoo import expand
from filterscope.jobs.runs.train import train
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.model import Model, open_model
from filterscope.pipeline.models.names import refuse_unknown
from filterscope.pipeline.models.scores import class_names
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.models.trained import KEY, read_description
from filterscope.pipeline.models.weights import state_sha256
from tests.planted.lessons import QUICK, SIDE, write_lesson


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    data = write_lesson(folder / "data")
    train(asked_of("plain", data, {**QUICK, "epochs": 1}, seeds=1), folder / "run", actors=0)
    train(
        asked_of("plain", data, {**QUICK, "epochs": 1, "learn": "attributes"}, seeds=1), folder / "attributes", actors=0
    )
    return folder / "run"


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def opened(run: Path, name: str = "plain-0") -> Model:
    return open_model(ModelSpec(f"trained:{run}/{name}"))


def changed(
    run: Path, change: Callable[[dict[str, torch.Tensor], dict[str, Any]], None], *, honest: bool = True
) -> Path:
    """Write the network of a run again, with other weights or another description; `honest` if it states its own digest."""
    file = run / "networks" / "plain-0.safetensors"
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    state, stated = load_file(file), json.loads(json.loads(content[8 : 8 + length])["__metadata__"][KEY])
    change(state, stated)
    if honest:
        stated["weights"] = state_sha256(state)
    save_file(state, file, {KEY: json.dumps(stated)})
    return file


def test_a_trained_network_brings_its_weights_preprocessing_and_names(run: Path) -> None:
    model = opened(run)
    file = run / "networks" / "plain-0.safetensors"
    state = load_file(file)
    assert model.weights_sha256 == state_sha256(state) == read_description(file).weights
    assert model.name == f"plain-0-{model.weights_sha256[:8]}"
    assert model.architecture == "small-cnn"
    assert model.transform.input_size == (SIDE, SIDE)
    assert all(torch.equal(value, state[key]) for key, value in model.module.state_dict().items())
    assert class_names(model.spec, 2) == ["green", "red"]
    assert class_names(opened(run.parent / "attributes").spec, 2) == ["large", "red"]


def test_its_file_alone_can_be_opened_from_anywhere(run: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(run / "networks" / "plain-0.safetensors", tmp_path / "mine.safetensors"))
    model = open_model(ModelSpec(f"trained:{file}"))
    assert model.weights_sha256 == opened(run).weights_sha256
    assert model.name.startswith("mine-")


def test_random_weights_of_the_same_network_are_a_baseline(run: Path) -> None:
    model = open_model(ModelSpec(f"trained:{run}/plain-0@random:3"))
    assert model.needs_batch_norm
    assert model.transform == opened(run).transform
    assert model.weights_sha256 != opened(run).weights_sha256
    assert model.weights_sha256 == open_model(ModelSpec(f"trained:{run}/plain-0@random:3")).weights_sha256


def test_paths_are_made_absolute_and_may_hold_an_at_sign(run: Path, tmp_path: Path) -> None:
    assert expand("trained:runs/a@b/plain-0", tmp_path) == [{"source": f"trained:{tmp_path}/runs/a@b/plain-0"}]
    assert expand("trained:runs/a/plain-0@random:1", tmp_path) == [
        {"source": f"trained:{tmp_path}/runs/a/plain-0@random:1"}
    ]
    odd = shutil.copytree(run, tmp_path / "a@b")
    assert opened(odd).weights_sha256 == opened(run).weights_sha256


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("trained:{run}/plain-7", r"no network 'plain-7' in .*Did you mean 'plain-0'\? There are plain-0"),
        ("trained:{run}", r"{run}/NAME names a network of it"),
        (
            "trained:{run}x/plain-0",
            r"holds no trained networks \(it has no training.toml\); `filterscope train RECIPE --out",
        ),
        ("trained:plain-0", r"does not say which network; write trained:RUN/NAME"),
        ("trained:", r"does not say which network"),
        ("trained:s3://bucket/run/plain-0", r"copy the run there"),
        ("trained:{run}/other.safetensors", r"no trained network at .*other\.safetensors"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(source: str, said: str, run: Path) -> None:
    with pytest.raises(InputError, match=said.replace("{run}", str(run))):
        refuse_unknown(ModelSpec(source.format(run=run)))


def test_settings_that_a_trained_network_cannot_have_are_refused(run: Path) -> None:
    for setting in ({"state_key": "model"}, {"prefix": "net."}, {"args": ("a=1",)}):
        with pytest.raises(InputError):
            ModelSpec(f"trained:{run}/plain-0", **setting)


def test_a_file_that_is_cut_off_anywhere_is_refused(copy: Path) -> None:
    file = copy / "networks" / "plain-0.safetensors"
    content = file.read_bytes()
    for length in (0, 4, 100, 1200, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"cannot be read .*doctor .* --repair"):
            opened(copy)


def test_weights_that_are_not_those_that_were_trained_are_refused(copy: Path) -> None:
    changed(copy, lambda state, _: state["features.0.weight"].view(-1)[0].add_(1e-3), honest=False)
    with pytest.raises(InputError, match=r"are not those that were trained \(their SHA-256 differs\)"):
        opened(copy)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("classifier.3.weight", torch.zeros(3, 128), r"classifier\.3\.weight is \(3, 128\) instead of \(2, 128\)"),
        ("features.0.weight", None, r"1 key missing \(features\.0\.weight\)"),
        ("more", torch.zeros(1), r"1 key unexpected \(more\)"),
    ],
)
def test_weights_of_another_network_are_refused(key: str, value: torch.Tensor | None, said: str, copy: Path) -> None:
    changed(copy, lambda state, _: state.pop(key) if value is None else state.update({key: value}))  # type: ignore[func-returns-value]
    with pytest.raises(InputError, match=said):
        opened(copy)


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"architecture": "os.system"}, "architecture 'os.system', none of"),
        ({"architecture": "os.system", "arguments": {"command": "true"}}, "none of"),
        ({"arguments": {"outputs": 10**12, "height": 24, "width": 24}}, r"instead of \(1000000000000, 128\)"),
        ({"arguments": {"outputs": "two", "height": 24, "width": 24}}, "cannot be built"),
        ({"arguments": {"outputs": 2, "height": 8, "width": 24}}, "an input of 8 x 24 is smaller than 16 x 16"),
        ({"arguments": [2]}, "describes itself wrongly"),
        ({"names": [1, 2]}, "describes itself wrongly"),
        ({"transform": {}}, "describes itself wrongly"),
        ({"format": 2}, "format 2"),
        ({"weights": None}, "describes itself wrongly"),
    ],
)
def test_a_description_asks_for_nothing_but_known_networks(stated: dict[str, Any], said: str, copy: Path) -> None:
    changed(copy, lambda _, own: own.update(stated), honest="weights" not in stated)
    with pytest.raises(InputError, match=said):
        opened(copy)


@pytest.mark.parametrize(
    "wrong",
    [
        {"input_size": [10**9, 24]},
        {"input_size": [24]},
        {"mean": [0.5, 0.5, float("nan")]},
        {"std": [0.0, 0.5, 0.5]},
        {"interpolation": "magic"},
        {"resize_size": "24"},
    ],
)
def test_preprocessing_out_of_bounds_is_refused(wrong: dict[str, Any], copy: Path) -> None:
    changed(copy, lambda _, own: own["transform"].update(wrong))
    with pytest.raises(InputError, match="describes itself wrongly"):
        opened(copy)


def test_safetensors_of_others_are_told_how_to_be_named(copy: Path) -> None:
    file = copy / "networks" / "plain-0.safetensors"
    save_file(load_file(file), file)
    with pytest.raises(InputError, match=r"was not written by `filterscope train`; name its architecture"):
        opened(copy)


def test_names_of_another_number_of_scores_are_numbers(run: Path) -> None:
    assert class_names(ModelSpec(f"trained:{run}/plain-0"), 3) == ["0", "1", "2"]
