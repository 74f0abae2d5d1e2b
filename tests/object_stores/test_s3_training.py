"""Trainings in a run on an object store: the bits of one on disk, whose networks are copied to be opened."""

import hashlib

import pytest

from filterscope import schemas
from filterscope.jobs.config.train import asked_of
from filterscope.jobs.runs.doctor import examine, repair
from filterscope.jobs.runs.status import run_status
from filterscope.jobs.runs.train import train
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.spec import ModelSpec
from tests.object_stores.server import new_bucket, upload
from tests.planted.lessons import QUICK, write_lesson


def asked(data, **more):
    return asked_of("plain", data, {**QUICK, "epochs": 2}, seeds=1, **more)


def test_a_training_on_an_object_store_ends_in_the_bits_of_one_on_disk(server, tmp_path):
    data, bucket = write_lesson(tmp_path / "data"), new_bucket(server)
    upload(data, bucket / "data")
    assert train(asked(data), tmp_path / "run", actors=0)
    assert train(asked(bucket / "data"), bucket / "run", actors=0)
    assert not train(asked(bucket / "data"), bucket / "run", actors=0)
    local, remote = (place / "run" / "networks" / "plain-0.safetensors" for place in (tmp_path, bucket))
    assert hashlib.sha256(remote.read_bytes()).digest() == hashlib.sha256(local.read_bytes()).digest()
    tables = [
        schemas.scan(str(place / "run"), "training").drop("seconds").collect().sort("epoch", "split", "metric")
        for place in (tmp_path, bucket)
    ]
    assert tables[0].height == 8
    assert tables[0].equals(tables[1])
    assert all(row["left"] == 0 for row in run_status(bucket / "run"))
    with pytest.raises(InputError, match="networks are read from a file system; copy the run there and give its path"):
        ModelSpec(f"trained:{bucket / 'run' / 'plain-0'}")
    remote.unlink()
    found = examine(bucket / "run")
    assert [problem.path.name for problem in found] == ["plain-0.safetensors"]
    repair(bucket / "run", found)
    assert hashlib.sha256(remote.read_bytes()).digest() == hashlib.sha256(local.read_bytes()).digest()


def test_several_workers_need_a_file_system(server, tmp_path):
    bucket = new_bucket(server)
    with pytest.raises(InputError, match="--workers 2 needs a run folder that all workers see on a file system"):
        train(asked(write_lesson(tmp_path / "data"), workers=2), bucket / "run", actors=0)
