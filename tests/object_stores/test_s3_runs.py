"""Runs and data sets on an object store: the tables are those of a run on a file system, value for value."""

import json

import pytest

from filterscope import schemas
from filterscope.jobs.config.audit import load_config
from filterscope.jobs.findings.query import query
from filterscope.jobs.runs.audit import audit
from filterscope.jobs.runs.doctor import examine, repair
from filterscope.jobs.runs.status import run_status
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.datasets.sequences import sequence_note
from filterscope.pipeline.engine.errors import RunError
from tests import planted
from tests.audits import assert_same, audit_here
from tests.object_stores.server import new_bucket, upload
from tests.planted import PLANTED, videos
from tests.planted.dots import GRAPH, write_animals
from tests.planted.videos import write_video


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """A data set and a run on a file system."""
    folder = tmp_path_factory.mktemp("local")
    planted.write_dataset(folder / "data")
    return folder


@pytest.fixture(scope="module")
def store(server, local):
    """A bucket with the data set."""
    bucket = new_bucket(server)
    upload(local / "data", bucket / "data")
    return bucket


def settings(place):
    return {
        "data": place / "data",
        "out": place / "run",
        "models": [PLANTED],
        "layers": "1",
        "quantile": 0.05,
        "min_images": 3,
        "image_block": 4,
        "unit_block": 2,
        "batch_size": 2,
        "actors": 0,
    }


@pytest.fixture(scope="module")
def runs(local, store):
    for place in (local, store):
        audit(load_config(**settings(place), metrics="dissection,significance,stability,anchorings"))
    return local / "run", store / "run"


def test_a_run_on_an_object_store_finds_what_one_on_disk_finds(runs):
    local, remote = runs
    assert_same(remote, local)
    for name in ("unit_significance", "layer_significance", "label_stability", "unit_anchorings", "concepts", "views"):
        frame = schemas.scan(str(remote), name).collect()
        assert frame.height > 0
        assert frame.equals(schemas.scan(local, name).collect()), name


def test_a_finished_run_is_recognised_read_and_reported(runs, local, store, tmp_path):
    from filterscope.jobs.report.site import write_report
    from filterscope.pipeline.engine.errors import InputError

    _, remote = runs
    given = load_config(**settings(store), metrics="dissection,significance,stability,anchorings")
    assert not audit(given)
    assert all(row["left"] == 0 for row in run_status(remote))
    assert query(remote, "select count(*) as n from units")["n"][0] == 3
    with pytest.raises(InputError, match="--out"):
        write_report(remote)


def test_what_a_store_lost_is_found_and_computed_again(local, store, runs):
    place = store / "lost"
    given = settings(store) | {"out": place, "metrics": "dissection"}
    audit(load_config(**given))
    assert not examine(place)
    torn = next(place.joinpath("tables", "units").rglob("*.parquet"))
    torn.write_bytes(torn.read_bytes()[:-10])
    lost = next(place.joinpath("activations.zarr", "planted", "1", "c").rglob("*"))
    lost.unlink()
    problems = examine(place)
    assert {problem.path for problem in problems} == {torn, lost}
    repair(place, problems)
    assert not examine(place)
    assert_same(place, runs[0])


@pytest.mark.slow
def test_graphs_locations_and_patterns_are_the_same_on_a_store(server, tmp_path):
    write_animals(tmp_path / "data")
    bucket = new_bucket(server)
    upload(tmp_path / "data", bucket / "data")
    asked = GRAPH | {"metrics": "graph,pattern-positions,location,patterns", "quantile": 0.02}
    runs = [audit_here(place / "run", data=place / "data", **asked) for place in (tmp_path, bucket)]
    written = {path.relative_to(runs[0] / "tables").parts[0] for path in (runs[0] / "tables").rglob("*.parquet")}
    assert written >= {"graph_edges", "node_positions", "pattern_positions", "unit_patterns", "location_instability"}
    for name in written - {"runs"}:  # when each was made
        local, remote = (schemas.scan(run, name).collect() for run in runs)
        assert remote.equals(local), name


def test_frames_on_a_store_are_told_of_as_on_disk(server, tmp_path):
    data = write_video(tmp_path / "data", videos.shaken(6, 10))
    bucket = new_bucket(server)
    upload(data.folder, bucket / "data")
    note = sequence_note(Dataset(bucket / "data"))
    assert note is not None
    assert note == sequence_note(data)


def test_the_journal_has_every_unit(runs):
    lines = [json.loads(line) for line in (runs[1] / "journal.jsonl").read_text().splitlines()]
    assert lines[0]["event"] == "run begun"
    assert lines[-1]["event"] == "run done"
    done = [line["key"] for line in lines if line["event"] == "work done"]
    assert len(done) == len(set(done)) == sum(1 for _ in (runs[1] / "ledger").rglob("*.json"))


def test_ignored_pixels_are_read_from_a_store_as_from_a_folder(bucket, tmp_path):
    planted.write_shapes(tmp_path / "data", images=12, seed=5, ignore=0.5)
    upload(tmp_path / "data", bucket / "data")
    assert Dataset(bucket / "data").rows("ignored") > 0
    assert Dataset(bucket / "data").content == Dataset(tmp_path / "data").identity
    for place in (tmp_path, bucket):
        audit(load_config(**{**settings(place), "min_images": 2}, metrics="dissection"))
    assert_same(tmp_path / "run", bucket / "run")


@pytest.mark.slow
def test_a_damaged_object_stops_who_reads_it_and_is_repaired(local, store, runs):
    """Every chunk and file is checked where it lies: nothing of a store is taken on trust."""
    run = store / "damaged"
    once = {**settings(store), "out": run}
    audit(load_config(**once, metrics="dissection"))
    shard = run / "activations.zarr" / "planted" / "1" / "c" / "0" / "0" / "0" / "0"
    mask = next(path for path in (run / "masks").rglob("*.arrow"))
    table = run / "tables" / "thresholds" / "model=planted" / "layer=1" / "units-000000.parquet"
    asked = load_config(**once, metrics="dissection,stability")
    for path in (shard, mask, table):
        whole = path.read_bytes()
        for damaged in (bytes([whole[0] ^ 1]) + whole[1:], whole[:-9], None):
            path.unlink() if damaged is None else path.write_bytes(damaged)
            with pytest.raises(RunError, match=f"{path}, an output of .*`filterscope doctor {run} --repair`"):
                audit(asked)
            [problem] = examine(run)
            assert problem.path == path
        path.write_bytes(whole)
    shard.unlink()
    repair(run, examine(run))
    audit(asked)
    expected = schemas.scan(local / "run", "label_stability").collect()
    assert schemas.scan(str(run), "label_stability").collect().equals(expected)
