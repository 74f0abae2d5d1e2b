"""State dicts: read without executing anything, unwrapped, fitted, digested."""

import argparse
import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.weights import file_sha256, load_state, read_state, renamed, state_sha256


def network() -> nn.Module:
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 3), bn=nn.BatchNorm2d(4), fc=nn.Linear(4, 2)))


STATE = network().state_dict()
KEYS = list(STATE)


def message(path: Path, state_key: str | None = None) -> str:
    with pytest.raises(InputError) as error:
        read_state(path, KEYS, state_key)
    return str(error.value).replace(str(path), path.name)


def saved(folder: Path, content: Any, name: str = "w.pth") -> Path:
    torch.save(content, folder / name)
    return folder / name


def prefixed(prefix: str, state: dict[str, Tensor] = STATE) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return list(one) == list(other) and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    ("content", "notes"),
    [
        (STATE, []),
        (prefixed("module."), ["dropped the prefix 'module.' of the keys of w.pth"]),
        (prefixed("module.model."), ["dropped the prefix 'module.model.' of the keys of w.pth"]),
        ({"state_dict": STATE, "epoch": 3, "best": 0.5}, ["read the state dict 'state_dict' of w.pth"]),
        (
            {"model": prefixed("_orig_mod."), "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}},
            ["read the state dict 'model' of w.pth", "dropped the prefix '_orig_mod.' of the keys of w.pth"],
        ),
        ({"step": torch.tensor(7), "net": STATE}, ["read the state dict 'net' of w.pth"]),
        ({"net": STATE, "loss": {"weight": torch.ones(2)}}, ["read the state dict 'net' of w.pth"]),
        ({"a": {"b": STATE}}, ["read the state dict 'a.b' of w.pth"]),
    ],
)
def test_wrappers_are_unwrapped_and_said(tmp_path: Path, content: Any, notes: list[str]) -> None:
    state, said = read_state(saved(tmp_path, content), KEYS)
    assert same(state, STATE)
    assert said == notes


def test_a_prefix_of_the_network_itself_stays(tmp_path: Path) -> None:
    own = prefixed("model.")
    state, notes = read_state(saved(tmp_path, prefixed("module.", own)), list(own))
    assert same(state, own)
    assert notes == ["dropped the prefix 'module.' of the keys of w.pth"]


def test_two_state_dicts_that_fit_need_a_choice(tmp_path: Path) -> None:
    average = {key: value + 1 for key, value in STATE.items()}
    path = saved(tmp_path, {"model": STATE, "model_ema": {"module": average}, "epoch": 1})
    assert message(path) == (
        "weights w.pth hold several state dicts: 'model', 'model_ema.module'; choose one with state_key (--state-key)"
    )
    state, notes = read_state(path, KEYS, "model_ema.module")
    assert same(state, average)
    assert notes == ["read the state dict 'model_ema.module' of w.pth"]
    assert message(path, "model_em") == (
        "state_key 'model_em' is no state dict of w.pth, which holds the keys model, model_ema, epoch. "
        "Did you mean 'model'?"
    )


@pytest.mark.parametrize(
    ("content", "found"), [([1, 2], "a list"), ({"epoch": 3, "lr": 0.1}, "the keys epoch, lr"), ({}, "nothing")]
)
def test_a_file_without_state_dict_is_refused(tmp_path: Path, content: Any, found: str) -> None:
    assert message(saved(tmp_path, content)) == f"weights w.pth hold no state dict, but {found}"


class Payload:
    """Executes a command when unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_execute_code_is_not_loaded(tmp_path: Path, zipped: bool) -> None:
    content = {"state_dict": STATE, "extra": Payload(f"touch {tmp_path / 'executed'}")}
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    assert message(tmp_path / "w.pth") == (
        "weights w.pth hold posix.system, which could execute code when read, so the file was not loaded; if you trust "
        "it, convert it once: load it with torch.load('w.pth', weights_only=False) and write its state dict with "
        "safetensors.torch.save_file(state_dict, 'w.safetensors')"
    )
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
        ({"state_dict": STATE, "args": argparse.Namespace(lr=1)}, "argparse.Namespace"),
    ],
)
def test_python_objects_are_named_and_not_loaded(tmp_path: Path, content: Any, named: str) -> None:
    assert message(saved(tmp_path, content)).startswith(f"weights w.pth hold {named}, which could execute code")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_torchscript_program_is_not_loaded(tmp_path: Path) -> None:
    torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "w.pth"))
    assert message(tmp_path / "w.pth").startswith("weights w.pth hold a TorchScript program, which could execute code")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("w.pth", b"", "are not a readable checkpoint: EOFError"),
        ("w.pth", b"version 2 of some text", "are not a readable checkpoint: not written by torch"),
        ("w.safetensors", b"", "are not a readable safetensors file: "),
    ],
)
def test_a_damaged_file_is_said_to_be_unreadable(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert message(tmp_path / name).startswith(f"weights {name} {reason}")


def test_a_torn_file_is_said_to_be_unreadable(tmp_path: Path) -> None:
    path = saved(tmp_path, STATE)
    path.write_bytes(path.read_bytes()[:-200])
    assert message(path).startswith("weights w.pth are not a readable checkpoint: ")


def test_safetensors_and_checkpoints_read_alike(tmp_path: Path) -> None:
    save_file(prefixed("module."), tmp_path / "w.safetensors")
    state, notes = read_state(tmp_path / "w.safetensors", KEYS)
    assert {key: value.tolist() for key, value in state.items()} == {key: STATE[key].tolist() for key in KEYS}
    assert notes == ["dropped the prefix 'module.' of the keys of w.safetensors"]


def test_loading_copies_every_value() -> None:
    module, path = network(), Path("w.pth")
    load_state(module, {key: value + 1 for key, value in STATE.items()}, what="network", path=path)
    assert all(torch.equal(value, STATE[key] + 1) for key, value in module.state_dict().items())


def test_a_mismatch_lists_and_counts_keys() -> None:
    state = {key: value for key, value in STATE.items() if not key.startswith("bn")}
    state |= {"fc.weight": torch.zeros(5, 4), "head.bias": torch.zeros(1)}
    with pytest.raises(InputError) as error:
        load_state(network(), state, what="network", path=Path("w.pth"))
    assert str(error.value) == (
        "weights w.pth do not fit network: 4 keys missing (bn.weight, bn.bias, bn.running_mean, ...); "
        "1 key unexpected (head.bias); 1 key of another shape (fc.weight is (5, 4) instead of (2, 4)); "
        "name the architecture that the file was trained with"
    )


def test_files_from_before_the_batch_counter_load() -> None:
    state = {key: value for key, value in STATE.items() if "num_batches" not in key}
    load_state(network(), state, what="network", path=Path("w.pth"))


def test_a_file_digest_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"weights")
    assert file_sha256(tmp_path / "w.pth") == hashlib.sha256(b"weights").hexdigest()
    with pytest.raises(InputError, match=r"^no weights file at .*absent\.pth$"):
        file_sha256(tmp_path / "absent.pth")


def test_a_state_digest_ignores_order_and_layout_alone() -> None:
    state = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(1, dtype=torch.int64)}
    digest = state_sha256(state)
    assert digest == state_sha256(dict(reversed(state.items())))
    assert digest == state_sha256(state | {"a": state["a"].T.contiguous().T})
    changed = [
        {"a": state["a"] + 1},
        {"a": state["a"].reshape(3, 2)},
        {"a": state["a"].to(torch.int32).view(torch.float32)},
        {"a": state["a"].view(torch.int32)},
        {"c": state["b"]},
    ]
    assert digest not in [state_sha256(state | change) for change in changed]


def test_renaming_keeps_module_versions() -> None:
    state = renamed(network().state_dict(), str.upper)
    assert list(state)[:2] == ["CONV.WEIGHT", "CONV.BIAS"]
    assert state._metadata["bn"] == {"version": 2}  # type: ignore[attr-defined]
