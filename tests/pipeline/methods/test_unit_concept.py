"""Which rows the table unit_concept keeps: all, or of each unit the concepts of highest IoU."""

import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs.findings.find import left_out, units_for
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.dissection.options import settle_concepts
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here

SETTINGS = {
    "models": [planted.entry("filters", "planted")],
    "layers": "1",
    "quantile": 0.04,
    "min_images": 2,
    "image_block": 8,
}
UNIT = ["model", "layer", "unit"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("rows")
    planted.write_shapes(place / "data", images=24, seed=3)
    asked = {**SETTINGS, "data": place / "data"}
    return {rows: audit_here(place / rows.replace(":", ""), **asked, unit_concept=rows) for rows in ("full", "top:2")}


def table(run):
    return schemas.scan_unit_concept(run).collect()


def test_kept_rows_are_those_of_the_full_table(runs):
    full, cut = table(runs["full"]), table(runs["top:2"])
    assert full.height > 2 * full.select(UNIT).unique().height
    assert cut.group_by(UNIT).len()["len"].unique().to_list() == [2]
    assert cut.join(full, on=full.columns, how="semi", nulls_equal=True).height == cut.height


def test_the_best_concepts_of_a_unit_that_may_label_it_are_kept(runs):
    eligible = schemas.scan_concepts(runs["full"]).filter("eligible").select("concept").collect()["concept"]
    full = table(runs["full"]).filter(pl.col("concept").is_in(eligible.implode()))
    best = full.sort("iou", descending=True, maintain_order=True).group_by(UNIT).head(2)
    pairs = [*UNIT, "concept"]
    assert best.join(table(runs["top:2"]), on=pairs).height == best.height
    labels = schemas.scan_units(runs["top:2"]).filter(pl.col("concept").is_not_null()).collect()
    assert labels.height > 0
    assert labels.join(table(runs["top:2"]), on=pairs).height == labels.height


def test_all_other_findings_are_the_same(runs):
    for name in ("units", "thresholds", "top_images", "unit_image"):
        one, other = (schemas.scan(runs[rows], name).collect() for rows in ("full", "top:2"))
        assert one.equals(other), name


def test_find_says_what_it_does_not_see(runs):
    assert left_out(runs["full"]) is None
    assert left_out(runs["top:2"]).startswith("the run keeps the 2 concepts of highest IoU of each unit")
    concept = table(runs["top:2"])["concept"][0]
    assert units_for(runs["top:2"], concept).height <= units_for(runs["full"], concept).height


def test_many_networks_keep_the_twenty_best_by_default(runs):
    plan = RunFolder(runs["full"]).plan().with_options(unit_concept="auto")
    many = plan.__class__(**{**vars(plan), "models": plan.models * 11})
    asked = {what: settle_concepts(one, before).settings["unit_concept"] for what, one, before in (
        ("few", plan, None), ("many", many, None), ("kept", plan, RunFolder(runs["top:2"]).plan()),
        ("grown", many, RunFolder(runs["full"]).plan()),
    )}  # fmt: skip
    assert asked == {"few": "full", "many": "top:20", "kept": "top:2", "grown": "full"}


def test_a_run_keeps_its_rows_until_they_are_made_again(runs):
    data = RunFolder(runs["top:2"]).plan().data
    with pytest.raises(InputError, match=r"unit_concept .*--redo dissect"):
        audit_here(runs["top:2"], **SETTINGS, data=data, unit_concept="top:3")


@pytest.mark.parametrize("rows", ["top:0", "top", "all", "top:1e9", 20])
def test_other_rows_are_refused(tmp_path, rows):
    with pytest.raises(InputError, match="unit_concept"):
        audit_here(tmp_path / "run", **SETTINGS, data=tmp_path, unit_concept=rows)
