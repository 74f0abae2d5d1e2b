"""Part interpretability and both anchorings end to end: a filter made for a part, and real filters on real animals."""

import json
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs.findings.query import query
from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter, decode_mask
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.anchorings.findings import anchoring_summary
from filterscope.pipeline.methods.parts.findings import part_summary
from filterscope.pipeline.stores.activations import ActivationStore
from tests import naive, planted
from tests.planted import PLANTED

GOLDEN = Path(__file__).with_name("parts_golden.json")
SETTINGS = {"models": [PLANTED], "layers": "1", "quantile": 0.05, "min_images": 3, "metrics": "parts,anchorings"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return planted.write_parts(tmp_path_factory.mktemp("parts") / "data")


@pytest.fixture(scope="module")
def run(audited, data):
    return audited(data=data, **SETTINGS, image_block=5)


def sampled(data):
    dataset = Dataset(data)
    labels = [{} for _ in range(12)]
    for row in dataset.segments(0, 12):
        mask = naive.dissection.sample_mask(decode_mask(row["mask"], 32, 32), 16, 16)
        if mask.any():
            labels[row["image"]][row["concept"] - 1] = mask
    return dataset.concepts["name"].to_pylist(), labels


def thresholds(maps):
    return [np.quantile(maps[:, unit], 0.95, method="inverted_cdf") for unit in range(3)]


def test_parts_agree_with_the_definition_on_stored_activations(run, data):
    maps = ActivationStore(run, "planted", "1").read(0, 12, slice(0, 3)).astype(float)
    names, labels = sampled(data)
    geometry = (16, 16), (32, 32), (0.0, 0.0), (1.0, 1.0), (3.0, 3.0)
    rows = schemas.scan_part_interpretability(run).collect()
    for unit, threshold in enumerate(thresholds(maps)):
        masks = np.stack([naive.dissection.survey_mask(image[unit], threshold, *geometry) for image in maps])
        matched = naive.dissection.part_matches(masks, labels, 3, Fraction(1, 5))
        for part, name in enumerate(names):
            row = rows.filter(unit=unit, concept=name).row(0, named=True)
            own = [
                naive.dissection.iou(mask, image[part])
                for mask, image in zip(masks, labels, strict=True)
                if part in image
            ]
            assert (row["views"], row["matched"], row["share"]) == (len(own), matched[part], matched[part] / len(own))
            assert row["mean_iou"] == pytest.approx(sum(own) / len(own))
            assert row["largest_iou"] == max(own)


def test_the_filter_made_for_a_part_has_it_as_its_best(run):
    rows = schemas.scan_part_interpretability(run)
    best = rows.filter(pl.col("best")).sort("unit").collect()
    assert best.select("unit", "concept", "share").rows()[0] == (0, "bird head", 1.0)
    # the tail is red too, but in one image alone
    assert rows.filter(concept="bird tail").collect()["eligible"].any() is False
    assert 2 not in best["unit"]
    summary = part_summary(run).row(0, named=True)
    assert (summary["units"], summary["parts"], summary["commonest_part"]) == (3, 2, "bird head")
    shares = [*best["share"], *[0.0] * (3 - best.height)]
    assert summary["part_interpretability"] == pytest.approx(np.mean(shares))


def test_both_anchorings_are_what_two_audits_give(audited, data, run):
    other = audited(data=data, **{**SETTINGS, "metrics": "dissection", "anchoring": "receptive_field"})
    columns = ["unit", "concept", "iou"]
    found = schemas.scan_unit_anchorings(run).sort("unit").collect()
    assert found["anchoring"].unique().to_list() == ["receptive_field"]
    assert found.select(columns).equals(schemas.scan_units(other).sort("unit").select(columns).collect())
    summary = anchoring_summary(run)
    assert summary["anchoring"].to_list() == ["resize", "receptive_field"]
    assert summary["mean_top_iou"].to_list() == [
        pytest.approx(schemas.scan_units(which).collect()["iou"].mean()) for which in (run, other)
    ]


def test_layers_say_why_there_is_no_anchor_offset(run):
    row = query(run, "select layer, anchor_offset_y, anchor_offset_x, no_offset from layers").row(0, named=True)
    assert row["anchor_offset_y"] is None
    assert row["no_offset"] == "not measured; --methods receptive-field measures it"


def test_data_without_parts_is_refused(audited, tmp_path):
    planted.write_dataset(tmp_path / "data")
    with pytest.raises(InputError, match=r"no concept of the category 'part'.*drop parts from --methods"):
        audited(data=tmp_path / "data", **SETTINGS)
    assert not (tmp_path / "run").exists()


def write_animal_parts(source, folder, every):
    """Every n-th dog of the animals, with the rectangles of its head and frontal legs as parts."""
    lines = [line.split(",") for line in (source / "objects.csv").read_text().splitlines()[1:]]
    names = sorted({line[0] for line in lines if line[1] == "dog"})[::every]
    points = [line.split(",") for line in (source / "landmarks.csv").read_text().splitlines()[1:]]
    with DatasetWriter(folder, source={"reader": "test"}, in_place=True) as out:
        concept = {part: out.concept(f"dog {part}", "part") for part in ("head", "frontal_legs")}
        for name in names:
            image = out.image(source / "images" / name)
            height, width = out.size(image)
            for line in lines:
                if line[0] == name:
                    x0, y0, x1, y1 = map(float, line[2:6])
                    out.object(image, line[1], (max(x0, 0), max(y0, 0), min(x1 + 1, width), min(y1 + 1, height)))
            masks = {}
            for row in points:
                if row[0] == name:
                    x, y, w, h = (float(row[n]) for n in (3, 4, 6, 7))
                    mask = masks.setdefault(row[2], np.zeros((height, width), bool))
                    top, left = max(round(y - h / 2), 0), max(round(x - w / 2), 0)
                    mask[top : max(round(y + h / 2), 0), left : max(round(x + w / 2), 0)] = True
            for part, mask in masks.items():
                if mask.any():
                    out.segment(image, concept[part], mask)


@pytest.mark.slow
def test_dogs_are_golden(audited, test_data, tmp_path):
    write_animal_parts(test_data / "animals", tmp_path / "data", 6)
    weights = test_data / "weights" / "mobilenet_v2-b0353104.pth"
    run = audited(
        data=tmp_path / "data", models=[f"torchvision:mobilenet_v2@{weights}"], layers="features.18,features.6",
        metrics="parts", views="objects",
    )  # fmt: skip
    found = {row.pop("layer"): row for row in part_summary(run).iter_rows(named=True)}
    if os.environ.get("FILTERSCOPE_UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    for layer, expected in json.loads(GOLDEN.read_text()).items():
        assert found[layer]["part_interpretability"] == pytest.approx(expected["part_interpretability"], abs=2e-3)
        assert found[layer]["commonest_part"] == expected["commonest_part"]
        assert (found[layer]["units"], found[layer]["parts"]) == (expected["units"], expected["parts"])
