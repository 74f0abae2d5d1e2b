"""Location instability end to end: a filter that follows a dot, and real filters on real animals."""

import json
import math
import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.operators.location.location_instability import PROTOCOLS
from filterscope.pipeline.datasets.animals import import_animals
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.location.findings import location_summary
from tests import naive, planted
from tests.planted import PLANTED
from tests.planted.dots import DOTS, write_dots

GOLDEN = Path(__file__).with_name("location_golden.json")
FOLLOWER, SILENT = 0, 2


@pytest.fixture(scope="module")
def dots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dots") / "data"
    return folder, *write_dots(folder)


def located(audited, dots, **settings):
    settings = {"models": [PLANTED], "layers": "1", "metrics": "location", "views": "objects", **settings}
    return audited(data=dots[0], **settings)


def rows_of(run):
    return schemas.scan_location_instability(run).sort("landmark", "unit").collect()


@pytest.fixture(scope="module")
def survey(audited, dots):
    return located(audited, dots)


def test_a_filter_that_follows_a_dot_has_the_deviation_computed_by_hand(survey, dots):
    seen = np.arange(2, DOTS)  # twice in the first crop, outside of the second
    row = rows_of(survey).filter(landmark="dot", unit=FOLLOWER).row(0, named=True)
    position, landmark = (values[seen].astype(float) for values in dots[1:])
    expected = naive.location.location_instability(position, landmark, (32, 32), fewest=10, unbiased=True)
    assert (row["instability"], row["tracking"]) == pytest.approx(expected, abs=1e-6)
    centre = naive.location.location_instability(
        np.full_like(position, 15.5), landmark, (32, 32), fewest=10, unbiased=True
    )
    assert row["fixed"] == pytest.approx(centre[0], abs=1e-6)
    assert (row["category"], row["protocol"], row["images"]) == ("bird", "survey", len(seen))
    assert (row["repeated"], row["outside"], row["no_maximum"]) == (1, 1, 0)
    assert row["tracking"] > 0.8
    assert row["beats_fixed"]
    assert row["beats_uniform"]


def test_a_filter_without_a_maximum_and_a_landmark_of_one_image_have_no_result(survey):
    rows = rows_of(survey)
    silent = rows.filter(landmark="dot", unit=SILENT).row(0, named=True)
    assert (silent["images"], silent["no_maximum"]) == (0, DOTS - 2)
    rare = rows.filter(landmark="rare", unit=FOLLOWER).row(0, named=True)
    assert (rare["images"], rare["repeated"]) == (1, 0)
    for row in (silent, rare):
        assert [row[name] for name in ("instability", "fixed", "uniform", "tracking", "p_fixed", "p_uniform")] == [
            None
        ] * 6
        assert not row["beats_fixed"]
        assert not row["beats_uniform"]


def test_released_protocols_choose_images_as_their_code_does(audited, dots):
    rows = {name: rows_of(located(audited, dots, location_protocol=name)) for name in PROTOCOLS if name != "survey"}
    kept = {name: part.filter(landmark="dot").sort("unit")["images"].to_list() for name, part in rows.items()}
    # 20 of all crops by activation, which is the same for all dots; two of them do not show the landmark once
    assert kept["explanatory-graph"][FOLLOWER] == 18
    assert kept["interpretable-cnn"][FOLLOWER] == DOTS - 2
    for name, count in (("explanatory-graph", 20), ("interpretable-cnn", DOTS)):
        seen = np.arange(2, count)
        position, landmark = dots[1][seen].astype(float), dots[2][seen]
        expected = naive.location.location_instability(position, landmark, (32, 32), fewest=2, unbiased=False)
        row = rows[name].filter(landmark="dot", unit=FOLLOWER).row(0, named=True)
        assert row["instability"] == pytest.approx(expected[0], abs=1e-6)
        # a map without a maximum counts as one at its first position
        silent = naive.location.location_instability(
            np.zeros_like(position), landmark, (32, 32), fewest=2, unbiased=False
        )
        row = rows[name].filter(landmark="dot", unit=SILENT).row(0, named=True)
        assert row["instability"] == pytest.approx(silent[0], abs=1e-6)


@pytest.mark.slow
def test_results_do_not_depend_on_blocks(audited, dots, survey):
    assert rows_of(located(audited, dots, unit_block=1, image_block=7)).equals(rows_of(survey))


def test_data_without_landmarks_is_refused(audited, dots, tmp_path):
    planted.write_dataset(tmp_path / "data")
    with pytest.raises(InputError, match="has no landmarks"):
        located(audited, (tmp_path / "data",), views="image")


def summary(run):
    """What is kept of a run: one row per model, layer and category."""
    rows = location_summary(run).iter_rows(named=True)
    return {"/".join((row["model"], row["layer"], row["category"])): row for row in rows}


def assert_golden(name, run):
    found = summary(run)
    numbers = ("units", "instability", "fixed", "uniform", "steadier", "tracking_10", "tracking_50", "tracking_90")
    if os.environ.get("FILTERSCOPE_UPDATE_GOLDEN"):
        kept = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
        kept[name] = {key: {n: round(row[n], 4) for n in numbers} for key, row in found.items()}
        GOLDEN.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    kept = json.loads(GOLDEN.read_text())[name]
    assert found.keys() == kept.keys()
    for key, expected in kept.items():
        assert found[key]["units"] == expected["units"]
        assert found[key]["steadier"] == pytest.approx(expected["steadier"], abs=2)
        for number in ("instability", "fixed", "uniform"):
            assert found[key][number] == pytest.approx(expected[number], abs=5e-4)
        for number in ("tracking_10", "tracking_50", "tracking_90"):
            assert found[key][number] == pytest.approx(expected[number], abs=0.05)
    return found


def models(test_data, mobilenet, efficientnet):
    weights = test_data / "weights" / "mobilenet_v2-b0353104.pth"
    return [
        {"source": f"torchvision:mobilenet_v2@{weights}", "name": "mobilenet_v2", "layers": mobilenet},
        {"source": "package:efficientnet-lite0", "name": "efficientnet-lite0", "layers": efficientnet},
    ]


def test_dogs_are_golden(audited, test_data, tmp_path):
    """Every sixth image with a dog, and one network."""
    rows = [line.split(",") for line in (test_data / "animals" / "objects.csv").read_text().splitlines()]
    chosen = set(sorted({row[0] for row in rows if row[1] == "dog"})[::6])
    source = tmp_path / "animals"
    source.mkdir()
    (source / "images").mkdir()
    (source / "negatives").mkdir()
    for name in chosen:
        shutil.copy(test_data / "animals" / "images" / name, source / "images" / name)
    for table in ("objects.csv", "landmarks.csv"):
        head, *lines = (test_data / "animals" / table).read_text().splitlines()
        (source / table).write_text("\n".join([head, *(line for line in lines if line.split(",")[0] in chosen)]) + "\n")
    import_animals(source, tmp_path / "data", in_place=True)
    run = audited(
        data=tmp_path / "data", models=models(test_data, ["features.18"], [])[:1], metrics="location", views="objects"
    )
    assert_golden("every sixth dog", run)


@pytest.mark.slow
def test_animals_are_golden(audited, test_data, tmp_path):
    """All birds, cats and dogs: a dot at the centre beats nearly every filter, and early layers look anywhere."""
    import_animals(test_data / "animals", tmp_path / "data", in_place=True)
    nets = models(test_data, ["features.18", "features.13", "features.3"], ["-1", "_blocks.10", "_blocks.2"])
    run = audited(data=tmp_path / "data", models=nets, metrics="location", views="objects")
    found = assert_golden("animals", run)
    head = schemas.scan_location_instability(run).filter(landmark="head", model="mobilenet_v2", layer="features.18")
    fixed = dict(head.group_by("category").agg(pl.col("fixed").mean()).collect().iter_rows())
    # an independent run over all animals, not the strongest of each unit
    assert fixed == pytest.approx({"bird": 0.073, "dog": 0.084, "cat": 0.090}, abs=0.002)
    late, early = (
        np.mean([row["instability"] for key, row in found.items() if key.startswith(f"mobilenet_v2/features.{layer}/")])
        for layer in (18, 3)
    )
    uniform = np.mean([row["uniform"] for row in found.values()])
    assert late == pytest.approx(0.138, abs=0.001)
    assert early == pytest.approx(0.167, abs=0.001)
    assert uniform == pytest.approx(0.157, abs=0.002)
    assert math.isclose(early, uniform, abs_tol=0.012)
