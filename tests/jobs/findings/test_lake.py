"""The tables of a run in Iceberg, Delta and Lance: the same rows, added once, whatever is exported again."""

import importlib.util
import shutil

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from filterscope import schemas
from filterscope.jobs.cli.main import main
from filterscope.jobs.findings.lake import DIGEST, PACKAGES, RUN, exported_tables
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.run.folder import RunFolder
from filterscope.schemas.results import TABLES
from tests.audits import audit_here, unpromised
from tests.planted import PLANTED, write_dataset

#: Tables that are read back: numbers without sign, lists of structs, bytes, and nothing but words.
READ = ("units", "unit_image", "top_images", "concepts", "models")


def needs(to):
    missing = importlib.util.find_spec(PACKAGES[to]) is None
    return pytest.param(to, marks=pytest.mark.skipif(missing, reason=f"the extra {to} is not installed"))


FORMATS = [needs(to) for to in PACKAGES]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("lake")
    write_dataset(place / "data", images=6, seed=0, names=("red", "grey", "striped"))
    return audit_here(place / "run", data=place / "data", models=[PLANTED], layers="1", quantile=0.05, min_images=2)


def read(to, out, name):
    """Return a table of a lake as its own reader gives it."""
    if to == "delta":
        return pl.read_delta(str(out / name))
    if to == "lance":
        import lance

        return pl.from_arrow(lance.dataset(str(out / f"{name}.lance")).to_table())
    return pl.from_arrow(iceberg(out, name).scan().to_arrow())


def iceberg(out, name):
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog("filterscope", uri=f"sqlite:///{out / 'catalog.db'}", warehouse=out.as_uri())
    return catalog.load_table(("filterscope", name))


def commits(to, out, name):
    """Return how many commits a table of a lake has had that added rows."""
    if to == "delta":
        from deltalake import DeltaTable

        return len(DeltaTable(str(out / name)).history())
    if to == "lance":
        import lance

        return len(lance.dataset(str(out / f"{name}.lance")).versions())
    return len(iceberg(out, name).snapshots())


@pytest.mark.parametrize("to", FORMATS)
def test_a_lake_holds_the_rows_of_the_run_and_exporting_again_adds_nothing(run, tmp_path, to):
    found = exported_tables(run, to, tmp_path)
    written = {name for name in TABLES if schemas.scan(run, name).collect().height}
    assert set(found.filter(done="added")["table"]) == written
    identity = RunFolder(run).identity
    for name in READ:
        there, here = read(to, tmp_path, name), schemas.scan(run, name).collect()
        assert set(there[RUN]) == {identity}
        assert there[DIGEST].n_unique() == 1
        assert_frame_equal(there.drop(RUN, DIGEST), here, check_dtypes=False, check_row_order=False)
        assert commits(to, tmp_path, name) == 1
    shutil.copytree(run, tmp_path / "moved")  # a run that lies elsewhere is the same
    again = exported_tables(tmp_path / "moved", to, tmp_path)
    assert again.filter(pl.col("done") == "added").is_empty()
    assert (
        again.filter(done="there already")
        .select("table", "rows")
        .equals(found.filter(done="added").select("table", "rows"))
    )
    assert all(commits(to, tmp_path, name) == 1 for name in READ)


@pytest.mark.parametrize("to", FORMATS)
def test_an_export_that_stopped_half_way_adds_what_is_missing(run, tmp_path, to, monkeypatch):
    from filterscope.jobs.findings import lake

    kind, wrote = lake._LAKES[to], []

    class Stopping(kind):
        def write(self, name, rows, replacing):
            if len(wrote) == 3:
                raise KeyboardInterrupt
            wrote.append(name)
            super().write(name, rows, replacing)

    monkeypatch.setitem(lake._LAKES, to, Stopping)
    with pytest.raises(KeyboardInterrupt):
        exported_tables(run, to, tmp_path)
    monkeypatch.undo()
    found = exported_tables(run, to, tmp_path)
    assert set(found.filter(done="there already")["table"]) == set(wrote)
    assert read(to, tmp_path, "units").height == schemas.scan_units(run).collect().height


@pytest.mark.parametrize("to", FORMATS)
def test_runs_lie_side_by_side_and_one_that_changed_is_replaced_or_refused(run, tmp_path, to):
    other = unpromised(shutil.copytree(run, tmp_path / "other"))
    exported_tables(run, to, tmp_path)
    (file,) = (other / "tables" / "units").rglob("*.parquet")
    pl.read_parquet(file).with_columns(iou=pl.lit(0.5)).write_parquet(file)
    if to == "lance":
        with pytest.raises(InputError, match="cannot replace them in one commit"):
            exported_tables(other, to, tmp_path)
        assert read(to, tmp_path, "units")["iou"].to_list() != [0.5] * 3
        return
    found = exported_tables(other, to, tmp_path)
    assert found.filter(done="replaced")["table"].to_list() == ["units"]
    assert read(to, tmp_path, "units")["iou"].to_list() == [0.5] * 3


@pytest.mark.parametrize("to", FORMATS)
def test_another_run_is_added_beside_the_first(run, tmp_path, to):
    audited = RunFolder(run).plan()
    other = audit_here(tmp_path / "other", data=audited.data, models=[PLANTED], layers="0", quantile=0.05, min_images=2)
    for each in (run, other, run):
        exported_tables(each, to, tmp_path)
    assert read(to, tmp_path, "units").group_by(RUN, "layer").len().sort("layer")["layer"].to_list() == ["0", "1"]
    assert commits(to, tmp_path, "units") == 2


def test_the_verb_says_what_it_lacks(run, tmp_path, capsys, monkeypatch):
    def said(*more):
        with pytest.raises(SystemExit) as stop:
            main(["export", str(run), *more])
        assert stop.value.code == 2
        return " ".join(capsys.readouterr().err.split())

    assert "either --graph CATEGORY or --to iceberg, delta or lance" in said()
    assert "either --graph" in said("--graph", "bird", "--to", "delta")
    assert "needs --out FOLDER" in said("--to", "delta")
    assert "takes no option of a graph" in said("--to", "delta", "--out", str(tmp_path), "--surviving")
    assert "formats are iceberg, delta, lance. Did you mean 'iceberg'?" in said(
        "--to", "icberg", "--out", str(tmp_path)
    )
    (tmp_path / "file").touch()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install 'filterscope[lance]'" in said("--to", "lance", "--out", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    assert "a folder of this machine" in said("--to", "lance", "--out", "s3://bucket/lake")
    assert "is a file; give a folder" in said("--to", "lance", "--out", str(tmp_path / "file"))
