"""Labels at other quantiles are those that an audit at that quantile finds."""

import pytest

from filterscope import schemas
from filterscope.pipeline.methods.stability.stage import QUANTILES
from tests import planted
from tests.audits import audit_here
from tests.planted import PLANTED

#: Filters that average pixels and have many values.
AVERAGING = {**PLANTED, "source": "factory:tests.planted:averaging"}
COLUMNS = ["unit", "concept", "iou"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stability") / "data"
    planted.write_dataset(folder, images=24)
    return {"data": folder, "models": [AVERAGING], "layers": "1", "min_images": 3, "image_block": 7}


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("own") / "run", **settings, quantile=0.02, metrics="stability")


def test_there_is_a_row_for_every_quantile_and_the_runs_own(run):
    found = schemas.scan_label_stability(run).collect()
    assert found["unit"].to_list() == [unit for unit in range(3) for _ in range(5)]
    assert found["quantile"].to_list() == sorted([*QUANTILES, 0.02]) * 3
    assert found.filter(unit=0)["iou"].n_unique() >= 3


@pytest.mark.parametrize("quantile", [*QUANTILES, 0.02])
def test_a_label_is_what_an_audit_at_the_quantile_finds(run, settings, tmp_path, quantile):
    found = schemas.scan_label_stability(run).filter(quantile=quantile).sort("unit").collect()
    alone = audit_here(tmp_path / "run", **settings, quantile=quantile)
    assert found.select(COLUMNS).equals(schemas.scan_units(alone).sort("unit").select(COLUMNS).collect())
    thresholds = schemas.scan_thresholds(alone).sort("unit").collect()
    assert found["threshold"].equals(thresholds["threshold"])


def test_labels_do_not_depend_on_blocks_or_the_scale_of_activations(run, settings, tmp_path):
    options = {**settings, "image_block": 24, "unit_block": 2, "activation_scale": 0.25}
    other = audit_here(tmp_path / "run", **options, quantile=0.02, metrics="stability")
    assert schemas.scan_label_stability(other).collect().equals(schemas.scan_label_stability(run).collect())


def test_masks_of_the_survey_are_used_where_the_run_uses_them(settings, tmp_path):
    survey = {**settings, "mask_mode": "survey"}
    found = audit_here(tmp_path / "run", **survey, quantile=0.005, metrics="stability")
    alone = audit_here(tmp_path / "alone", **survey, quantile=0.05)
    rows = schemas.scan_label_stability(found).filter(quantile=0.05).sort("unit")
    assert rows.select(COLUMNS).collect().equals(schemas.scan_units(alone).sort("unit").select(COLUMNS).collect())
