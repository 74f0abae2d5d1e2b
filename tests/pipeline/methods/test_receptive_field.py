"""The metric receptive-field end to end: fields that are known, and those of real networks."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from filterscope import schemas
from filterscope.jobs.findings.summary import print_summary
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.receptive_field.costs import field_costs, told
from filterscope.pipeline.methods.receptive_field.findings import fields_summary
from filterscope.pipeline.methods.receptive_field.occlude import chosen_units
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here

SETTINGS = {
    "models": [{**planted.entry("averaging", "averaging"), "input_size": 40}],
    "layers": "1",
    "metrics": "receptive-field",
    "min_images": 1,
    "occluder": 2,
    "occluder_step": 1,
    "field_images": 8,
}


@pytest.fixture(scope="module")
def spots(tmp_path_factory):
    """Dark images with one bright square of 9 x 9 pixels, so that each unit has one place to fire at."""
    folder, rng = tmp_path_factory.mktemp("spots") / "data", np.random.default_rng(0)
    with DatasetWriter(folder, source={"reader": "planted"}) as out:
        spot = out.concept("spot", "object")
        for number in range(10):
            pixels = rng.integers(0, 20, (40, 40, 3), np.uint8)
            top, left = rng.integers(8, 23, 2)
            here = np.zeros((40, 40), bool)
            here[top : top + 9, left : left + 9] = True
            pixels[here] = 255
            path = folder.parent / f"{number}.png"
            Image.fromarray(pixels).save(path)
            out.segment(out.image(path), spot, here)
    return folder


@pytest.fixture(scope="module")
def run(audited, spots):
    return audited(data=spots, **SETTINGS, actors=0)


def fields(run):
    return schemas.scan_receptive_fields(run).sort("model", "layer", "unit").collect()


def test_planted_fields_are_found_within_the_occluder(run):
    found = fields(run)
    assert found["theoretical_size"].to_list() == [9, 9, 9]
    assert abs(found["empirical_size"][0] - 9) < 2
    assert abs(found["empirical_size"][1] - 3) < 2
    assert found["images"].to_list() == [8, 8, 0]


def test_the_centroid_is_where_the_weights_lie(run):
    found = fields(run)
    assert found["offset_y"][0] == pytest.approx(0, abs=0.5)
    assert found["offset_x"][0] == pytest.approx(0, abs=0.5)
    assert found["offset_y"][1] == pytest.approx(3, abs=0.5)
    assert found["offset_x"][1] == pytest.approx(-3, abs=0.5)
    layer = schemas.scan_layer_fields(run).collect()
    assert layer["units"].to_list() == [2]
    assert layer["anchor_offset_y"].item() == pytest.approx(found["offset_y"][:2].mean())
    assert layer["anchor_offset_x"].item() == pytest.approx(found["offset_x"][:2].mean())


def test_a_unit_that_ignores_the_image_has_no_field(run):
    row = fields(run).row(2, named=True)
    assert {name for name, value in row.items() if value is None} == {
        "theoretical_area", "empirical_size", "empirical_area", "offset_y", "offset_x"
    }  # fmt: skip


@pytest.mark.slow
def test_fields_do_not_depend_on_blocks_workers_or_a_restart(audited, spots, run, tmp_path):
    other = audited(data=spots, **SETTINGS, image_block=3, actors=1, out=tmp_path / "run")
    assert fields(other).equals(fields(run))
    next((other / "ledger" / "occlude").rglob("*.json")).unlink()
    next((other / "ledger" / "fields").rglob("*.json")).unlink()
    audited(data=spots, **SETTINGS, image_block=3, actors=1, out=other)
    assert fields(other).equals(fields(run))


def test_units_are_drawn_by_identity(run):
    plan = RunFolder(run).plan()
    model = plan.models[0]
    layer = replace(model.layers[0], channels=500)
    units = chosen_units(plan, model, layer)
    assert len(units) == len(set(units.tolist())) == 64
    assert units.tolist() == chosen_units(plan, replace(model, name="renamed"), layer).tolist()
    assert units.tolist() != chosen_units(plan, model, replace(layer, name="0")).tolist()


def test_an_occluder_larger_than_the_input_is_refused(audited, spots):
    with pytest.raises(InputError, match=r"occluders of 41 pixels do not fit the 40 x 40 input of averaging"):
        audited(data=spots, **{**SETTINGS, "occluder": 41})


def test_the_cost_is_said_before_it_is_paid(run):
    plan = RunFolder(run).plan()
    assert told(plan) == [
        # 3 units x 8 images x 10 x 10 boxes that meet a field of 9 pixels
        "averaging: receptive-field runs at most 2,400 occluded copies (1,521 boxes per image, 8 images per unit), "
        "800 per unit, the cost of extracting 240 times"
    ]


@pytest.fixture(scope="module")
def original(audited, spots, tmp_path_factory):
    """The occluders of the paper, on units that are named, of two layers that are occluded together."""
    out = tmp_path_factory.mktemp("original") / "run"
    said, settings = [], {**SETTINGS, "layers": "0,1", "occluder": 11, "occluder_step": 3, "units": "1,0", "actors": 0}
    with pytest.MonkeyPatch.context() as patch:
        for module in ("filterscope.jobs.runs.audit", "filterscope.jobs.runs.progress"):
            patch.setattr(f"{module}.say", said.append)
        audited(data=spots, **settings, out=out)
    return out, settings, said


def test_the_occluders_of_the_paper_are_a_flag_whose_cost_is_said_first(original):
    run, _, said = original
    # 2 units x 8 images of 2 layers, of 10 images x 100 boxes
    line = "averaging: receptive-field runs at most 1,000 occluded copies (100 boxes per image, 8 images per unit), "
    place = said.index(line + "250 per unit, the cost of extracting 100 times")
    assert not any(done.startswith("occlude") for done in said[:place])
    assert any(done.startswith("occlude") for done in said[place:])
    found = fields(run)
    assert set(found["occluder"]) == {11}
    assert set(found["step"]) == {3}
    assert all(9 <= size <= 9 + 11 for size in found.filter(pl.col("unit") == 0)["empirical_size"])


def test_units_that_are_named_are_measured_and_no_others(original, audited, spots):
    run, settings, _ = original
    assert fields(run).select("layer", "unit").rows() == [("0", 0), ("0", 1), ("1", 0), ("1", 1)]
    with pytest.raises(InputError, match=r"units is '0-2' and was '0-1'.*--redo occlude"):
        audited(data=spots, **{**settings, "units": [0, "1-2"]}, out=run)
    with pytest.raises(InputError, match=r"field_units is 64 and was not stated; units is not stated and was '0-1'"):
        audited(data=spots, **{**settings, "units": None}, out=run)


def test_a_unit_that_no_layer_has_is_refused_before_anything_runs(audited, spots, tmp_path):
    with pytest.raises(InputError, match=r"^unit 3 is not in layer '1' of averaging, whose units are 0 to 2; "):
        audited(data=spots, **SETTINGS, units="0,2-5", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_measured_cost_counts_layers_that_share_their_copies_once(original, capsys):
    run, _, _ = original
    cost = field_costs(run).row(0, named=True)
    records = [record for record in RunFolder(run).ledger.records("occlude") if "/1/" in record["key"]]
    assert (cost["model"], cost["layers"], cost["units"]) == ("averaging", 2, 4)
    assert cost["occluded copies"] == sum(record["images"] for record in records) > 0
    assert cost["worker seconds"] == pytest.approx(sum(record["seconds"] for record in records))
    assert cost["seconds per unit"] == pytest.approx(cost["worker seconds"] / 4)
    print_summary(run)
    assert "seconds per unit" in capsys.readouterr().out


def test_the_summary_gives_the_median_unit(run):
    row, found = fields_summary(run).row(0, named=True), fields(run)[:2]
    assert (row["layer"], row["units"], row["theoretical"], row["clipped"]) == ("1", 2, 9, 9)
    assert row["empirical"] == pytest.approx(found["empirical_size"].mean())
    assert row["smaller"] == (found["empirical_area"] < 81).sum()
    assert row["offset y"] == pytest.approx(found["offset_y"].mean())


@pytest.fixture
def threads():
    """Put back the number of threads, which an audit in this process sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_fields_of_a_real_network_stay_within_the_theoretical(test_data, tmp_path):
    with DatasetWriter(tmp_path / "data", source={"reader": "four"}) as out:
        for path in sorted((test_data / "coco128" / "images").iterdir())[:4]:
            out.image(path)
    weights = test_data / "weights" / "mobilenet_v2-b0353104.pth"
    settings = {
        "data": tmp_path / "data", "out": tmp_path / "run", "models": [f"torchvision:mobilenet_v2@{weights}"],
        "layers": "features.10,features.13", "metrics": "receptive-field", "units": "7,40", "field_images": 1,
        "occluder_step": 32,
    }  # fmt: skip
    # a pool of actors takes longer to start than this work takes
    layers = fields_summary(audit_here(**settings))
    assert layers["theoretical"].to_list() == [171, 267]
    assert layers["units"].to_list() == [2, 2]
    assert (layers["empirical"] < layers["clipped"]).all()


#: Their theoretical fields are larger than the occluder.
REAL = ("features.6", "features.10", "features.13", "features.17")


@pytest.mark.slow
def test_fields_of_a_real_network_are_smaller_than_the_theoretical(audited, coco, test_data):
    weights = test_data / "weights" / "mobilenet_v2-b0353104.pth"
    run = audited(
        data=coco, models=[f"torchvision:mobilenet_v2@{weights}"], layers=",".join(REAL), metrics="receptive-field",
        field_images=3, field_units=3, occluder_step=16,
    )  # fmt: skip
    rows = {row["layer"]: row for row in schemas.scan_layer_fields(run).collect().iter_rows(named=True)}
    print(*(rows[layer] for layer in REAL), sep="\n")
    for layer in REAL:
        assert rows[layer]["empirical_area"] < rows[layer]["theoretical_area"]
