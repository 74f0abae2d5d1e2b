"""The method parses through whole audits: drawn parts are cut where they were put together, whatever the blocks."""

import io
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from torch import nn

from filterscope import schemas
from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter
from filterscope.pipeline.datasets.sample.factor_sets import draw_factor_set
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.parses.findings import leaves, summary, sure, trees
from tests.audits import audit_here
from tests.operators.parses.test_agreement import naive


def colours() -> nn.Module:
    """Return a network whose units see red without blue, blue without red, and green, over 2 x 2 pixels."""
    filters = nn.Conv2d(3, 3, 2, stride=2, bias=False)
    weights = torch.tensor([[1.0, 0, -1], [-1, 0, 1], [0, 1, 0]])
    filters.weight.data = weights[:, :, None, None].repeat(1, 1, 2, 2) / 4
    return nn.Sequential(filters, nn.AdaptiveAvgPool2d(1), nn.Flatten())


MODEL = {
    "source": "factory:tests.pipeline.methods.test_parses:colours", "name": "colours", "input_size": [64, 64],
    "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0],
}  # fmt: skip
SETTINGS: dict[str, Any] = {
    "models": [MODEL], "layers": "0", "methods": "parses", "parses.cells": 2, "parses.background": False,
    "parses.features": 3, "image_block": 64,
}  # fmt: skip
PLANTED = {"stacked": "1:1-2 2:1-2", "beside": "1-2:1 1-2:2"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts") / "data"
    draw_factor_set(folder, "parts", images=150)
    return folder


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("run") / "run", data=data, **SETTINGS)


def test_drawn_parts_are_cut_where_they_meet(run):
    found = schemas.scan(run, "parses").collect()
    planted = [PLANTED[category] for category in found["category"]]
    assert (found["tree"] == pl.Series(planted)).mean() > 0.95
    assert (found["predicted"] == found["category"]).mean() > 0.95
    assert found["box"].is_unique().all()
    assert (found["leaves"] == found["tree"].str.split(" ").list.len()).all()
    assert found["margin"].min() >= 0


def test_the_summary_is_what_the_rows_say(run):
    boxes = schemas.scan(run, "parses").collect()
    every, *each = summary(run).sort("category").to_dicts()
    assert (every["category"], [row["category"] for row in each]) == ("(all)", ["beside", "stacked"])
    assert every["boxes"] == boxes.height
    assert every["accuracy"] == pytest.approx((boxes["predicted"] == boxes["category"]).mean())
    assert every["leaves per box"] == pytest.approx(boxes["leaves"].mean())
    assert every["entropy"] < 0.3 < 0.9 < every["entropy by chance"]
    assert (every["flips agree"], every["other flips"]) == (None, None)
    for row in each:
        own = boxes.filter(category=row["category"])["tree"].to_list()
        numbers = np.unique(own, return_inverse=True)[1].tolist()
        if row["seeds agree"] == 1:
            assert row["other boxes"] == pytest.approx(naive.agreement(numbers, numbers)[1])


def test_parts_lie_in_the_leaves_that_carry_them(run):
    rows = leaves(run, "colours", "0").filter(pl.col("share") > 0.5).to_dicts()
    assert {(row["category"], row["y"], row["x"]) for row in rows} == {
        ("stacked", 0, 0), ("stacked", 1, 0), ("beside", 0, 0), ("beside", 0, 1)
    }  # fmt: skip
    for row in rows:
        first = (row["y"], row["x"]) == (0, 0)
        assert row["landmark"] == ("plain part" if first else "striped part")
        assert row["inside"] > 0.9
        assert row["deletion"] > 0


def test_shares_of_trees_and_means_are_of_all_boxes(run):
    tree = schemas.scan(run, "parse_trees").collect()
    assert tree.group_by("category").agg(pl.col("share").sum())["share"].to_list() == pytest.approx([1, 1])
    assert sure(run, "colours", "0")["boxes"].sum() == schemas.scan(run, "parses").collect().height


def test_a_tree_is_drawn_on_its_box(run):
    rows = trees(run, "colours", "0").sort("share", descending=True).to_dicts()
    assert {row["category"]: row["tree"] for row in rows[:2]} == PLANTED
    stacked = next(row for row in rows if row["tree"] == PLANTED["stacked"])
    picture = np.asarray(Image.open(io.BytesIO(stacked["picture"])))
    yellow = (picture == (255, 210, 0)).all(axis=2)
    middle = picture.shape[0] // 2
    assert yellow[middle - 4 : middle + 4].mean(axis=1).max() > 0.9  # the cut
    assert yellow[:, picture.shape[1] // 2].mean() < 0.1  # and no other


@pytest.mark.slow
def test_blocks_of_any_size_give_the_same_bits_of_mirror_images_too(data, tmp_path):
    asked = {**SETTINGS, "flips": True, "parses.steps": 60}
    run = audit_here(tmp_path / "one", data=data, **asked)
    other = audit_here(tmp_path / "other", data=data, **{**asked, "image_block": 37, "unit_block": 2})
    found = schemas.scan(run, "parse_summary").filter(pl.col("category").is_null()).collect().row(0, named=True)
    assert found["flip_agreement"] > 0.5 > found["flip_chance"]
    for name in ("parses", "parse_nodes", "parse_trees", "parse_summary", "parse_pictures"):
        assert schemas.scan(run, name).collect().equals(schemas.scan(other, name).collect()), name


def test_boxes_of_one_category_are_refused(tmp_path):
    with DatasetWriter(tmp_path / "data", source={"reader": "test"}) as out:
        for number in range(6):
            Image.new("RGB", (64, 64), (number, 0, 0)).save(tmp_path / f"{number}.png")
            out.object(out.image(tmp_path / f"{number}.png"), "bird", (2, 2, 60, 60))
    assert Dataset(tmp_path / "data").rows("objects") == 6
    with pytest.raises(InputError, match=r"needs two of 4 boxes or more \(found: bird 6\)"):
        audit_here(tmp_path / "run", data=tmp_path / "data", **SETTINGS)
