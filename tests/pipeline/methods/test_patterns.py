"""Patterns end to end: filters that mix colours, the same bits whatever the blocks and workers, filters without peaks."""

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs.findings.summary import print_summary
from filterscope.jobs.runs.doctor import examine
from filterscope.pipeline.methods.patterns.findings import pattern_instability, pattern_summary, patterns_per_unit
from filterscope.pipeline.stores.activations import ActivationStore
from tests import naive, planted
from tests.audits import audit_here
from tests.planted import PLANTED
from tests.planted.dots import write_dots

NETWORK = planted.entry("colours", "colours")
SETTINGS = {"models": [NETWORK], "layers": "3,4", "metrics": "patterns", "batch_size": 4}
IMAGES = 60


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colours") / "data"
    planted.write_colours(folder, images=IMAGES)
    return folder


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("patterns") / "run", data=data, **SETTINGS)


def test_a_filter_mixes_as_many_patterns_as_colours(run):
    units = schemas.scan_unit_patterns(run).filter(layer="3").sort("unit").collect()
    assert units["patterns"].to_list() == [1, 2, 3, None, 1, 1, 1]
    assert units["peaks"].to_list() == [20, 40, 60, 0, 20, 20, 20]
    assert units["reason"].to_list() == [None, None, None, "no peak above T", None, None, None]
    assert units["left_out"].to_list() == [0] * 7
    for unit, colours in ((0, 1), (1, 2), (2, 3)):
        patterns = schemas.scan_patterns(run).filter(layer="3", unit=unit).sort("pattern").collect()
        seen = [{peak["image"] % 3 for peak in top} for top in patterns["top_images"].to_list()]
        assert sorted(map(tuple, seen)) == [(colour,) for colour in range(colours)]
        assert patterns["share"].to_list() == pytest.approx([1 / colours] * colours)
        assert patterns["images"].to_list() == [20] * colours


def test_rows_agree_with_the_definition_on_stored_activations(run):
    maps = ActivationStore(run, "colours", "3").read(0, IMAGES, slice(0, 7))
    for unit in (0, 1, 2):
        threshold = np.quantile(maps[:, unit].astype(float), 0.995, method="inverted_cdf")
        peaks = naive.activations.local_maxima(maps[:, unit], threshold)
        place = np.array([(position // planted.SIZE, position % planted.SIZE) for _, position, _ in peaks])
        patterns = schemas.scan_patterns(run).filter(layer="3", unit=unit).sort("pattern").collect()
        assert patterns["peaks"].sum() == len(peaks)
        for row in patterns.iter_rows(named=True):
            mine = np.isin([view for view, _, _ in peaks], [peak["view"] for peak in row["top_images"]])
            mean = place[mine].mean(axis=0)
            assert (row["mean_y"], row["mean_x"]) == pytest.approx(tuple(mean))
            assert row["spread"] == pytest.approx(np.sqrt(((place[mine] - mean) ** 2).mean()))
            values = [value for n, (_, _, value) in enumerate(peaks) if mine[n]]
            assert row["mean_activation"] == pytest.approx(np.mean(values))
            listed = [(peak["view"], peak["y"], peak["x"]) for peak in row["top_images"]]
            expected = [(view, *place[n]) for n, (view, _, _) in enumerate(peaks) if mine[n]]
            assert listed == expected


def test_maps_of_one_position_are_counted_with_the_reason(run):
    units = schemas.scan_unit_patterns(run).filter(layer="4").collect()
    assert units.height == 7
    assert units["reason"].unique().to_list() == ["maps of a single position have no peaks"]
    assert schemas.scan_patterns(run).filter(layer="4").collect().is_empty()


def test_too_few_peaks_are_counted_with_the_reason(data, tmp_path):
    planted.write_colours(tmp_path / "few", images=24)
    run = audit_here(tmp_path / "run", data=tmp_path / "few", **{**SETTINGS, "layers": "3"})
    units = schemas.scan_unit_patterns(run).sort("unit").collect()
    assert units["peaks"].to_list() == [8, 16, 24, 0, 8, 8, 8]
    assert units["reason"].to_list()[:3] == ["fewer than 20 peaks above T"] * 2 + [None]
    assert units["patterns"].is_null().to_list() == [True, True, False, True, True, True, True]


@pytest.mark.parametrize("blocks", [{"image_block": 7}, {"unit_block": 3}])
def test_patterns_do_not_depend_on_blocks(run, data, tmp_path, blocks):
    other = audit_here(tmp_path / "run", data=data, **SETTINGS, **blocks)
    for table in ("patterns", "unit_patterns"):
        keys = ["layer", "unit", *(["pattern"] if table == "patterns" else [])]
        one, two = (schemas.scan(which, table).sort(keys).collect() for which in (run, other))
        assert one.equals(two)


def test_the_histogram_counts_every_filter(run):
    found = patterns_per_unit(run).rows()
    assert found == [
        ("colours", "3", 1, 4), ("colours", "3", 2, 1), ("colours", "3", 3, 1), ("colours", "3", None, 1),
        ("colours", "4", None, 7),
    ]  # fmt: skip
    summary = pattern_summary(run).filter(layer="3").row(0, named=True)
    counts = {"filters": 7, "one": 4, "two": 1, "three": 1, "more": 0, "too few peaks": 1}
    assert {name: summary[name] for name in counts} == counts
    assert summary["mean"] == pytest.approx(9 / 6)
    assert summary["largest share"] == pytest.approx((1 / 2 + 1 / 3) / 2)


@pytest.mark.slow
def test_an_audit_on_workers_finds_the_same_prints_it_and_can_be_examined(run, data, audited, capsys):
    other = audited(data=data, **SETTINGS, unit_block=4, actors=1)
    for table in ("patterns", "unit_patterns"):
        one, two = (schemas.scan(which, table).drop("model") for which in (run, other))
        keys = [name for name in ("layer", "unit", "pattern") if name in one.collect_schema()]
        assert one.sort(keys).collect().equals(two.sort(keys).collect())
    print_summary(other)
    assert "Patterns: how many kinds of pattern" in capsys.readouterr().out
    assert examine(other) == []
    file = next((other / "features").rglob("*.npy"))
    file.write_bytes(file.read_bytes()[:-1])
    assert [(problem.path, problem.key.stage) for problem in examine(other)] == [(file, "local-features")]


def test_a_run_without_patterns_has_an_empty_summary(tmp_path):
    assert pattern_summary(tmp_path).is_empty()
    assert patterns_per_unit(tmp_path).filter(pl.col("filters") > 0).is_empty()


def test_the_largest_pattern_of_a_follower_has_the_instability_of_the_definition(audited, tmp_path):
    dots, marks = write_dots(tmp_path / "data")
    run = audited(data=tmp_path / "data", models=[PLANTED], layers="1", metrics="patterns", views="objects")
    largest = schemas.scan_patterns(run).filter(unit=0, pattern=0).collect().row(0, named=True)
    views = [peak["view"] for peak in largest["top_images"]]
    assert [(peak["y"], peak["x"]) for peak in largest["top_images"]] == [tuple(dots[view]) for view in views]
    marks[[0, 1]] = np.nan  # seen twice, and outside
    expected, tracking = naive.location.location_instability(
        dots[views], marks[views], (planted.SIZE, planted.SIZE), fewest=10, unbiased=True
    )
    units = schemas.scan_unit_patterns(run).sort("unit").collect()
    assert units["patterns"].is_null().to_list() == [False, True, True]
    found = pattern_instability(run).row(0, named=True)
    assert (found["filters"], found["category"], found["landmark"]) == (1, "bird", "dot")
    assert (found["patterns"], found["tracking"]) == pytest.approx((expected, tracking), abs=0.02)
    assert found["patterns"] < found["own mean"]
    assert found["beat"] == 1
