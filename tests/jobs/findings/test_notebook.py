"""The notebook runs from its first cell to its last, on a run of today."""

import json
from pathlib import Path

import polars as pl

from filterscope import schemas

NOTEBOOK = Path(__file__).parents[3] / "docs" / "first_audit.ipynb"


def test_the_notebook_runs(hostile_run, monkeypatch):
    monkeypatch.setenv("FILTERSCOPE_RUN", str(hostile_run))
    names = {}
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    significance = schemas.scan_unit_significance(hostile_run).filter("significant", "label_replicates").collect()
    assert names["stands"]["stand"].sum() == significance.height > 0
    assert names["categories"]["units"].sum() == significance.height
    assert names["ties"]["margin"].is_sorted()
    assert names["ties"].height == min(significance.height, 10)
    assert names["stands"].filter(pl.col("stand") > pl.col("significant")).is_empty()
    assert names["unit"].verdict.startswith("Its label is")
    assert names["unit"]._repr_html_().count("data:image/webp") > 0
