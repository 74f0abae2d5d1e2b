"""An audit that stores no activations finds what one that stores them finds, bit for bit."""

import polars as pl
import pytest

from filterscope import schemas
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.extraction import passes as unstored_stages
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores import places
from filterscope.schemas.significance import NOT_STORED
from tests import planted
from tests.audits import assert_same, audit_here
from tests.planted import PLANTED

#: In blocks of two, images of two spans of the passes; one of them cannot be decoded.
IMAGES = 36


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    data = tmp_path_factory.mktemp("planted") / "data"
    planted.write_dataset(data, images=IMAGES)
    planted.spoil(data, 20, b"no image")
    small = {"image_block": 2, "unit_block": 2, "top_images": 3, "max_rejects": 0.1, "unit_image": "active"}
    return {"data": data, "models": [PLANTED], "layers": "0,1", "quantile": 0.05, "min_images": 3, **small}


@pytest.fixture(scope="module")
def stored(settings, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("stored") / "run", **settings)


@pytest.fixture(scope="module")
def unstored(audited, settings):
    return audited(**settings, store="none", metrics="dissection,significance", actors=1)


def test_findings_are_equal_bit_for_bit(stored, unstored):
    assert_same(stored, unstored)
    assert schemas.scan_rejects(unstored).collect().equals(schemas.scan_rejects(stored).collect())


@pytest.mark.slow
@pytest.mark.parametrize("blocks", [{"image_block": 3}, {"image_block": 5, "unit_block": 1, "mask_mode": "survey"}])
def test_findings_are_equal_when_spans_part_the_views_of_an_image(settings, tmp_path, monkeypatch, blocks):
    """Spans of an odd number of views, two of each image."""
    monkeypatch.setattr(unstored_stages, "SPAN", 1)
    asked = {**settings, "flips": True, **blocks}
    stored, unstored = (audit_here(tmp_path / store, **asked, store=store) for store in ("zarr", "none"))
    assert_same(stored, unstored)


def test_ignored_pixels_count_as_little_as_where_activations_are_stored(tmp_path):
    planted.write_shapes(tmp_path / "data", images=30, seed=5, ignore=0.3)
    asked = {
        "data": tmp_path / "data",
        "models": [planted.entry("filters")],
        "layers": "1",
        "quantile": 0.05,
        "min_images": 2,
    }
    runs = [audit_here(tmp_path / store, **asked, image_block=7, store=store) for store in ("zarr", "none")]
    assert_same(*runs)
    pairs = schemas.scan_unit_concept(runs[0]).collect()
    # concepts of one category have an A of their own
    assert pairs.group_by("unit", "category").agg(pl.col("activated").n_unique())["activated"].max() > 1


def test_nothing_of_the_size_of_activations_is_left(unstored):
    assert not (unstored / "activations.zarr").exists()
    for name in ("histograms", "thresholds", "tallies"):
        assert not list((unstored / name).rglob("*.npz"))


def test_significance_is_null_and_says_why(unstored):
    rows = schemas.scan_unit_significance(unstored).collect()
    assert rows.height == 6
    assert rows["note"].unique().to_list() == [NOT_STORED]
    rest = rows.drop("model", "layer", "unit", "note")
    assert rest.null_count().sum_horizontal().item() == rest.height * rest.width
    assert schemas.scan_layer_significance(unstored).collect().is_empty()


@pytest.mark.slow
def test_a_redo_runs_the_networks_again_and_an_extension_stores(audited, settings, stored, unstored):
    """What the passes left is gone, so that another quantile needs both again; another metric needs the activations."""
    audited(out=unstored, **{**settings, "quantile": 0.1}, store="none", redo="thresholds")
    assert schemas.scan_thresholds(unstored).select(pl.col("quantile").unique()).collect().item() == 0.1
    audited(out=unstored, **settings, store="zarr", redo="dissect")
    assert (unstored / "activations.zarr").exists()
    assert_same(stored, unstored)


def _free(monkeypatch, count):
    """Have the disk of the runs that follow so many bytes free."""
    monkeypatch.setattr(places, "free_space", lambda place: (count, place))


def test_activations_that_would_fill_half_the_disk_are_not_stored_unless_they_are_read(
    settings, stored, tmp_path, monkeypatch, capsys
):
    plan = RunFolder(stored).plan()
    most = sum(Stages(plan).most_bytes().values())
    assert plan.options.store == "zarr"
    _free(monkeypatch, 2 * most - 1)
    run = audit_here(tmp_path / "unstored", **settings, metrics="dissection,significance")
    assert RunFolder(run).plan().options.store == "none"
    assert (
        "none are stored, the networks run twice and significance is not tested; --store zarr"
        in capsys.readouterr().err
    )
    assert_same(stored, run)
    _free(monkeypatch, 100 * most)
    audit_here(run, **settings, metrics="dissection,significance", redo="dissect")
    assert RunFolder(run).plan().options.store == "none"
    _free(monkeypatch, 2 * most)
    assert RunFolder(audit_here(tmp_path / "stored", **settings)).plan().options.store == "zarr"
    _free(monkeypatch, 2 * most - 1)
    read = audit_here(tmp_path / "read", **settings, methods="dissection,stability")
    assert RunFolder(read).plan().options.store == "zarr"


def test_metrics_that_read_activations_are_refused(audited, settings):
    with pytest.raises(InputError, match=r"--methods location reads activations, which --store none does not keep"):
        audited(**settings, store="none", metrics="location")


def test_gradients_are_refused_since_they_are_as_large_as_activations(audited, settings):
    says = r"^--methods gradients needs --store zarr: it keeps arrays of the size of activations; drop one of the two$"
    with pytest.raises(InputError, match=says):
        audited(**settings, store="none", methods="gradients")


def test_a_method_that_reads_activations_through_others_says_so(audited, settings):
    with pytest.raises(InputError, match=r"--methods pattern-positions reads activations"):
        audited(**settings, store="none", methods="pattern-positions")
