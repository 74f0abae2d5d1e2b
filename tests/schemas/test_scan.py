"""`scan_*` opens every table of a run, and takes what a user names literally."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filterscope import schemas
from filterscope.schemas.opening import files_under
from filterscope.schemas.results import SCANNED, TABLES

NAMES = ("run[1]", "run*", "r?n", "{run}", "run\\1", "[!a]", "**")


def value_of(kind: pa.DataType):
    if pa.types.is_struct(kind):
        return {field.name: value_of(field.type) for field in kind}
    if pa.types.is_list(kind):
        return [value_of(kind.value_type)] * 2
    if pa.types.is_timestamp(kind):
        return 1_700_000_000_000_000
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return "text" if pa.types.is_string(kind) else b"\x00\xff"
    return True if pa.types.is_boolean(kind) else 3


def write(folder: Path, name: str, **values) -> pa.Table:
    """Write a table of one row."""
    row = {field.name: value_of(field.type) for field in TABLES[name]} | values
    rows = pa.Table.from_pylist([row], schema=TABLES[name])
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, folder / "part.parquet")
    return rows


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_a_scan(tmp_path, name):
    scan = getattr(schemas, f"scan_{name}")
    assert scan(tmp_path).collect().is_empty()
    assert list(scan(tmp_path).collect().columns) == SCANNED[name].names
    rows = write(tmp_path / "tables" / name / "model=a", name)
    for run in (tmp_path, str(tmp_path)):
        assert scan(run).select(TABLES[name].names).collect().equals(pl.DataFrame(rows))
        assert scan(run).collect().equals(schemas.scan(run, name).collect())


def test_every_scan_is_listed_and_no_other():
    listed = {name.removeprefix("scan_") for name in dir(schemas) if name.startswith("scan_")}
    assert listed == {*TABLES, "layer"}
    assert set(schemas.__all__) <= set(dir(schemas))


def test_a_scan_of_no_table_names_the_nearest():
    with pytest.raises(AttributeError, match=r"no table 'unit_concepts'; did you mean scan_unit_concept\?"):
        schemas.scan_unit_concepts  # noqa: B018
    with pytest.raises(AttributeError, match=r"no table 'qqq'; tables are: models, layers"):
        schemas.scan_qqq  # noqa: B018
    with pytest.raises(AttributeError, match="has no attribute 'units'"):
        schemas.units  # noqa: B018
    for call in (schemas.scan, lambda run, name: schemas.scan_layer(run, name, "a", "b")):
        with pytest.raises(KeyError, match="no table 'unit'; tables are: models, layers"):
            call("run", "unit")


@pytest.mark.parametrize("name", NAMES)
def test_a_run_is_opened_under_its_own_name(tmp_path, name):
    # each pattern matches one of these
    for number, other in enumerate(("run1", "run", "rxn", "b")):
        write(tmp_path / other / "tables" / "units" / "model=a" / "layer=1", "units", unit=number)
    for run in (tmp_path / name, str(tmp_path / name)):
        assert schemas.scan_units(run).collect().is_empty()
    write(tmp_path / name / "tables" / "units" / "model=a" / "layer=1", "units", unit=100)
    for run in (tmp_path / name, str(tmp_path / name)):
        assert schemas.scan_units(run).collect()["unit"].to_list() == [100]
        assert schemas.scan_layer(run, "units", "a", "1").collect()["unit"].to_list() == [100]


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_is_opened_under_its_own_name(tmp_path, name):
    for number, other in enumerate(("run1", "run", "rxn", "b")):
        write(tmp_path / "tables" / "units" / f"model={other}" / f"layer={other}", "units", unit=number)
    assert schemas.scan_layer(tmp_path, "units", name, name).collect().is_empty()
    write(tmp_path / "tables" / "units" / f"model={name}" / f"layer={name}", "units", unit=100)
    assert schemas.scan_layer(tmp_path, "units", name, name).collect()["unit"].to_list() == [100]
    assert sorted(schemas.scan_units(tmp_path).collect()["unit"]) == [0, 1, 2, 3, 100]


def test_rows_come_in_order_of_folders_then_files(tmp_path):
    # as text "model=a-b/..." sorts before "model=a/...", as folders after
    for number, folder in enumerate(("model=a", "model=a-b", "model=b")):
        write(tmp_path / "tables" / "units" / folder, "units", unit=number)
    assert schemas.scan_units(tmp_path).collect()["unit"].to_list() == [0, 1, 2]
    assert [Path(file).parent.name for file in files_under(tmp_path)] == ["model=a", "model=a-b", "model=b"]


def test_layers_gain_their_anchor_offsets_and_keep_their_order(tmp_path):
    for folder, layer in (("0", "late"), ("1", "early"), ("2", "unmeasured")):
        write(tmp_path / "tables" / "layers" / folder, "layers", model="m", layer=layer)
    write(tmp_path / "tables" / "layer_fields" / "0", "layer_fields", model="m", layer="early", anchor_offset_y=2.5)
    offsets = {"anchor_offset_y": None, "anchor_offset_x": None}
    write(tmp_path / "tables" / "layer_fields" / "1", "layer_fields", model="m", layer="late", **offsets)
    found = schemas.scan_layers(tmp_path).select("layer", "anchor_offset_y", "no_offset").collect()
    assert found["layer"].to_list() == ["late", "early", "unmeasured"]
    assert found["anchor_offset_y"].to_list() == [None, 2.5, None]
    late, early, unmeasured = found["no_offset"]
    assert late.startswith("no unit that was measured")
    assert early is None
    assert unmeasured.startswith("not measured")


def test_a_column_that_an_earlier_version_did_not_write_is_null_beside_files_that_have_it(tmp_path):
    folder = tmp_path / "tables" / "models"
    rows = write(folder / "model=a", "models", basis="native")
    (folder / "model=b").mkdir()
    pq.write_table(rows.drop_columns("basis"), folder / "model=b" / "part.parquet")
    assert schemas.scan_models(tmp_path).collect()["basis"].to_list() == ["native", None]
    assert schemas.scan_models(tmp_path).collect().columns == SCANNED["models"].names
