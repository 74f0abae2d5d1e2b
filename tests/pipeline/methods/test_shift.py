"""A network's units follow a planted dot when the crop moves; needs no landmark; the same whatever else is in the run."""

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.pipeline.datasets.animals import import_animals
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.shift.findings import shift_summary
from filterscope.pipeline.methods.shift.stage import canvas_of, shifted_views
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.views.geometry import Geometry
from tests.planted.dots import LOWER, UPPER, write_animals
from tests.planted.networks import entry

SETTINGS = {"models": [entry("two_layers")], "layers": f"{LOWER},{UPPER}", "metrics": "shift", "actors": 0}


@pytest.fixture(scope="module")
def animals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shift") / "data"
    write_animals(folder, unmarked=set(range(42)))
    return folder


@pytest.fixture(scope="module")
def run(audited, animals):
    return audited(data=animals, views="objects:bird", flips=True, negatives=True, **SETTINGS)


def rows(run):
    return schemas.scan_follows_shift(run).sort("layer", "unit").collect()


def test_units_that_see_the_dot_follow_it_without_any_landmark(run):
    found = rows(run)
    assert found["category"].unique().to_list() == ["bird"]
    for layer in (LOWER, UPPER):
        first = found.filter(layer=layer, unit=0).row(0, named=True)
        assert first["follows_shift"] == pytest.approx(1, abs=0.15)
        assert first["follows_shift"] > 5 * first["standard_error"]
        # neither mirrored crops nor negatives are shifted
        assert first["views"] + first["no_maximum"] == 42
    silent = found.filter(pl.col("views") == 0)
    assert silent.height
    assert silent["follows_shift"].is_null().all()
    assert silent["triggered_share"].is_null().all()
    assert shift_summary(run)["follow"].to_list() == [1.0, 1.0]


def test_fewer_views_are_some_of_them(audited, animals, run):
    few = audited(data=animals, views="objects:bird", shift={"views": 20}, **SETTINGS)
    found = rows(few)
    assert (found["views"] + found["no_maximum"]).unique().to_list() == [20]
    plan = RunFolder.existing(few).plan()
    chosen = shifted_views(plan, "bird")
    assert len(chosen) == 20
    assert (np.diff(chosen) > 0).all()


def test_whole_images_move_too(audited, animals):
    found = rows(audited(data=animals, **SETTINGS))
    assert found["category"].is_null().all()
    first = found.filter(layer=LOWER, unit=0).row(0, named=True)
    # the negatives, which are noise, are images too
    assert first["views"] + first["no_maximum"] == 46
    assert first["follows_shift"] > 0.8


def test_too_few_views_are_refused_with_what_there_are(audited, animals):
    with pytest.raises(InputError, match=r"needs 10 pairs of crops.*no category has more than 5.*raise --shift.views"):
        audited(data=animals, views="objects:bird", shift={"views": 5}, **SETTINGS)


@pytest.mark.parametrize("kind", ["squash", "crop"])
def test_the_canvas_holds_the_input_at_the_same_offset_from_every_side(kind):
    canvas = canvas_of(Geometry(kind, (224, 280), 256, "bilinear"))
    assert canvas.size == (288, 344)
    assert canvas.shorter == round(256 * 288 / 224)


@pytest.mark.slow
def test_filters_of_squeezenet_follow_animals(audited, test_data, tmp_path):
    """A fifth of the last units move with birds, ten times what chance lets through, and more of the way where they fire."""
    import_animals(test_data / "animals", tmp_path / "data", in_place=True)
    weights = test_data / "weights" / "squeezenet1_1-rgb.pth"
    run = audited(
        data=tmp_path / "data", models=[f"torchvision:squeezenet1_1@{weights}"], layers="features.12", metrics="shift",
        views="objects:bird",
    )  # fmt: skip
    (row,) = shift_summary(run).iter_rows(named=True)
    assert row["units"] > 450
    assert row["follow"] == pytest.approx(0.21, abs=0.05)
    assert row["follows_shift_50"] == pytest.approx(0.11, abs=0.04)
    assert row["follows where triggered"] == pytest.approx(0.39, abs=0.08)
