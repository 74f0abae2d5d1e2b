"""A run knows the very tables that it was made from; a data set that was rewritten since is named, and nothing is computed."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tomli_w

from filterscope.jobs.config.audit import load_config
from filterscope.jobs.runs.audit import audit
from filterscope.jobs.runs.doctor import examine, repair
from filterscope.pipeline.datasets.layout import MANIFEST, Dataset
from filterscope.pipeline.engine.errors import InputError, RunError
from tests import planted
from tests.planted import PLANTED


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., bool]:
    """Return what audits the planted data by the given settings, and tells whether there was anything to do."""
    planted.write_dataset(tmp_path / "data")
    settings = {"models": [PLANTED], "layers": "1", "quantile": 0.05, "min_images": 3, "actors": 0}
    places = {"data": tmp_path / "data", "out": tmp_path / "run"}

    def asked(**more: object) -> bool:
        return audit(load_config(**{**settings, **places, "methods": "dissection", **more}))

    assert asked()
    return asked


def as_before(run: Path, data: Path) -> None:
    """Have a run and its data set note what those of earlier versions did."""
    stated = tomllib.loads((run / "run.toml").read_text())
    stated["files"] = {path: of for path, of in stated["files"].items() if not path.endswith(".parquet")}
    (run / "run.toml").write_text(tomli_w.dumps(stated))
    manifest = json.loads((data / MANIFEST).read_text())
    del manifest["tables"]
    (data / MANIFEST).write_text(json.dumps(manifest))
    stated["files"][str(data / MANIFEST)] = [(data / MANIFEST).stat().st_size, (data / MANIFEST).stat().st_mtime_ns]
    (run / "run.toml").write_text(tomli_w.dumps(stated))


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("table", ["segments", "concepts", "images"])
def test_a_rewritten_table_is_named_whatever_is_asked(
    ask: Callable[..., bool], tmp_path: Path, table: str, earlier: bool
) -> None:
    run, data = tmp_path / "run", tmp_path / "data"
    if earlier:
        as_before(run, data)
    assert not ask()
    whole = pq.read_table(data / f"{table}.parquet")
    pq.write_table(whole.slice(0, whole.num_rows - 1), data / f"{table}.parquet")
    for more in ({}, {"layers": "0"}, {"methods": "dissection,stability"}):
        with pytest.raises(InputError, match=rf"was changed after it was imported: .*{table}\.parquet.*put back"):
            ask(**more)
    assert data / f"{table}.parquet" in {problem.path for problem in examine(run)}
    pq.write_table(whole, data / f"{table}.parquet")
    ask()
    assert not ask()
    assert examine(run) == []
    assert ask(methods="dissection,stability")


def test_a_repair_computes_nothing_from_a_rewritten_table(ask: Callable[..., bool], tmp_path: Path) -> None:
    run, data = tmp_path / "run", tmp_path / "data"
    segments = pq.read_table(data / "segments.parquet")
    pq.write_table(segments.slice(1), data / "segments.parquet")
    next((run / "masks").rglob("*.arrow")).unlink()
    with pytest.raises((InputError, RunError), match=r"segments\.parquet"):
        repair(run, [problem for problem in examine(run) if problem.ours])


def test_out_of_range_numbers_are_refused_before_any_work(ask: Callable[..., bool], tmp_path: Path) -> None:
    data = tmp_path / "data"
    segments = pq.read_table(data / "segments.parquet")
    concept = segments["concept"].to_pylist()
    concept[2] = 10**6
    changed = segments.set_column(1, segments.schema.field("concept"), pa.array(concept, pa.int32()))
    pq.write_table(changed, data / "segments.parquet")
    manifest = json.loads((data / MANIFEST).read_text())
    del manifest["tables"]
    (data / MANIFEST).write_text(json.dumps({**manifest, "identity": Dataset(data).content}))
    with pytest.raises(
        InputError, match=r"segments\.parquet, row 2: concept is 1000000: concepts are numbered 1 to \d+ "
    ):
        ask(out=tmp_path / "another")
    assert not (tmp_path / "another" / "ledger").exists()
