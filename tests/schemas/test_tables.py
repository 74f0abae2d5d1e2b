"""The tables of a run are those that the modules of `schemas` declare, and their files stay as they were."""

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import polars as pl
import pyarrow as pa
import pytest

from filterscope.schemas import columns, dataset, results
from filterscope.schemas.columns import Joined, column, table

SCHEMAS = Path(results.__file__).parent
DIGESTS = json.loads(Path(__file__).with_name("digests.json").read_text())


def digest(schema: pa.Schema) -> str:
    return hashlib.sha256(schema.serialize().to_pybytes()).hexdigest()


def module(name: str, **constants: object) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(constants)
    return made


@pytest.mark.parametrize(("place", "tables"), [("run", results.TABLES), ("dataset", dataset.TABLES)])
def test_no_byte_of_a_schema_has_changed(place, tables):
    # types, names, order, and every word of the metadata stand in each Parquet file; a new method adds tables to these
    assert {name: digest(tables[name]) for name in DIGESTS[place] if name in tables} == DIGESTS[place]


def test_every_table_declared_in_a_file_is_found():
    declared = {
        (node.targets[0].id.lower(), file.stem)
        for file in SCHEMAS.glob("*.py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and getattr(getattr(node.value, "func", None), "id", "") == "table"
    }
    found = {
        (name, module.__name__.rpartition(".")[2])
        for module in results.MODULES
        for name in columns.tables_in(vars(module))
    }
    assert len(found) == len(results.TABLES)
    # the rejects of a data set are a table of a run too
    assert found - {("rejects", "run")} == {(name, stem) for name, stem in declared if stem != "dataset"}
    assert {(name, "dataset") for name in dataset.TABLES} == {pair for pair in declared if pair[1] == "dataset"}


def test_what_every_run_has_comes_first_then_methods_by_name():
    assert list(results.TABLES)[:5] == ["models", "layers", "views", "rejects", "runs"]
    names = [found.__name__ for found in results.MODULES[1:]]
    assert names == sorted(names)
    in_order = [name for module in results.MODULES for name in columns.tables_in(vars(module))]
    assert list(results.TABLES) == in_order


def test_a_method_adds_one_file(tmp_path):
    shutil.copytree(SCHEMAS, tmp_path / "filterscope" / "schemas", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "filterscope" / "__init__.py").touch()
    (tmp_path / "filterscope" / "schemas" / "hues.py").write_text(
        '"""Preferred hues."""\n'
        "import pyarrow as pa\n"
        "from filterscope.schemas.columns import MODEL, column, table\n"
        'UNIT_HUE = table(MODEL, column("hue", pa.float64(), "preferred hue", unit="degree"))\n'
    )
    program = (
        "from filterscope import schemas; from filterscope.schemas import reference\n"
        "print(schemas.__file__); print(schemas.scan_unit_hue('none').collect().columns)\n"
        "print('### Hues' in reference.markdown())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    ).stdout.splitlines()
    assert Path(printed[0]).is_relative_to(tmp_path)
    assert printed[1:] == ["['model', 'hue']", "True"]


def test_two_tables_of_one_name_are_refused():
    one = table(columns.MODEL)
    with pytest.raises(ValueError, match="'units' is declared in first and in second"):
        results.gathered([module("first", UNITS=one), module("second", UNITS=one)])


def test_constants_that_are_no_tables_are_left_out():
    one = table(columns.MODEL)
    found = results.gathered([module("first", UNITS=one, _PRIVATE=1, helper=one, PEAK=pa.struct([]), NONE="text")])
    assert list(found) == ["units"]


@pytest.mark.parametrize(
    ("to", "source", "missing"), [("layers", "nowhere", "nowhere"), ("nowhere", "units", "nowhere")]
)
def test_joining_what_is_no_table_is_refused(to, source, missing):
    joined = Joined(to=to, source=source, columns=table(columns.MODEL), join=lambda one, other: one)
    with pytest.raises(ValueError, match=f"method joins .*no table '{missing}'"):
        results.joined([module("method", MORE=joined)], {"layers": table(), "units": table()})


def test_columns_joined_to_a_table_come_after_its_own():
    added = [field.name for field in results.JOINED["layers"][0].columns]
    assert results.SCANNED["layers"].names == [*results.TABLES["layers"].names, *added]
    assert added == ["anchor_offset_y", "anchor_offset_x", "no_offset"]
    assert results.SCANNED["units"] == results.TABLES["units"]


def test_a_column_declared_twice_is_refused():
    with pytest.raises(ValueError, match="area"):
        table(column("area", pa.float32(), "one"), columns.MODEL, column("area", pa.int32(), "another"))


def test_polars_knows_every_type():
    for schema in results.TABLES.values():
        assert pl.DataFrame(schema.empty_table()).columns == schema.names
