"""What the interface promises holds on a file system and in a bucket alike."""

import hashlib
import io
import mmap
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest

from filterscope.pipeline.engine.quiet import native_messages_to
from filterscope.pipeline.stores import places
from filterscope.pipeline.stores.places import ObjectPath


def seen(folder) -> set[str]:
    """Names in a folder, those of drafts left out."""
    return {name for name in places.listing(folder) if not name.startswith(".")}


@pytest.mark.parametrize("text", ["s3://bucket/a/b", "s3:/bucket/a/b"])
def test_an_address_leads_to_an_object_however_pathlib_wrote_it(text):
    assert places.path_of(text) == places.path_of(Path(text)) == ObjectPath("s3:", "bucket", "a", "b")
    assert str(places.path_of(text)) == "s3://bucket/a/b"
    assert not places.is_local(text)


def test_paths_become_absolute_and_addresses_stay(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert places.absolute("../a", tmp_path / "b") == tmp_path / "a"
    assert places.absolute("~/a", tmp_path / "b") == tmp_path / "home" / "a"
    assert places.absolute("/a", tmp_path) == Path("/a")
    assert str(places.absolute("s3://bucket/a", tmp_path)) == "s3://bucket/a"
    assert places.is_local(tmp_path)


def test_a_folder_that_is_not_there_lists_nothing(place):
    assert places.listing(place) == set()
    places.write_atomically(place / "one", b"1")
    places.write_atomically(place / "below" / "two", b"2")
    assert places.listing(place) == {"one", "below"}
    assert places.listing(place.parent) == {"folder"}


def test_a_file_is_in_place_when_it_is_whole(place):
    with places.open_writing(place / "file") as file:
        file.write(b"half")
        file.flush()
        assert "file" not in seen(place)
        file.write(b" and half")
        assert places.digest_of(file) == hashlib.sha256(b"half and half").hexdigest()
    assert places.listing(place) == {"file"}
    assert (place / "file").read_bytes() == b"half and half"


def test_a_file_that_was_not_finished_leaves_the_one_before(place):
    places.write_atomically(place / "file", b"before")
    with suppress(KeyboardInterrupt), places.open_writing(place / "file") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert places.listing(place) == {"file"}
    assert (place / "file").read_bytes() == b"before"
    places.write_atomically(place / "file", b"after")
    assert (place / "file").read_bytes() == b"after"


@pytest.mark.parametrize("content", [b"", b"content"])
def test_mapped_bytes_are_those_of_the_file_and_cannot_be_changed(place, content):
    places.write_atomically(place / "file", content)
    held = memoryview(places.read_mapped(place / "file"))
    assert bytes(held) == content
    assert held.readonly
    assert isinstance(held.obj, mmap.mmap) == (bool(content) and places.is_local(place))


def test_parts_of_a_file_are_read(place):
    places.write_atomically(place / "file", bytes(range(100)))
    with places.open_ranges(place / "file") as file:
        assert file.read_end(3) == bytes([97, 98, 99])
        assert file.read_range(10, 13) == bytes([10, 11, 12])
        assert file.read_range(7, 7) == b""


@pytest.mark.parametrize("read", [places.read_mapped, lambda path: path.read_bytes(), lambda path: path.stat()])
def test_a_file_that_is_missing_is_said_to_be(place, read):
    with pytest.raises(FileNotFoundError, match="file"):
        read(place / "file")
    with pytest.raises(FileNotFoundError, match="file"), places.open_ranges(place / "file") as file:
        file.read_end(3)
    assert not (place / "file").exists()


def test_readers_of_files_read_it(place):
    sink = io.BytesIO()
    pl.DataFrame({"a": [1, 2]}).write_parquet(sink)
    places.write_atomically(place / "one", sink.getvalue())
    places.write_atomically(place / "two", sink.getvalue())
    assert pl.read_parquet(places.readable(place / "one"))["a"].to_list() == [1, 2]
    found = places.scan_files([place / "two", place / "one"], include_file_paths="path").collect()
    assert found["a"].to_list() == [1, 2, 1, 2]
    assert [path[-3:] for path in found["path"]] == ["two", "two", "one", "one"]


def test_a_file_is_created_once(place):
    place.mkdir(parents=True)
    assert places.create(place / "lock", b"mine")
    assert not places.create(place / "lock", b"yours")
    assert places.listing(place) == {"lock"}
    assert (place / "lock").read_bytes() == b"mine"


def test_a_counter_goes_up_until_it_is_removed(place):
    assert [places.lengthen(place / "tries") for _ in range(3)] == [0, 1, 2]
    assert (place / "tries").stat().st_size == 3
    (place / "tries").unlink()
    assert places.lengthen(place / "tries") == 0


def test_many_count_on_a_file_system(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: places.lengthen(tmp_path / "tries"), range(400)))
    assert (tmp_path / "tries").stat().st_size == 400


def test_a_renewed_file_is_seen_to_be_another(place):
    assert places.see(place / "lock") is None
    places.write_atomically(place / "lock", b"mine")
    seen = places.see(place / "lock")
    assert seen == places.see(place / "lock")
    places.renew(place / "lock", b"MINE", seen)
    assert places.see(place / "lock") != seen
    assert places.see(place / "lock").data.lower() == b"mine"


def test_a_file_is_replaced_only_as_it_was_seen(place):
    places.write_atomically(place / "lock", b"theirs")
    seen = places.see(place / "lock")
    assert places.replace_seen(place / "lock", b"mine", seen)
    assert not places.replace_seen(place / "lock", b"too late", seen)
    places.write_atomically(place / "lock", b"theirs")  # the same words, written again
    now = places.see(place / "lock")
    assert (now == seen) == (not places.is_local(place))
    (place / "lock").unlink()
    assert not places.replace_seen(place / "lock", b"gone", now)
    assert places.listing(place) == set()


def test_of_many_that_replace_a_file_one_does(place):
    places.write_atomically(place / "lock", b"theirs")
    seen = places.see(place / "lock")
    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda n: places.replace_seen(place / "lock", b"%d" % n, seen), range(24)))
    assert sum(done) == 1
    assert (place / "lock").read_bytes() == b"%d" % done.index(True)
    assert places.listing(place) == {"lock"}


def test_all_under_a_folder_is_removed_and_nothing_beside_it(place):
    for name in ("one", "below/two"):
        places.write_atomically(place / name, b"")
    places.write_atomically(place.with_name("folder-beside") / "three", b"")
    places.remove_tree(place)
    places.remove_tree(place)
    assert not place.exists()
    assert places.listing(place.parent) == {"folder-beside"}


def test_lines_are_appended_to_those_of_before(place):
    place.mkdir(parents=True)
    for line in ("one\n", "zwölf\n"):
        file = places.open_appending(place / "journal")
        file.write(line)
        file.flush()
        file.close()
    assert (place / "journal").read_text(encoding="utf-8") == "one\nzwölf\n"


def test_a_descriptor_takes_what_native_libraries_write(place):
    with suppress(KeyboardInterrupt), places.open_native(place / "log") as file:
        os.write(file.fileno(), b"one\n")
        raise KeyboardInterrupt
    assert (place / "log").read_bytes() == b"one\n"
    with places.open_native(place / "log") as file:
        os.write(file.fileno(), b"two\n")
    # an object has no end to append to
    assert (place / "log").read_bytes() == (b"one\ntwo\n" if places.is_local(place) else b"two\n")


def test_native_messages_go_to_the_log_and_python_to_the_terminal(place, capfd):
    with native_messages_to(place / "ray.log"):
        subprocess.run([sys.executable, "-c", "import os; os.write(2, b'native')"], check=True)
        sys.stderr.write("ours")
    assert (place / "ray.log").read_bytes() == b"native"
    assert capfd.readouterr().err == "ours"


def test_free_space_is_of_the_disk_and_a_store_has_no_limit(tmp_path):
    free, folder = places.free_space(tmp_path / "not" / "there")
    assert folder == tmp_path
    assert 0 < free < 1 << 60
    assert places.free_space(places.path_of("s3://bucket/run")) is None


def test_what_a_store_refuses_is_told_without_its_answer(bucket):
    places.write_atomically(bucket / "file", b"content")
    with pytest.raises(places.StoreError) as told, places.open_ranges(bucket / "file") as file:
        file.read_range(100, 200)
    assert re.fullmatch(rf"the object store refused read_range of {bucket}/file: [^<>]+", str(told.value))
    with pytest.raises(FileNotFoundError, match="no object s3://no-such-bucket/file"):
        places.write_atomically(places.path_of("s3://no-such-bucket/file"), b"content")
