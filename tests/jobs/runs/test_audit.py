"""An audit end to end, on networks and images whose answers are known."""

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs.cli.main import main
from filterscope.jobs.config.audit import load_config
from filterscope.jobs.runs.audit import audit
from filterscope.jobs.runs.doctor import examine
from filterscope.jobs.runs.status import run_status
from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter
from filterscope.pipeline.engine.errors import InputError, RunError
from tests import naive, planted
from tests.audits import assert_same, audit_here, tables
from tests.planted import PLANTED


@pytest.fixture(scope="module")
def planted_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted") / "data"
    planted.write_dataset(folder)
    return folder


@pytest.fixture(scope="module")
def planted_settings(planted_data):
    return {"data": planted_data, "models": [PLANTED], "layers": "1", "quantile": 0.05, "min_images": 3}


@pytest.fixture(scope="module")
def planted_run(audited, planted_settings):
    return audited(**planted_settings, actors=2)


def test_planted_filters_are_found(planted_run):
    units = schemas.scan_units(planted_run).sort("unit").collect()
    assert units["concept"].to_list()[:2] == ["red", "striped"]
    assert units["detector"].to_list() == [True, True, False]
    assert units["status"].to_list() == ["live", "live", "dead"]


def test_planted_iou_is_what_it_is_by_hand(planted_run, planted_data):
    """A mask pixel r covers rows 2 r and 2 r + 1; it is activated if either is red and labelled if the lower one is."""
    rng, activated, labelled, both = np.random.default_rng(0), 0, 0, 0
    for number in range(12):
        top, left = rng.integers(2, planted.SIZE - 12, 2)
        if number % 3 == 0:
            rows = np.arange(16)
            touched = [(2 * rows + 1 >= start) & (2 * rows <= start + 9) for start in (top, left)]
            sampled = [(2 * rows + 1 >= start) & (2 * rows + 1 <= start + 9) for start in (top, left)]
            activated += touched[0].sum() * touched[1].sum()
            labelled += sampled[0].sum() * sampled[1].sum()
            both += (touched[0] & sampled[0]).sum() * (touched[1] & sampled[1]).sum()
    row = schemas.scan_unit_concept(planted_run).filter(pl.col("unit") == 0, pl.col("concept") == "red").collect()
    assert row["intersection"].item() == both
    assert row["labelled"].item() == labelled
    assert row["activated"].item() == activated
    assert row["iou"].item() == both / (activated + labelled - both)


@pytest.mark.slow
def test_tables_do_not_depend_on_blocks_or_workers(audited, planted_settings, planted_run):
    other = audited(**planted_settings, image_block=5, unit_block=2, actors=1)
    assert_same(planted_run, other)


@pytest.mark.slow
def test_few_images_are_audited_in_one_process(planted_settings, tmp_path):
    """Starting Ray takes longer than such an audit."""
    config = load_config(out=tmp_path / "run", metrics="dissection", **planted_settings)
    code = f"""
import pickle, sys
from filterscope.jobs.runs.audit import audit
assert audit(pickle.loads({pickle.dumps(config)!r}))
assert "ray" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
    assert all(stage["left"] == 0 for stage in run_status(tmp_path / "run"))


def test_a_finished_run_is_recognised_without_opening_anything(planted_run, planted_settings):
    config = load_config(out=planted_run, metrics="dissection", actors=2, **planted_settings)
    code = f"""
import pickle, sys
from filterscope.jobs.runs.audit import audit
assert audit(pickle.loads({pickle.dumps(config)!r})) is False
assert not {{"torch", "ray"}} & set(sys.modules), "a heavy import"
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
    assert all(stage["left"] == 0 for stage in run_status(planted_run))


def test_a_layer_extends_a_run_and_recomputes_nothing(audited, planted_settings, tmp_path):
    run = audited(out=tmp_path / "run", **planted_settings)
    before = {path: path.stat().st_mtime_ns for path in (run / "ledger").rglob("*.json")}
    audited(out=run, **{**planted_settings, "layers": "0"})
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert schemas.scan_units(run).select("layer").unique().collect()["layer"].sort().to_list() == ["0", "1"]
    assert schemas.scan_layers(run).collect().height == 2


def test_a_changed_parameter_stops_and_redo_recomputes(audited, planted_settings, tmp_path):
    run = audited(out=tmp_path / "run", **planted_settings)
    changed = {**planted_settings, "quantile": 0.02}
    with pytest.raises(InputError, match=r"quantile is 0\.02 and was 0\.05.*--redo dissect"):
        audited(out=run, **changed)
    extracted = {path: path.stat().st_mtime_ns for path in (run / "ledger" / "extract").rglob("*.json")}
    audited(out=run, redo="dissect", **changed)
    assert schemas.scan_thresholds(run).collect()["quantile"].unique().to_list() == [0.02]
    assert {path: path.stat().st_mtime_ns for path in extracted} == extracted


def test_a_redo_removes_what_it_outdates_and_is_not_asked_for(audited, planted_settings, tmp_path, capsys):
    """Results of other parameters would contradict those that are recomputed."""
    run = audited(out=tmp_path / "run", **planted_settings, methods="dissection,significance")
    first = schemas.scan_unit_significance(run).collect()
    assert first.height == 3
    capsys.readouterr()
    audited(out=run, **{**planted_settings, "quantile": 0.02}, redo="dissect")
    assert (
        "--redo dissect: removing unit_significance, layer_significance, which depend on it" in capsys.readouterr().err
    )
    assert not schemas.scan_unit_significance(run).collect().height
    assert not list((run / "ledger" / "significance").rglob("*.json"))
    audited(out=run, **planted_settings, methods="dissection,significance", redo="dissect")
    assert schemas.scan_unit_significance(run).collect().equals(first)


def test_lost_markers_are_computed_again_to_the_same_tables(audited, planted_settings, planted_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(planted_run, run)
    for stage in ("extract", "dissect"):
        next((run / "ledger" / stage).rglob("*.json")).unlink()
    audited(out=run, **planted_settings)
    assert_same(run, planted_run)


@pytest.mark.slow
def test_a_bad_image_is_rejected_and_leaves_the_tallies(audited, planted_settings, tmp_path):
    """It is also all there is of its block."""
    data = tmp_path / "data"
    planted.write_dataset(data)
    uri = str(planted.spoil(data, 0, b"no image").relative_to(data))
    settings = {**planted_settings, "data": data, "image_block": 1}
    with pytest.raises(
        RunError, match=r"1 of 12 images could not be decoded for planted, more than --max-rejects 0\.01"
    ):
        audited(out=tmp_path / "strict", **settings)
    run = audited(out=tmp_path / "run", **settings, max_rejects=0.1)
    rejects = schemas.scan_rejects(run).collect()
    assert rejects["item"].to_list() == [uri]
    assert 0 not in schemas.scan_unit_image(run).collect()["image"]
    assert schemas.scan_concepts(run).filter(pl.col("concept") == "red").collect()["images"].item() == 3
    assert schemas.scan_thresholds(run).collect()["count"].unique().item() == 11 * planted.SIZE**2


@pytest.mark.parametrize("change", ["another", "swapped", "gone"])
def test_no_results_are_of_images_that_changed_since_they_were_imported(planted_settings, tmp_path, change, capsys):
    """Layer 1 would be of the old pixels and layer 3 of the new."""
    planted.write_dataset(tmp_path / "source")
    files = sorted((tmp_path / "source" / "images").iterdir())
    with DatasetWriter(tmp_path / "data", source={}, in_place=True) as out:
        red = out.concept("red", "color")
        for file in files:
            out.segment(out.image(file), red, np.eye(planted.SIZE, dtype=bool))
    run, data = tmp_path / "run", Dataset(tmp_path / "data")
    settings = {**planted_settings, "data": data.folder, "out": run, "actors": 0}
    audit(load_config(**{**settings, "layers": "0"}))
    assert examine(run) == []
    before = schemas.scan_units(run).collect()
    files[0].touch()
    if change == "another":
        files[0].write_bytes(files[1].read_bytes())
    elif change == "swapped":
        files[0].rename(tmp_path / "held")
        files[1].rename(files[0])
        (tmp_path / "held").rename(files[1])
    else:
        files[0].unlink()
    why = (
        "the file is gone" if change == "gone" else r"the file is not the one that was imported \(its SHA-256 differs\)"
    )
    with pytest.raises(
        RunError, match=rf"^image {files[0]} of the data set .*: {why}\. Put the file back as it was, or "
    ):
        audit(load_config(**{**settings, "layers": "1"}))
    assert schemas.scan_units(run).collect().equals(before)
    assert not schemas.scan_rejects(run).collect().height
    found = {problem.path for problem in examine(run) if not problem.ours}
    assert found == set(files[:2] if change == "swapped" else files[:1])
    with pytest.raises(SystemExit) as stop:
        main(["doctor", str(run), "--repair"])
    assert stop.value.code == 1
    assert f"{files[0]}: the file is " in capsys.readouterr().out
    assert files[0].exists() == (change != "gone")


@pytest.mark.parametrize("factory", ["not_a_number", "too_large"])
def test_what_float16_cannot_hold_names_layer_and_image(audited, planted_settings, tmp_path, factory):
    model = {**PLANTED, "source": f"factory:tests.planted:{factory}", "name": factory}
    settings = {**planted_settings, "models": [model], "layers": "0"}
    with pytest.raises(
        RunError, match=rf"layer '0' of {factory} gives NaN or overflows float16 on image 0 .*--activation"
    ):
        audited(out=tmp_path / "run", **settings)
    if factory == "too_large":
        run = audited(out=tmp_path / "scaled", **settings, activation_scale=2.0**-6)
        assert schemas.scan_units(run).collect()["maximum"].max() > 65504


def test_tables_agree_with_the_definition_on_stored_activations(planted_run, planted_data):
    """The whole path from Zarr to table once more, by the slow twins."""
    from filterscope.pipeline.datasets.layout import decode_mask
    from filterscope.pipeline.stores.activations import ActivationStore

    store = ActivationStore(planted_run, "planted", "1")
    maps = store.read(0, 12, slice(0, 3))
    np.testing.assert_array_equal(store.read_maxima(0, 12, slice(0, 3)), maps.max(axis=(2, 3)))
    dataset = Dataset(planted_data)
    names, order = dataset.concepts["name"].to_pylist(), dataset.concepts["category"].to_pylist()
    labels = [{} for _ in range(12)]
    for row in dataset.segments(0, 12):
        mask = naive.dissection.sample_mask(decode_mask(row["mask"], planted.SIZE, planted.SIZE), 16, 16)
        if mask.any():
            labels[row["image"]][row["concept"] - 1] = mask
    for unit in range(3):
        threshold = naive.activations.threshold(maps[:, unit].astype(np.float64).ravel(), 0.05)
        activated = np.stack([naive.dissection.upsample(image[unit], 16, 16) > threshold for image in maps])
        expected = naive.dissection.dissect(
            activated, labels, [sorted(set(order)).index(category) for category in order]
        )
        rows = schemas.scan_unit_concept(planted_run).filter(pl.col("unit") == unit).collect()
        found = {row["concept"]: row for row in rows.iter_rows(named=True)}
        for number, name in enumerate(names):
            assert found[name]["iou"] == expected["iou"][number]
            assert found[name]["association"] == expected["association"][number]
            assert found[name]["lift"] == pytest.approx(
                None if np.isnan(expected["lift"][number]) else expected["lift"][number]
            )


def test_activations_may_be_removed_and_are_computed_again_when_needed(
    audited, planted_settings, planted_run, tmp_path
):
    settings = {**planted_settings, "out": tmp_path / "run"}
    run = audited(**settings, keep_activations=False)
    maps = run / "activations.zarr" / "planted" / "1" / "c"
    assert not maps.exists()
    assert_same(run, planted_run)
    audited(**{**settings, "quantile": 0.02}, redo="dissect")
    assert maps.exists()
    audited(**settings, redo="dissect")
    assert_same(run, planted_run)


@pytest.mark.slow
def test_the_findings_of_several_models_are_those_of_each_alone(audited, planted_settings, planted_run, tmp_path):
    twin = {**PLANTED, "name": "twin"}
    run = audited(**{**planted_settings, "models": [twin, PLANTED]}, image_block=4)
    for name, frame in tables(run).items():
        one = frame.filter(pl.col("model") == "planted")
        assert one.equals(tables(planted_run)[name]), name
        assert one.drop("model").equals(frame.filter(pl.col("model") == "twin").drop("model")), name


def test_what_an_earlier_version_defined_otherwise_is_computed_again_and_said(tmp_path, planted_settings, capsys):
    run = audit_here(tmp_path / "run", **planted_settings)
    before = tables(run)
    (marker,) = (run / "ledger" / "dissect").rglob("*.json")
    marker.rename(marker.with_name(f"{marker.name.split('.')[0]}.{'0' * 16}.json"))
    capsys.readouterr()
    assert audit_here(tmp_path / "run", **planted_settings) == run
    said = capsys.readouterr()
    assert (
        "recomputing, since an earlier version of filterscope defined them differently: dissect" in said.out + said.err
    )
    assert [path.name for path in (run / "ledger" / "dissect").rglob("*.json")] == [marker.name]
    assert all(frame.equals(tables(run)[name]) for name, frame in before.items())
