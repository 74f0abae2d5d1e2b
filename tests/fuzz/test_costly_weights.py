"""A small file cannot ask for much memory or time: it is read, with the right numbers, or refused in words."""

import io
import pickle
import struct
import zipfile

import pytest
import torch

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models import pickled
from filterscope.pipeline.models.weights import read_state

WEIGHT = torch.arange(18.0).reshape(2, 1, 3, 3)
KEYS = ("weight", "bias")


def saved(content, **options):
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def zipped(content, method=zipfile.ZIP_DEFLATED, **others):
    """Pack a `torch.save` file by another method, some members in place of its own."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(content))) as source, zipfile.ZipFile(packed, "w", method) as target:
        for member in source.infolist():
            target.writestr(member.filename, others.get(member.filename.rpartition("/")[2], source.read(member)))
    return packed.getvalue()


def program(*parts, old=False):
    """A file whose pickle is written by hand, as an archive or as older versions wrote it."""
    text = b"\x80\x02" + b"".join(parts) + b"."
    if not old:
        return zipped({}, zipfile.ZIP_STORED, **{"data.pkl": text})
    head = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}]
    return b"".join(pickle.dumps(value, 2) for value in head) + text + pickle.dumps([], 2)


def call(name, argument):
    return b"c" + name.encode() + b"\n" + argument + b"R"


def number(value):
    return b"\x8a\x09" + value.to_bytes(9, "little")


def read(tmp_path, data, **options):
    path = tmp_path / "model.pth"
    path.write_bytes(data)
    return read_state(path, KEYS, **options)


@pytest.mark.parametrize("shape", [(2, 1, 3, 3), (300, 7, 3, 3)])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_compressed_numbers_are_the_right_ones(tmp_path, method, shape):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    state, _ = read(tmp_path, zipped({"weight": weight, "bias": torch.full((3,), 0.5)}, method))
    assert torch.equal(state["weight"], weight)
    assert state["bias"].tolist() == [0.5, 0.5, 0.5]


def test_one_compressed_member_among_others(tmp_path):
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved({"weight": WEIGHT, "bias": -WEIGHT}))) as source,
        zipfile.ZipFile(packed, "w") as target,
    ):
        for member in source.infolist():
            method = zipfile.ZIP_DEFLATED if member.filename.endswith("data/1") else zipfile.ZIP_STORED
            target.writestr(member.filename, source.read(member), compress_type=method)
    state, _ = read(tmp_path, packed.getvalue())
    assert torch.equal(state["weight"], WEIGHT)
    assert torch.equal(state["bias"], -WEIGHT)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_are_refused(tmp_path, method):
    with pytest.raises(InputError, match="packed by a method that torch does not know; unzip it"):
        read(tmp_path, zipped({"weight": WEIGHT}, method))


def test_a_program_that_unpacks_to_more_than_any_is_refused(tmp_path):
    data = zipped({}, **{"data.pkl": bytes(pickled.LARGEST_PROGRAM + 1)})
    assert len(data) < 50_000
    with pytest.raises(InputError, match=r"its archive/data\.pkl has 33554433 bytes, more than 33554432"):
        read(tmp_path, data)


def test_numbers_that_unpack_to_more_than_any_are_refused(tmp_path, monkeypatch):
    data = zipped({"weight": torch.zeros(10**6)})
    monkeypatch.setattr(pickled, "LARGEST_UNPACKED", 10**6)
    assert len(data) < 10_000
    with pytest.raises(InputError, match=r"it unpacks to 400\d+ bytes, more than 1000000; .*zip -0 -r"):
        read(tmp_path, data)
    # what is not compressed takes no more than it has
    state, _ = read(tmp_path, zipped({"weight": torch.zeros(10**6)}, zipfile.ZIP_STORED))
    assert state["weight"].shape == (10**6,)


def test_a_size_that_lies_is_not_believed(tmp_path):
    """The limit is on what the archive states, so more than that must not come out of it."""
    data = bytearray(zipped({"weight": torch.zeros(10**6)}))
    size = struct.pack("<I", 4 * 10**6)
    assert data.count(size) == 2  # before the member, and in the directory
    with pytest.raises(InputError, match="not a readable checkpoint"):
        read(tmp_path, bytes(data.replace(size, struct.pack("<I", 400))))


def test_dicts_that_share_their_values_are_walked_once(tmp_path):
    """A thousand names for one dict of a thousand names for one, and so on: 10^12 ways, five objects."""
    content = {"weight": WEIGHT, "bias": torch.zeros(2)}
    for _ in range(4):
        content = {f"k{place}": content for place in range(1000)}
    data = saved({"model": {"weight": -WEIGHT}, "shared": content})
    assert len(data) < 100_000
    assert torch.equal(read(tmp_path, data)[0]["weight"], -WEIGHT)
    assert torch.equal(read(tmp_path, data, state_key="shared.k7.k999.k0.k1")[0]["weight"], WEIGHT)
    with pytest.raises(InputError, match=r"'shared\.k7\.no' is no state dict"):
        read(tmp_path, data, state_key="shared.k7.no")


def test_one_state_dict_of_two_names_is_one(tmp_path):
    content = {"weight": WEIGHT}
    state, notes = read(tmp_path, saved({"state_dict": content, "model": content}))
    assert torch.equal(state["weight"], WEIGHT)
    assert notes == ["read the state dict 'state_dict' of model.pth"]


def test_parts_of_a_state_key_may_have_dots(tmp_path):
    data = saved({"a.b": {"c": {"weight": WEIGHT}}, "a": {"b": 7, "b.c": {"d": {"weight": -WEIGHT}}}})
    assert torch.equal(read(tmp_path, data, state_key="a.b.c")[0]["weight"], WEIGHT)
    assert torch.equal(read(tmp_path, data, state_key="a.b.c.d")[0]["weight"], -WEIGHT)


def test_many_state_dicts_none_of_which_fits(tmp_path):
    data = saved({str(place): {"other": WEIGHT} for place in range(5000)})
    _, notes = read(tmp_path, data)
    assert notes == ["read the state dict '0' of model.pth"]


def test_many_keys_are_not_all_named(tmp_path):
    with pytest.raises(InputError, match=r"but the keys 0, 1, .*, 19 and 4980 more$") as stop:
        read(tmp_path, saved({str(place): place for place in range(5000)}))
    assert len(str(stop.value)) < 500


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("parts", "why"),
    [
        # ((((a, a), ...), ...), forty deep, is hashed as 2^40 values when it is a key
        ([b"}", b")", b"q\x00h\x00\x86" * 40, b"N", b"s"], "tuples in tuples of more than 65536 values"),
        ([b"}", b")", b"\x85" * 100_000, b"N", b"s"], "tuples in tuples, more than 256 deep"),
        ([call("__builtin__\nbytearray", number(10**11) + b"\x85")], "more than 268435456 values"),
        ([call("torch\nFloatTensor", number(10**6) * 2 + b"\x86")], "more than 268435456 values"),
        ([b"cbuiltins\nset\n(](", b"K\x01" * 10_000, b"etR"], None),
        (
            [call("_codecs\nencode", b"X\x01\x00\x00\x00a" + b"X\x06\x00\x00\x00latin1" + b"\x86"), b"q\x00"]
            + [b"c_codecs\nencode\nh\x00X\x03\x00\x00\x00hex\x86Rq\x00"] * 40,
            "more than 268435456 values",
        ),
        # one list of many numbers, a set made of it again and again
        (
            [b"]q\x00(", b"K\x01" * 300_000, b"e(", b"cbuiltins\nset\nh\x00\x85R" * 1000, b"t"],
            "more than 268435456 values",
        ),
    ],
)
def test_a_pickle_that_costs_too_much_is_refused(tmp_path, parts, why, old):
    data = program(*parts, old=old)
    assert len(data) < 5_000_000
    with pytest.raises(
        InputError, match=f"were not read: its pickle .*{why}" if why else "hold no state dict, but a set"
    ):
        read(tmp_path, data)


@pytest.mark.parametrize("old", [False, True])
def test_a_pickle_that_takes_too_long_is_refused(tmp_path, monkeypatch, old):
    monkeypatch.setattr(pickled, "_LONGEST", 10_000)
    with pytest.raises(InputError, match="were not read: its pickle has more than 10000 operations"):
        read(tmp_path, program(b"N" * 10_001, old=old))


def test_deep_lists_harm_nobody(tmp_path):
    with pytest.raises(InputError, match="hold no state dict, but a list"):
        read(tmp_path, program(b"]" * 100_000 + b"a" * 99_999))


@pytest.mark.parametrize("old", [False, True])
def test_what_training_writes_beside_a_network_is_read(tmp_path, old):
    """Optimisers, counters, sets, complex numbers, long lists and nested tuples are no bombs."""
    network = torch.nn.Conv2d(1, 2, 3)
    optimiser = torch.optim.Adam(network.parameters(), betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [10, 20])
    losses = [float(value) for value in range(20_000)]
    content = {"model": network.state_dict(), "optimizer": optimiser.state_dict(), "schedule": schedule.state_dict()}
    content |= {"losses": losses, "seen": {1, 2}, "raw": b"\xff" * 1000, "nested": ((1, (2, 3)), 4), "z": 1j}
    options = {"_use_new_zipfile_serialization": False} if old else {}
    state, _ = read(tmp_path, saved(content, **options))
    assert torch.equal(state["weight"], network.weight)
