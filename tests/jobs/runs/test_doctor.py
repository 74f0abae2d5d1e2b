"""The doctor finds every kind of damage, says what it means, and repairs by computing that again."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from filterscope.jobs.cli.main import main
from filterscope.jobs.runs.doctor import examine
from tests import planted
from tests.audits import assert_same
from tests.planted import PLANTED

SETTINGS = {"models": [PLANTED], "layers": "1", "quantile": 0.05, "min_images": 3, "image_block": 4, "unit_block": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted") / "data"
    planted.write_dataset(folder)
    return folder


@pytest.fixture(scope="module")
def healthy(audited, data):
    return audited(data=data, **SETTINGS, metrics="dissection,significance")


def doctor(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(["doctor", *map(str, arguments)])
    return stop.value.code or 0


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def changed(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))


def test_a_healthy_run_has_no_problems(healthy, capsys):
    assert doctor(healthy) == 0
    assert capsys.readouterr().out == f"{healthy}: 0 problems\n"


def test_a_data_set_whose_tables_were_edited_is_told(audited, tmp_path, capsys):
    data = tmp_path / "data"
    planted.write_dataset(data)
    run = audited(data=data, **SETTINGS, actors=0)
    segments = pq.read_table(data / "segments.parquet")
    pq.write_table(segments.slice(1), data / "segments.parquet")
    assert doctor(run, "--repair") == 1
    told = capsys.readouterr().out
    assert f"{data / 'segments.parquet'}: the table is not the one that was audited" in told
    assert told.endswith(f"{run}: 1 problem\n")
    pq.write_table(segments, data / "segments.parquet")
    assert doctor(run) == 0


def test_a_run_whose_data_set_is_elsewhere_is_looked_at_without_it(audited, tmp_path, capsys):
    data = tmp_path / "data"
    planted.write_dataset(data)
    run = audited(data=data, **SETTINGS, actors=0)
    data.rename(tmp_path / "elsewhere")
    capsys.readouterr()
    assert doctor(run) == 0
    assert capsys.readouterr().err == f"the data set is not at {data}; its images were not looked at\n"


def test_damage_is_found_explained_and_repaired(healthy, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(healthy, run)
    shards = sorted((run / "activations.zarr").rglob("c/*/0/0/0"))
    parts = sorted((run / "tables").rglob("units-*.parquet"))
    markers = sorted((run / "ledger" / "dissect").rglob("*.json"))
    by_table = {path.relative_to(run / "tables").parts[0]: path for path in parts}
    cut(shards[0])
    shards[1].unlink()
    cut(by_table["units"])
    by_table["thresholds"].unlink()
    changed(sorted((run / "masks").rglob("*.arrow"))[0], 200)
    cut(sorted((run / "null").rglob("*.npz"))[0])
    markers[0].write_text("{")
    lost = by_table["unit_concept"].with_name("units-000900.parquet")
    lost.write_bytes(b"PAR1")
    draft = run / "tables" / "units" / ".units-000000.parquet.4711"
    draft.write_bytes(b"PA")
    draft_of_zarr = next(path for path in (run / "maxima.zarr").rglob("*") if path.is_file()).with_name(
        f"0.{'0f' * 16}.partial"
    )
    draft_of_zarr.write_bytes(b"\0")
    assert doctor(run) == 1
    printed = capsys.readouterr().out
    for what in (
        "0/0/0/0: the file cannot be read",
        "1/0/0/0: the file is missing, and its marker says it was written (extract/planted/1/images-000004)",
        "the file is not the one that was written (dissect/planted/1/",
        "thresholds/model=planted/layer=1/units-000002.parquet: the file is missing",
        ".arrow: the file is not the one that was written (masks/",
        "units-000000.npz: the file is cut off (null/planted/1/units-000000)",
        "the marker is damaged (dissect/planted/1/units-000000)",
        "units-000900.parquet: the file has no marker",
        ".units-000000.parquet.4711: the file is a draft",
        ".partial: the file is a draft",
    ):
        assert what in printed
    assert f"{run}: {len(examine(run))} problems" in printed
    assert doctor(run, "--repair") == 0
    assert examine(run) == []
    assert_same(healthy, run)
    assert not lost.exists()
    assert not draft.exists()
    assert not draft_of_zarr.exists()


def test_only_what_is_damaged_is_computed_again(healthy, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(healthy, run)
    before = {path: path.stat().st_mtime_ns for path in (run / "ledger").rglob("*.json")}
    cut(sorted((run / "tables" / "units").rglob("units-*.parquet"))[0])
    assert doctor(run, "--repair") == 0
    again = {json.loads(path.read_bytes())["key"] for path, then in before.items() if path.stat().st_mtime_ns != then}
    assert again == {"dissect/planted/1/units-000000"}
    assert_same(healthy, run)


@pytest.mark.parametrize("settings", [{"keep_activations": False}, {"store": "none"}])
def test_maxima_are_looked_at_though_the_maps_are_gone(settings, audited, data, tmp_path):
    run = audited(out=tmp_path / "run", data=data, **SETTINGS, **settings, actors=0)
    assert examine(run) == []
    block = sorted((run / "maxima.zarr").rglob("c/*/0"))[0]
    held = block.read_bytes()
    block.unlink()
    (missing,) = examine(run)
    assert (missing.path, missing.what) == (block, "the file is missing, and its marker says it was written")
    block.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
    (damaged,) = examine(run)
    assert (damaged.path, damaged.what) == (block, "the file is not the one that was written")
    block.write_bytes(held)
    assert examine(run) == []


@pytest.mark.parametrize("table", ["views", "models", "layers"])
def test_a_table_of_what_the_run_is_about_is_missed_and_written_again(healthy, tmp_path, capsys, table):
    run = tmp_path / "run"
    shutil.copytree(healthy, run)
    [path] = (run / "tables" / table).rglob("*.parquet")
    path.unlink()
    [problem] = examine(run)
    assert (problem.path, problem.key) == (path, None)
    assert doctor(run) == 1
    assert f"{path.relative_to(run)}: the file is missing" in capsys.readouterr().out
    assert doctor(run, "--repair") == 0
    assert examine(run) == []
    [first] = (healthy / "tables" / table).rglob("*.parquet")
    assert path.read_bytes() == first.read_bytes()
