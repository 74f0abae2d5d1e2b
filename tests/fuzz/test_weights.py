"""Weights of anyone are read as numbers or refused; nothing in them is executed."""

import io
import json
import os
import pickle
import struct

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.weights import load_state, read_state
from tests.fuzz.generated import COUNTS, changed, damaged, fuzzed, texts

KEYS = ("weight", "bias")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Conv2d(1, 2, 3)


def saved(content: object, **options: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


SOUND = {
    "zip.pth": saved(network().state_dict()),
    "old.pth": saved({"model": network().state_dict()}, _use_new_zipfile_serialization=False),
    "a.safetensors": save(network().state_dict()),
}


class Harm:
    """Makes a folder when it is read back."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self.folder,)


def loads(path) -> None:
    COUNTS["weights"] += 1
    module = network()
    try:
        state, _ = read_state(path, KEYS)
        load_state(module, state, what="network", path=path)
    except InputError:
        pass
    assert module.weight.shape == (2, 1, 3, 3)


@pytest.mark.parametrize("name", sorted(SOUND))
def test_the_sound_file_loads(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(SOUND[name])
    assert torch.equal(read_state(path, KEYS)[0]["weight"], network().weight)


@fuzzed(1500, 60)
@given(data=st.data())
def test_damaged_files_are_loaded_or_refused(tmp_path_factory, data):
    name = data.draw(st.sampled_from(sorted(SOUND)))
    path = tmp_path_factory.getbasetemp() / name
    path.unlink(missing_ok=True)  # what was read before may still be mapped
    path.write_bytes(data.draw(damaged(SOUND[name])))
    loads(path)


LEAVES = (
    st.none() | st.integers() | st.floats(allow_nan=False) | texts | st.lists(st.integers(-2, 2**63), max_size=4)
    | st.sampled_from(("F32", "F16", "BF16", "F8_E4M3", "C64", "BOOL", "I64", [0, 72], [72, 80], [80, 0], [2, 1, 3, 3]))
)  # fmt: skip


@fuzzed(800, 40)
@given(data=st.data())
def test_safetensors_with_any_header(tmp_path_factory, data):
    sound = SOUND["a.safetensors"]
    size = struct.unpack("<Q", sound[:8])[0]
    header = json.loads(sound[8 : 8 + size])
    for _ in range(data.draw(st.integers(1, 3))):
        header = data.draw(changed(header, LEAVES))
    text = json.dumps(header).encode()
    path = tmp_path_factory.getbasetemp() / "b.safetensors"
    path.unlink(missing_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + sound[8 + size :])
    loads(path)


PARTS = st.sampled_from(("weight", "bias", "module", "model", "_orig_mod", "ema", "0", "", "é", "num_batches_tracked"))


@fuzzed(600, 40)
@given(
    names=st.lists(st.lists(PARTS, min_size=1, max_size=6).map(".".join), max_size=8, unique=True),
    expected=st.lists(st.lists(PARTS, min_size=1, max_size=3).map(".".join), max_size=4, unique=True),
    prefix=st.none() | st.lists(PARTS, max_size=3).map(".".join),
)
def test_keys_of_any_name_are_found_or_refused(tmp_path_factory, names, expected, prefix):
    path = tmp_path_factory.getbasetemp() / "names.pth"
    path.unlink(missing_ok=True)
    torch.save({name: torch.full((2,), float(number)) for number, name in enumerate(names)}, path)
    COUNTS["weights"] += 1
    try:
        state, _ = read_state(path, expected, prefix=prefix)
    except InputError:
        return
    for key, value in state.items():
        name = names[int(value[0])]
        assert [part for part in name.split(".") if part in key.split(".")][-len(key.split(".")) :] == key.split(".")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["raw", "zip", "old"])
def test_a_pickle_that_would_execute_code_is_refused(tmp_path, protocol, name):
    content = {"weight": Harm(str(tmp_path / "harmed"))}
    path = tmp_path / "model.pth"
    old = {"_use_new_zipfile_serialization": False} if name == "old" else {}
    path.write_bytes(
        pickle.dumps(content, protocol) if name == "raw" else saved(content, pickle_protocol=protocol, **old)
    )
    with pytest.raises(InputError, match=r"could execute code when read, so .* safetensors\.torch\.save_file"):
        read_state(path, KEYS)
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("size", [2**31, 2**63, 2**64 - 1])
def test_a_header_of_two_gigabytes_is_refused(tmp_path, size):
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", size) + b'{"a": 1}')
    with path.open("ab") as file:
        file.truncate(2**31 + 100)  # as large as it says, without taking the space
    with pytest.raises(InputError, match="not a readable safetensors file"):
        read_state(path, KEYS)


def test_a_tensor_that_repeats_its_numbers_is_refused(tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"weight": torch.zeros(1).expand(10**12)}, path)
    assert path.stat().st_size < 10_000
    with pytest.raises(InputError, match="'weight' repeats its numbers"):
        read_state(path, KEYS)


@pytest.mark.parametrize("tensor", [torch.zeros(2, device="meta"), torch.eye(2).to_sparse()])
def test_a_tensor_without_numbers_of_its_own_is_refused(tmp_path, tensor):
    path = tmp_path / "model.pth"
    torch.save({"weight": tensor}, path)
    with pytest.raises(InputError, match="'weight' is no dense tensor"):
        read_state(path, KEYS)
