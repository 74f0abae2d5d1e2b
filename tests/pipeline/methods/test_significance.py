"""Significance end to end on planted filters: the same for any blocks and workers, and equal to its definition."""

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.permutation import Strata
from filterscope.pipeline.datasets.layout import Dataset, decode_mask
from filterscope.pipeline.methods.dissection import annotated
from filterscope.pipeline.methods.significance import null
from filterscope.pipeline.methods.significance.findings import headline, trust
from filterscope.pipeline.methods.significance.null import PERMUTATIONS
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores.activations import ActivationStore
from tests import naive, planted
from tests.planted import PLANTED

TABLES = {"unit_significance": ["model", "layer", "unit"], "layer_significance": ["model", "layer"]}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("significance") / "data"
    planted.write_dataset(folder, images=24)
    return {
        "data": folder,
        "models": [PLANTED],
        "layers": "1",
        # so that no half of the images has a unit above zero on more than this share
        "quantile": 0.1,
        "min_images": 3,
        "metrics": "dissection,significance",
    }


@pytest.fixture(scope="module")
def run(audited, settings):
    return audited(**settings)


def test_significance_does_not_depend_on_blocks_or_workers(audited, settings, run):
    other = audited(**settings, image_block=5, unit_block=2, actors=1)
    for name, keys in TABLES.items():
        frame = schemas.scan(run, name).sort(keys).collect()
        assert frame.height > 0
        assert frame.equals(schemas.scan(other, name).sort(keys).collect()), name


def test_planted_filters_are_significant_and_replicate(run):
    units = schemas.scan_unit_significance(run).sort("unit").collect()
    assert units["significant"].to_list() == [True, True, False]
    assert units["label_replicates"].to_list() == [True, True, False]
    assert units["q_value"][2] is None  # dead
    assert (units["p_place"][:2] < 0.05).all()
    row = headline(run).row(0, named=True)
    assert (row["over 0.04"], row["significant"], row["replicating"]) == (2, 2, 2)
    assert row["eligible concepts"] == "1 texture, 2 color"


def test_the_null_is_the_definition_on_stored_activations(run, settings):
    """Best IoUs of every permutation once more, by the slow twins, from the stored maps."""
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
    strata = Strata(np.arange(24), np.arange(24), kinds)
    stored = np.load(next((run / "null" / "planted" / "1").glob("*.npz")))["null"]
    assert stored.shape == (PERMUTATIONS, 3)
    for unit in range(2):
        threshold = naive.activations.threshold(maps[:, unit].astype(np.float64).ravel(), 0.1)
        activated = np.stack([naive.dissection.upsample(image[unit], 16, 16) > threshold for image in maps])
        for number in (0, 7, 49):
            source = strata.permuted(seed_of(dataset.identity, "permutation", number)).tolist()
            expected = naive.statistics.permuted_best(activated, labels, category, list(range(len(names))), source)
            assert stored[number, unit] == expected


def test_units_are_named_in_both_tables(run):
    assert schemas.scan_unit_significance(run).select(pl.len()).collect().item() == 3


@pytest.mark.parametrize(
    ("numbers", "start"),
    [
        ((0, 0.2, 0), "no unit is over 0.04"),
        ((1041, 766.5, 0), "trust none of the 1041 labels over 0.04: 766 are expected"),
        ((300, 90.0, 120), "trust the 120 significant units"),
        ((300, 2.0, 299), "0.04 holds here: 2.0 of the 300"),
    ],
)
def test_the_headline_says_which_number_to_trust(numbers, start):
    assert trust(*numbers).startswith(start)


def test_the_null_does_not_depend_on_how_it_is_computed(run, tmp_path, monkeypatch):
    """Training parts drawn one by one, as for the survey's masks, not found from T; maps read again, not kept."""
    [stage] = [stage for stage in Stages(RunFolder(run).plan()).all() if stage.name == "null"]
    [work] = stage.group(stage.keys)
    found = np.load(null.null_path(run, work.task.key.place))
    monkeypatch.setattr(annotated.AnnotatedBlock, "axes", None)
    monkeypatch.setattr(annotated, "_KEPT", 0)
    monkeypatch.setattr(null, "null_path", lambda run, place: tmp_path / "null.npz")
    null.find_null(work.task)
    again = np.load(tmp_path / "null.npz")
    assert set(found) == set(again)
    for name in found:
        np.testing.assert_array_equal(found[name], again[name], name)
    assert found["training_iou"].any()
    assert found["sums"].any()
