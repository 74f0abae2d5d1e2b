"""Outputs are on the disk before the marker that promises them is."""

import os
from pathlib import Path

import pytest

from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.tables import plan_table_paths
from filterscope.pipeline.stores import places
from tests import planted
from tests.audits import audit_here
from tests.planted import PLANTED

SETTINGS = {"models": [PLANTED], "layers": "1", "quantile": 0.05, "min_images": 3, "image_block": 4, "unit_block": 2}


@pytest.fixture
def recorded(monkeypatch):
    """What is handed to the disk, and put in place, in order."""
    events, fsync, replace = [], os.fsync, os.replace

    def syncing(file):
        number = file if isinstance(file, int) else file.fileno()
        events.append(("fsync", os.readlink(f"/proc/self/fd/{number}")))
        fsync(file)

    def replacing(source, target):
        events.append(("replace", str(source), str(target)))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(os, "replace", replacing)
    return events


def test_every_output_is_on_the_disk_before_its_marker(tmp_path, recorded):
    planted.write_dataset(tmp_path / "data")
    run = RunFolder(audit_here(tmp_path / "run", data=tmp_path / "data", **SETTINGS, metrics="dissection"))
    handed, markers = set(), {}
    for place, event in enumerate(recorded):
        if event[0] == "fsync":
            handed.add(Path(event[1]))
        elif run.ledger.folder in Path(event[2]).parents:
            # the marker itself is on the disk before it gets its name, or a loss of power could leave it empty
            assert ("fsync", event[1]) in recorded[:place]
            markers[Path(event[2])] = handed.copy()
    stages, outputs = Stages(run.plan()), set()
    for stage in stages.all():
        for key in stage.keys:
            checksums = run.ledger.record(key)["checksums"]
            for artifact in stages.kind(stage.name).writes:
                files = set(artifact.files(run.path, key.place, checksums).values())
                assert files | {path.parent for path in files} <= markers[run.ledger.path(key)], key.text
                outputs |= files
    assert len(markers) == len(list(run.ledger.folder.rglob("*.json")))
    arrays = set(run.path.rglob("zarr.json"))
    assert len(arrays) == 2
    assert arrays | set(plan_table_paths(run.plan())) <= handed
    unpromised = {path for path in run.path.rglob("*.*") if path.is_file()} - outputs - markers.keys() - handed
    assert {path.name for path in unpromised} <= {"run.toml", "journal.jsonl", "ray.log", ".attempts"} | {
        path.name for path in (run.path / "tables" / "runs").iterdir()
    }


def test_folders_that_were_made_are_on_the_disk_with_their_files(tmp_path, recorded):
    with places.durable():
        places.write_atomically(tmp_path / "a" / "b" / "file", b"1")
        assert not [event for event in recorded if event[0] == "fsync"]
    synced = {Path(event[1]) for event in recorded if event[0] == "fsync"}
    assert synced == {tmp_path / "a" / "b" / "file", tmp_path / "a" / "b", tmp_path / "a", tmp_path}


def test_a_file_that_tells_of_others_is_on_the_disk_before_it_has_its_name(tmp_path, recorded):
    places.write_atomically(tmp_path / "marker", b"1")
    (synced, draft), (replaced, source, target) = recorded
    assert (synced, replaced, draft, target) == ("fsync", "replace", source, str(tmp_path / "marker"))


def test_a_file_that_is_removed_again_is_not_missed(tmp_path):
    with places.durable():
        places.write_atomically(tmp_path / "file", b"1")
        (tmp_path / "file").unlink()


def test_a_disk_that_cannot_keep_a_file_is_told(tmp_path, monkeypatch):
    def failing(file):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="Input/output error"), places.durable():
        places.write_atomically(tmp_path / "file", b"1")
