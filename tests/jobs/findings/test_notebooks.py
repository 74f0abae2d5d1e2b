"""The notebooks run from their first cell to their last, on a run of today, and keep their pictures."""

import base64
import io
import json
from pathlib import Path

import pytest
from PIL import Image

import filterscope

DOCS = Path(__file__).parents[3] / "docs"


def cells(name):
    return json.loads((DOCS / name).read_text(encoding="utf-8"))["cells"]


def executed(name):
    names = {}
    for cell in cells(name):
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    return names


@pytest.fixture
def run(hostile_run, monkeypatch):
    monkeypatch.setenv("FILTERSCOPE_RUN", str(hostile_run))
    return filterscope.open(hostile_run)


def test_a_first_audit_goes_from_a_run_to_findings(run):
    names = executed("first_audit.ipynb")
    counted = names["stands"].select("strong", "tentative", "few images", "chance")
    assert counted.sum_horizontal().to_list() == names["stands"]["over_cutoff"].to_list()
    assert counted.sum_horizontal().sum() == names["labels"].height == run.units.filter("detector").collect().height > 0
    assert names["labels"]["standing"].is_sorted()
    assert names["best"]["concept"].is_unique().all()
    assert [unit.label for unit in names["units"]] == names["best"]["concept"].to_list()
    assert names["categories"]["units"].sum() == names["believed"].height > 0
    assert names["ties"]["margin"].is_sorted()


def test_is_this_label_real_takes_a_unit_of_each_standing(run):
    names = executed("is_this_label_real.ipynb")
    three = names["three"]
    assert three["standing"].is_unique().all()
    assert [unit.standing for unit in names["units"]] == three["standing"].to_list()
    assert names["settings"].height == three.height > 0
    assert names["by_iou"]["units"].sum() == names["mine"].height
    assert set(three["layer"]) == {names["layer"]["layer"]} == set(names["chance"]["layer"])


@pytest.mark.parametrize(("name", "pictures"), [("first_audit.ipynb", 2), ("is_this_label_real.ipynb", 1)])
def test_a_notebook_keeps_its_outputs_and_is_small(name, pictures):
    outputs = [output for cell in cells(name) if cell["cell_type"] == "code" for output in cell["outputs"]]
    assert len(outputs) == sum(cell["cell_type"] == "code" for cell in cells(name))
    kept = [output["data"]["image/jpeg"] for output in outputs if "image/jpeg" in output["data"]]
    assert len(kept) == pictures
    for text in kept:
        width, height = Image.open(io.BytesIO(base64.b64decode(text))).size
        assert width > 900
        assert height >= 160
    assert (DOCS / name).stat().st_size < 400_000
