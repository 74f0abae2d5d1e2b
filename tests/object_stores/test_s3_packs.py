"""Packed data sets in an object store that is busy, slow and loses connections: few requests, the same tables."""

import numpy as np
import pytest

from filterscope.jobs.config.audit import load_config
from filterscope.jobs.runs.audit import audit
from filterscope.jobs.runs.status import print_status, run_status
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.datasets.packing import pack
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.stores.packs import INDEX
from filterscope.pipeline.views.decode import decode
from filterscope.pipeline.views.geometry import Geometry
from filterscope.schemas import opening
from filterscope.schemas.retries import TRIES, retries
from tests import planted
from tests.audits import assert_same
from tests.object_stores.flaky import Flaky
from tests.object_stores.server import new_bucket, upload
from tests.object_stores.test_s3_runs import settings

IMAGES, BLOCK = 1000, 64


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """A data set, and a run on a file system."""
    folder = tmp_path_factory.mktemp("local")
    planted.write_dataset(folder / "data")
    audit(load_config(**settings(folder), metrics="dissection"))
    return folder


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A thousand small images."""
    folder = tmp_path_factory.mktemp("many") / "data"
    planted.write_dataset(folder, images=IMAGES)
    return Dataset(folder)


@pytest.fixture
def through(monkeypatch):
    """Return what sends all requests of the test through a proxy."""

    def send(flaky):
        monkeypatch.setenv("AWS_ENDPOINT_URL", flaky.address)
        opening.store_of.cache_clear()

    yield send
    opening.store_of.cache_clear()


def read(dataset, paths=None):
    geometry = Geometry("squash", (8, 8), 0, "bilinear")
    files = dataset.files(range(dataset.rows("images")))
    digests = dataset.images["sha256"].to_pylist()
    blocks = range(0, len(files), BLOCK)
    return np.concatenate(
        [decode(files[n : n + BLOCK], geometry, digests=digests[n : n + BLOCK]).pixels for n in blocks]
    )


def test_a_thousand_images_are_some_requests(server, many, through, capsys):
    bucket = new_bucket(server)
    packed = pack(many.folder, bucket / "data", shard_bytes=300_000)
    assert len(packed.pack.shards) > 2
    with Flaky(server) as proxy:
        through(proxy)
        assert np.array_equal(read(Dataset(bucket / "data")), read(many))
    count = sum(proxy.requests.values())
    with capsys.disabled():
        print(f"\n{IMAGES} images from {len(packed.pack.shards)} shards, in blocks of {BLOCK}: {count} requests")
    assert count <= 20


@pytest.mark.slow
def test_an_audit_of_a_store_that_fails_finds_the_same_and_tells_what_was_repeated(
    server, local, through, monkeypatch, capsys
):
    """Every seventh request is refused, every eleventh late, and of every thirteenth the answer is lost."""
    bucket = new_bucket(server)
    pack(local / "data", bucket / "data")
    monkeypatch.setattr("filterscope.schemas.retries.FIRST", 0.01)
    before = retries()
    busy, late, lost = lambda n, _: n % 7 == 3, lambda n, _: 0.2 * (n % 11 == 5), lambda n, _: n % 13 == 7
    with Flaky(server, busy, late, lost) as proxy:
        through(proxy)
        audit(load_config(**settings(bucket), metrics="dissection"))
        rows = run_status(bucket / "run")
        print_status(bucket / "run")
        again, failed = retries() - before, sum(proxy.failed.values())
        assert_same(bucket / "run", local / "run")
    assert min(proxy.failed.values()) > 5
    told = sum(row["retries"] for row in rows)
    assert f"{told} requests to the object store were sent again" in capsys.readouterr().out
    assert 0 < told <= again <= failed
    assert all(row["rejects"] == 0 for row in rows)


@pytest.mark.slow
def test_what_a_store_refuses_for_long_stops_the_run_and_is_no_reject(server, local, through, monkeypatch):
    bucket = new_bucket(server)
    pack(local / "data", bucket / "data")
    monkeypatch.setattr("filterscope.schemas.retries.FIRST", 0.001)
    begun, well = [], []

    def busy(_, path):
        begun.extend([path] * ("/.attempts/extract" in path))
        return path.endswith(".tar") and bool(begun) and not well

    with Flaky(server, busy) as proxy:
        through(proxy)
        with pytest.raises(RunError, match=r"stopped: the object store refused read_range of .*: SlowDown"):
            audit(load_config(**settings(bucket), metrics="dissection"))
        assert proxy.failed["busy"] == TRIES
        well.append(True)
        audit(load_config(**settings(bucket), metrics="dissection"))
        assert_same(bucket / "run", local / "run")


@pytest.mark.slow
def test_a_shard_that_was_cut_or_is_gone_is_named(server, local):
    bucket = new_bucket(server)
    packed = pack(local / "data", bucket / "data")
    [shard] = packed.pack.shards
    whole = shard.read_bytes()
    shard.write_bytes(whole[:600])
    with pytest.raises(RunError, match=r"000000\.tar#images/.*SHA-256 differs"):
        audit(load_config(**settings(bucket), metrics="dissection"))
    shard.unlink()
    with pytest.raises(InputError, match=r"000000\.tar of the data set is gone"):
        audit(load_config(**{**settings(bucket), "out": bucket / "other"}, metrics="dissection"))
    upload(local / "data", bucket / "plain")
    (bucket / "data" / INDEX).unlink()
    with pytest.raises(InputError, match=r"index\.parquet is missing or damaged"):
        audit(load_config(**{**settings(bucket), "out": bucket / "other"}, metrics="dissection"))
