"""The reference of tables says what the schemas say."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa

from filterscope.schemas import dataset, reference, results
from filterscope.schemas.columns import column, table

ROOT = Path(__file__).parents[2]


def test_a_column_is_described_by_its_metadata() -> None:
    best = pa.struct([("concept", pa.string()), ("iou", pa.float64())])
    schema = table(
        column("area", pa.float32(), "what is covered", unit="pixel", null="not measured"),
        column("best", pa.list_(best), "best concepts"),
        column("box", pa.list_(pa.float32(), 4), "corners", unit="pixel"),
    )
    assert reference.columns_of(schema) == [
        {"column": "area", "type": "float32", "unit": "pixel", "meaning": "what is covered", "null": "not measured"},
        {
            "column": "best",
            "type": "list<struct<concept: string, iou: float64>>",
            "unit": "",
            "meaning": "best concepts",
            "null": "",
        },
        {"column": "box", "type": "list<float32, 4>", "unit": "pixel", "meaning": "corners", "null": ""},
    ]


def test_every_column_states_its_meaning_and_what_null_means() -> None:
    for schema in (*results.TABLES.values(), *dataset.TABLES.values()):
        for field, row in zip(schema, reference.columns_of(schema), strict=True):
            assert row["meaning"], field.name
            assert field.nullable == bool(row["null"]), field.name


def test_the_page_holds_a_row_for_every_column() -> None:
    page = reference.markdown()
    for name, schema in (*results.SCANNED.items(), *dataset.TABLES.items()):
        section = next(part for part in page.split("\n#### ") if part.startswith(f"{name}\n") and all(
            f"| `{field.name}` | `" in part for field in schema
        ))  # fmt: skip
        assert section.count("\n|") == len(schema) + 2


def test_the_page_says_in_which_file_a_table_is_declared() -> None:
    groups = reference.markdown().partition("## Tables of a data set")[0].split("\n### ")[1:]
    stability = next(group for group in groups if group.startswith("Stability\n"))
    assert "Declared in `schemas/stability.py`." in stability
    assert [line for line in stability.splitlines() if line.startswith("#### ")] == ["#### label_stability"]
    assert sum(group.count("\n#### ") for group in groups) == len(results.TABLES)


def test_the_page_in_docs_is_what_the_module_prints() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "filterscope.schemas"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    ).stdout
    kept = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    assert kept == printed, "run `python -m filterscope.schemas > docs/tables.md`"
