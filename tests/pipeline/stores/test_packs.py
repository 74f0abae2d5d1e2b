"""Shards of images: what is written is read, neighbours come together, and what is damaged is told."""

import hashlib
import json
import os
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filterscope.pipeline.stores import packs
from filterscope.pipeline.stores.packs import INDEX, Pack, PackError, expect, write_pack

FILES = [(f"images/{'n' * (n % 3 * 60)}{n}.bin", bytes([n % 251]) * (200 * n + n % 7)) for n in range(40)]


@pytest.fixture
def pack(tmp_path):
    return Pack(tmp_path, write_pack(tmp_path, FILES, shard_bytes=30_000))


@pytest.fixture
def fetched(monkeypatch):
    """Ranges of shards that were asked for."""
    found, fetch = [], packs._fetch

    def noted(shard, start, stop):
        found.append((shard.name, start, stop))
        return fetch(shard, start, stop)

    monkeypatch.setattr(packs, "_fetch", noted)
    monkeypatch.setattr(packs, "_READS", packs._Reads())
    return found


def places(pack):
    return [pack.file(number, name) for number, (name, _) in enumerate(FILES)]


def test_images_of_any_size_are_read_as_they_were_written(pack, fetched):
    assert len(pack.shards) > 3
    for order in (range(40), range(39, -1, -1)):
        assert [places(pack)[n].read_bytes() for n in order] == [FILES[n][1] for n in order]
    assert len(fetched) == 2 * len(FILES)


@pytest.mark.parametrize("order", [range(40), np.random.default_rng(0).permutation(40).tolist()])
def test_expected_images_come_with_one_request_a_shard(pack, fetched, order):
    files = [places(pack)[n] for n in order]
    expect(files)
    assert [file.read_bytes() for file in files] == [FILES[n][1] for n in order]
    assert sorted(name for name, _, _ in fetched) == [shard.name for shard in pack.shards]


def test_blocks_that_follow_each_other_are_read_ahead(tmp_path, fetched):
    one = Pack(tmp_path, write_pack(tmp_path, FILES))
    for start in range(0, len(FILES), 4):
        block = places(one)[start : start + 4]
        expect(block)
        assert [file.read_bytes() for file in block] == [data for _, data in FILES[start : start + 4]]
    assert len(fetched) == 2


def test_what_is_far_apart_is_not_read_together(tmp_path, fetched, monkeypatch):
    monkeypatch.setattr(packs, "_GAP", 1000)
    one = Pack(tmp_path, write_pack(tmp_path, FILES))
    chosen = [places(one)[n] for n in (3, 4, 30)]
    expect(chosen)
    assert [file.read_bytes() for file in chosen] == [FILES[n][1] for n in (3, 4, 30)]
    assert sum(stop - start for _, start, stop in fetched) < 12_000


def test_a_shard_is_a_tar_file_and_the_same_for_the_same_images(pack, tmp_path):
    with tarfile.open(pack.shards[0]) as tar:
        assert [(member.name, tar.extractfile(member).read()) for member in tar] == FILES[: len(tar.getnames())]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write_pack(tmp_path, FILES, shard_bytes=30_000)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_no_images_make_no_shard(tmp_path):
    assert len(Pack(tmp_path, write_pack(tmp_path, []))) == 0


def test_a_shard_that_was_cut_gives_what_is_left_and_one_that_is_gone_says_so(pack):
    first, last = places(pack)[1], places(pack)[-1]
    pack.shards[0].write_bytes(pack.shards[0].read_bytes()[: first.start + 100])
    assert first.read_bytes() == FILES[1][1][:100]
    pack.shards[-1].unlink()
    with pytest.raises(FileNotFoundError):
        last.read_bytes()


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(path.read_bytes()[:-1]), lambda path: path.unlink()])
def test_an_index_that_is_not_the_one_that_was_written_is_refused(tmp_path, spoil):
    stated = write_pack(tmp_path, FILES)
    spoil(tmp_path / INDEX)
    with pytest.raises(PackError, match=r"index\.parquet is missing or damaged: "):
        Pack(tmp_path, stated)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("shard", -1),
        ("shard", 7),
        ("start", -512),
        ("start", 1 << 62),
        ("size", -1),
        ("size", 1 << 50),
        ("start", None),
    ],
)
def test_a_place_outside_the_shards_is_refused(tmp_path, column, value):
    stated = write_pack(tmp_path, [("a.png", b"one"), ("b.png", b"two")])
    table = pq.read_table(tmp_path / INDEX)
    changed = pa.array([value, table[column][1].as_py()], table.schema.field(column).type)
    _rewrite(tmp_path, table.set_column(table.schema.get_field_index(column), column, changed), stated)
    with pytest.raises(PackError, match="index"):
        Pack(tmp_path, stated)


@pytest.mark.parametrize("name", ["/etc/passwd", "../000000.tar", "x/000000.tar", "000000.tar\n", 7])
def test_a_name_that_is_no_shards_is_refused(tmp_path, name):
    stated = write_pack(tmp_path, [("a.png", b"one")])
    table = pq.read_table(tmp_path / INDEX)
    _rewrite(tmp_path, table.replace_schema_metadata({"shards": json.dumps([name])}), stated)
    with pytest.raises(PackError, match="no name of a shard"):
        Pack(tmp_path, stated)


def _rewrite(folder, table, stated):
    pq.write_table(table, folder / INDEX)
    stated["index"] = hashlib.sha256((folder / INDEX).read_bytes()).hexdigest()


def test_a_pipe_in_the_place_of_a_shard_is_not_waited_for(tmp_path):
    made = Pack(tmp_path, write_pack(tmp_path, [("a.png", b"one")]))
    made.shards[0].unlink()
    os.mkfifo(made.shards[0])
    with pytest.raises(OSError, match="no regular file"):
        made.file(0, "a.png").read_bytes()
