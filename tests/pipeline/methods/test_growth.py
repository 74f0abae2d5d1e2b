"""Detectors on samples of the images: those of the run on all of them, and of the definition on fewer."""

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.operators.dissection.growth import nested_samples
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.permutation import Strata
from filterscope.pipeline.datasets.layout import Dataset, decode_mask
from filterscope.pipeline.methods.growth.findings import growth_summary
from filterscope.pipeline.methods.growth.stage import PARTS, PERMUTATIONS
from filterscope.pipeline.stores.activations import ActivationStore
from tests import naive, planted
from tests.audits import audit_here
from tests.planted import PLANTED


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("growth") / "data"
    planted.write_dataset(folder, images=24)
    return {"data": folder, "models": [PLANTED], "layers": "1", "quantile": 0.05, "min_images": 3, "metrics": "growth"}


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("run") / "run", **settings)


def test_on_all_images_detectors_are_those_of_the_run(run):
    found = schemas.scan_detector_growth(run).filter(images=24).sort("unit").collect()
    columns = ["unit", "concept", "iou", "detector"]
    assert found.select(columns).equals(schemas.scan_units(run).sort("unit").select(columns).collect())
    assert found["detector"].to_list() == [True, True, False]


def test_every_sample_has_its_rows(run):
    found = schemas.scan_detector_growth(run).collect()
    assert found["images"].to_list() == [3, 6, 12, 24] * 3
    summary = growth_summary(run)
    assert summary["images"].to_list() == [3, 6, 12, 24]
    assert summary["over_cutoff"][3] == 2
    live = found.filter(pl.col("unit") < 2)  # unit 2 is dead
    for row in summary.to_dicts():
        assert row["expected_by_chance"] == pytest.approx(live.filter(images=row["images"])["chance"].sum())


def test_a_sample_is_the_definition_on_its_images(run, settings):
    """A quarter of the images and their permutations once more, by the slow twins, from the stored maps."""
    dataset = Dataset(settings["data"])
    maps = ActivationStore(run, "planted", "1").read(0, 24, slice(0, 3))
    names, order = dataset.concepts["name"].to_pylist(), dataset.concepts["category"].to_pylist()
    category = [sorted(set(order)).index(name) for name in order]
    labels = [{} for _ in range(24)]
    for row in dataset.segments(0, 24):
        mask = naive.dissection.sample_mask(decode_mask(row["mask"], planted.SIZE, planted.SIZE), 16, 16)
        if mask.any():
            labels[row["image"]][row["concept"] - 1] = mask
    kinds = np.array([[number in {category[c] for c in image} for number in (0, 1)] for image in labels])
    sample = np.flatnonzero(nested_samples(np.arange(24), PARTS, seed_of(dataset.identity, "growth"))[1])
    strata = Strata(sample, sample, kinds[sample])
    place = {view: number for number, view in enumerate(sample.tolist())}
    held = [labels[view] for view in sample]
    for unit in range(2):
        threshold = naive.activations.threshold(maps[:, unit].astype(np.float64).ravel(), 0.05)
        activated = np.stack([naive.dissection.upsample(maps[view, unit], 16, 16) > threshold for view in sample])
        best = [
            naive.statistics.permuted_best(
                activated, held, category, list(range(len(names))), [place[int(v)] for v in source]
            )
            for source in [sample]
            + [
                strata.permuted(seed_of(dataset.identity, "growth", len(sample), number))[sample]
                for number in range(PERMUTATIONS)
            ]
        ]
        row = schemas.scan_detector_growth(run).filter(images=6, unit=unit).collect().row(0, named=True)
        assert row["iou"] == best[0]
        assert row["chance"] == np.mean([value > 0.04 for value in best[1:]])


def test_samples_do_not_depend_on_blocks(run, settings, tmp_path):
    other = audit_here(tmp_path / "run", **settings, image_block=5, unit_block=2)
    assert schemas.scan_detector_growth(other).collect().equals(schemas.scan_detector_growth(run).collect())


def test_survey_masks_and_crops_are_sampled_as_they_are_tallied(settings, tmp_path):
    other = audit_here(tmp_path / "run", **settings, mask_mode="survey", flips=True)
    found = schemas.scan_detector_growth(other).filter(images=24).sort("unit").collect()
    columns = ["unit", "concept", "iou"]
    assert found.select(columns).equals(schemas.scan_units(other).sort("unit").select(columns).collect())
