"""Which marker a reader goes by, among those that it listed before."""

import hashlib
import json

import pytest

from filterscope.pipeline.stores.promises import DamagedError, Promise


def finish(run, block, **files):
    """Write the files of a piece of work and its marker."""
    folder = run / "ledger" / "concepts"
    folder.mkdir(parents=True, exist_ok=True)
    stated = {}
    for name, data in files.items():
        (run / f"{block}-{name}").write_bytes(data)
        stated[name] = hashlib.sha256(data).hexdigest()
    (folder / f"{block}.abc.json").write_text(json.dumps({"checksums": stated}))


def read(run, block):
    return bytes(Promise(run, ("concepts",), (block,)).read("labels", run / f"{block}-labels"))


@pytest.mark.parametrize(("first", "second"), [("squash-16", "squash-32"), ("images-000000", "images-000064")])
def test_work_finished_since_the_markers_were_listed_is_known(tmp_path, first, second):
    finish(tmp_path, first, labels=b"16")
    assert read(tmp_path, first) == b"16"
    finish(tmp_path, second, labels=b"32")
    assert read(tmp_path, second) == b"32"
    (tmp_path / f"{second}-labels").write_bytes(b"16 ")
    with pytest.raises(DamagedError, match=f"{second}-labels, an output of concepts/{second}, is not the file"):
        read(tmp_path, second)


def test_the_nearest_work_before_speaks_for_blocks_alone(tmp_path):
    """A span of blocks is named by its first; masks of another size are no part of it."""
    finish(tmp_path, "images-000000", labels=b"a span")
    finish(tmp_path, "squash-16", labels=b"16")
    (tmp_path / "images-000064-labels").write_bytes(b"another")
    with pytest.raises(DamagedError):
        read(tmp_path, "images-000064")
    (tmp_path / "squash-32-labels").write_bytes(b"without a marker")
    assert read(tmp_path, "squash-32") == b"without a marker"
