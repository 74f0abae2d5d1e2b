"""Activations below the range of float16 are told, and the scale that `auto` takes gives the tables of the unscaled network."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import filterscope
from filterscope import schemas
from filterscope.jobs.findings.summary import warnings
from filterscope.operators.numerics.half import held
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.options import RunOptions
from tests import planted
from tests.audits import assert_same, audit_here

FACTORS = {"tiny": 1e-9, "small": 1e-6, "binary": 2.0**-30}
NATURAL = ("threshold", "maximum", "mean", "standard_deviation")


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    data = tmp_path_factory.mktemp("planted") / "data"
    planted.write_dataset(data)
    return {"data": data, "layers": "1", "quantile": 0.05, "min_images": 3, "image_block": 4, "unit_image": "active"}


def model(factory):
    return {**planted.PLANTED, "source": f"factory:tests.planted:{factory}"}


@pytest.fixture(scope="module")
def unscaled(settings, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("unscaled") / "run", **settings, models=[model("network")])


@pytest.mark.parametrize("store", ["zarr", "none"])
@pytest.mark.parametrize(("factory", "lost"), [("tiny", (9, 0)), ("small", (0, 9)), ("binary", (9, 0))])
def test_what_float16_loses_is_counted_and_the_scale_named(settings, unscaled, tmp_path, factory, lost, store):
    with pytest.raises(RunError, match="layer '1' of planted is too small for float16: of ") as error:
        audit_here(tmp_path / "run", **settings, models=[model(factory)], store=store)
    found = [int(word.replace(",", "")) for word in str(error.value).split() if word.replace(",", "").isdigit()]
    values, zero, few = found[0], found[2], found[4]
    assert values > 0
    assert (zero, few) == ((values, 0) if lost[0] else (0, values))
    scale = 2.0 ** int(str(error.value).partition("--activation-scale 2^")[2].partition(",")[0])
    peak = schemas.scan_units(unscaled).collect()["maximum"].max()
    assert 2 <= FACTORS[factory] * scale * peak <= 8


@pytest.mark.parametrize("factory", sorted(FACTORS))
def test_with_auto_the_tables_are_those_of_the_unscaled_network(settings, unscaled, tmp_path, factory):
    run = audit_here(tmp_path / "run", **settings, models=[model(factory)], activation_scale="auto")
    scale = RunFolder(run).plan().options.activation_scale
    assert np.log2(scale) % 1 == 0
    assert scale > 2.0**15
    for name in ("units", "thresholds", "unit_concept", "unit_image"):
        before, after = (getattr(schemas, f"scan_{name}")(at).collect() for at in (unscaled, run))
        columns = [column for column in NATURAL if column in before.columns]
        after = after.with_columns((pl.col(column) / FACTORS[factory]).cast(before[column].dtype) for column in columns)
        exact = [column for column in before.columns if column not in columns and before[column].dtype != pl.Binary]
        assert_frame_equal(after.select(exact), before.select(exact))
        assert_frame_equal(
            after.select(columns), before.select(columns), rel_tol=0 if factory == "binary" else 2.0**-10
        )


@pytest.mark.slow
def test_auto_is_recorded_kept_and_the_same_for_any_workers(settings, audited, tmp_path):
    asked = {**settings, "models": [model("tiny")], "activation_scale": "auto"}
    here, there = audit_here(tmp_path / "here", **asked), audited(out=tmp_path / "there", **asked, actors=2)
    assert_same(here, there)
    scale = RunFolder(here).plan().options.activation_scale
    assert RunFolder(there).plan().options.activation_scale == scale
    # the other layer alone would have another scale
    audit_here(here, **{**asked, "layers": "0"})
    assert RunFolder(here).plan().options.activation_scale == scale
    assert schemas.scan_units(here).collect().height == 6
    assert_same(audit_here(tmp_path / "stated", **{**asked, "activation_scale": scale}), there)


def test_auto_leaves_sound_networks_alone(settings, unscaled, tmp_path):
    run = audit_here(tmp_path / "run", **settings, models=[model("network")], activation_scale="auto")
    assert RunFolder(run).plan().options.activation_scale == 1.0
    assert_same(run, unscaled)


def test_units_are_held_where_float16_has_all_digits():
    maps = np.zeros((2, 5, 1, 2), np.float16)
    maps[1, :, 0, 1] = (0, 2.0**-14, -(2.0**-14), 2.0**-15, np.inf)
    assert held(maps).tolist() == [False, True, True, False, True]


@pytest.mark.parametrize(
    ("given", "taken"),
    [("2^20", 2.0**20), ("2**-4", 0.0625), (2, 2.0), (0.25, 0.25), ("auto", "auto"), (2.0**125, 2.0**125)],
)
def test_a_scale_is_a_power_of_two_or_auto(given, taken):
    assert RunOptions(activation_scale=given).activation_scale == taken


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (2.0**-1000, r"from 2\^-112 to 2\^125: activations are float32"), ("2^-1000", r"from 2\^-112 to 2\^125"),
        ("2^126", r"from 2\^-112 to 2\^125"), (0.3, "such as 0.0625"), (0.0, "such as"), (-2.0, "such as"),
        (float("nan"), "such as"), (float("inf"), "such as"), (True, "such as"), ("2^x", "such as"), (None, "such as"),
    ],
)  # fmt: skip
def test_other_scales_are_refused_with_bounds_and_reason(given, expected):
    with pytest.raises(ValueError, match=expected):
        RunOptions(activation_scale=given)


def test_arrays_in_memory_are_guarded_alike():
    rng = np.random.default_rng(0)
    maps, mask = rng.random((4, 3, 8, 8), np.float32), rng.random((4, 1, 8, 8)) < 0.3
    filterscope.dissect(maps, mask, quantile=0.1)
    with pytest.raises(
        InputError, match=r"of 768 that are not 0, 768 become 0 and 0 lose digits; multiply them by 2\^32 "
    ):
        filterscope.dissect(maps * np.float32(2.0**-30), mask, quantile=0.1)
    found = filterscope.dissect(maps * np.float32(2.0**-30) * np.float32(2.0**30), mask, quantile=0.1)
    assert np.array_equal(found.thresholds, filterscope.dissect(maps, mask, quantile=0.1).thresholds)


def test_a_few_units_that_lose_digits_are_told(settings, unscaled, tmp_path):
    run = audit_here(tmp_path / "run", **settings, models=[model("partly_small")])
    (told,) = [line for line in warnings(run) if "float16" in line]
    assert told.startswith(
        "planted 1: 1 of 3 units have activations so small that float16 rounds them; a larger --activation-scale"
    )
    largest = schemas.scan_units(run).collect()["maximum"].max()
    assert f"as long as {largest:.3g}, the layer's largest, times" in told
    assert not [line for line in warnings(unscaled) if "float16" in line]
    scaled = audit_here(tmp_path / "scaled", **settings, models=[model("partly_small")], activation_scale=2**10)
    assert not [line for line in warnings(scaled) if "float16" in line]


@pytest.mark.parametrize("store", ["zarr", "none"])
def test_units_that_float16_makes_0_are_told_apart_from_dead_ones(settings, unscaled, tmp_path, store):
    run = audit_here(tmp_path / "run", **settings, models=[model("partly_tiny")], store=store)
    (told,) = [line for line in warnings(run) if "float16" in line]
    assert told.startswith(
        "planted 1: 1 of 2 dead units are so only because float16 makes their activations 0; a larger --activation-scale"
    )
    assert not [line for line in warnings(run) if "rejected" in line]
    rows = schemas.scan_rejects(run).collect().rows()
    assert rows == [("float16", "planted/1/0", "its activations become 0 in float16")]
    # scaled, they are what they are without the factor
    scaled = audit_here(
        tmp_path / "scaled", **settings, models=[model("partly_tiny")], activation_scale=2.0**12, store=store
    )
    assert not [line for line in warnings(scaled) if "makes their activations 0" in line]
    assert schemas.scan_units(scaled).collect()["status"].to_list() == ["live", "live", "dead"]
    assert not [line for line in warnings(unscaled) if "float16" in line]
