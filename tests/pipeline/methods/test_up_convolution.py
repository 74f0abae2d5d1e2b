"""The method up-convolution through an audit: what is measured, beside which controls, and what is refused."""

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from filterscope import schemas
from filterscope.jobs.config.train import asked_of
from filterscope.jobs.runs.train import train
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.up_convolution.findings import damaged, hung, kept, of_units
from filterscope.pipeline.training.inverting import inverters_in, opened, split_of
from filterscope.pipeline.views.views import ViewSettings
from tests.audits import audit_here
from tests.planted.inverted import GREY, SIDE, drawn, entry, source, write_squares

SETTINGS = {
    "models": [entry("luminance")], "layers": "0", "methods": "up-convolution", "image_block": 16,
    "up-convolution.pictures": 3, "up-convolution.views": 12, "up-convolution.fitted": 30,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_squares(tmp_path_factory.mktemp("data") / "squares", 64)


@pytest.fixture(scope="module")
def inverters(data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("inverters") / "run"
    quick = {"epochs": 2, "width": 1 / 32, "batch": 16}
    train(asked_of("inverter", data, quick, seeds=1, models=[source("luminance")], layers="0"), out, actors=0)
    return out


@pytest.fixture(scope="module")
def run(data, inverters, tmp_path_factory) -> Path:
    asked = {**SETTINGS, "up-convolution.inverters": str(inverters)}
    return audit_here(tmp_path_factory.mktemp("audit") / "run", data=data, **asked)


def pictures(run, name):
    """Return the pictures of a source, from 0 to 1, by view."""
    rows = schemas.scan_upconvolution_pictures(run).filter(source=name).sort("view").collect()
    return np.stack([np.asarray(Image.open(io.BytesIO(data))) for data in rows["picture"]]) / 255, rows


def test_pictures_are_of_held_out_images_and_every_error_is_theirs(run, data, inverters):
    shown, rows = pictures(run, "image")
    split = split_of(data, Dataset(data).identity, ViewSettings(), 0.25)
    assert set(rows["view"]) <= set(split.heldout.tolist())
    pixels = drawn(64)[0]
    assert (shown * 255 == pixels[rows["view"].to_list()]).all()
    inverter = next(one for one in inverters_in(inverters) if one.about["kind"] == "inverter")
    network = opened(inverter)
    grey = (shown @ np.array(GREY))[:, None]
    made = network(torch.from_numpy(grey).float()).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    found, rows = pictures(run, "inverter")
    assert np.abs(found - made).max() < 0.003
    errors = np.sqrt(((made - shown) ** 2).sum((1, 2, 3))) / float(network.distance)
    assert rows["error"].to_numpy() == pytest.approx(errors, rel=1e-3)
    learned = pixels[split.train] / 255
    assert np.abs(pictures(run, "mean_image")[0] - learned.mean(0)).max() < 0.003
    near, _ = pictures(run, "nearest")
    for picture in near:
        assert np.abs(learned - picture).reshape(len(learned), -1).max(1).min() < 0.003


def test_errors_stand_beside_controls(run):
    rows = {
        row["measure"]: row for row in schemas.scan_upconvolutions(run).filter(features="whole").collect().to_dicts()
    }
    assert set(rows) == {"error", "colour", "place", "edges", "structure", "cycle"}
    error = rows["error"]
    assert error["images"] == 12
    assert error["value"] < min(error["mean_image"], error["another"])
    assert error["low"] < error["value"] < error["high"]
    # a network without random weights is the same untrained
    assert error["random_weights"] == pytest.approx(error["value"])
    assert error["kept_by_training"] == pytest.approx(0, abs=1e-6)
    assert rows["cycle"]["value"] < rows["cycle"]["mean_image"]
    # of an inverter of grey values colour is what it is, and place is found
    assert rows["place"]["value"] < rows["place"]["another"]


def test_damaged_features_are_inverted_worse(run):
    rows = damaged(run, "luminance", "0")
    assert rows["features"].to_list() == ["whole", "binary", "dropped 25%", "dropped 50%", "dropped 75%"]
    assert (rows["error"][1:] > rows["error"][0]).all()
    assert rows["error"][4] > rows["error"][2]


def test_findings_hold_every_measure_picture_and_unit(run):
    assert kept(run).height == 6
    wall = hung(run, "luminance", "0")
    assert wall.height == 3 * 7
    assert wall["source"].to_list()[:3] == ["image", "inversion", "untrained"]
    unit = of_units(run, "luminance", "0").to_dicts()[0]
    assert unit["change"] > 0.1
    assert unit["in another's"] is None
    assert 0 < unit["inside"] <= 1


def test_what_does_not_fit_is_refused(data, inverters, run, tmp_path):
    def refused(**more):
        with pytest.raises(InputError) as error:
            audit_here(
                tmp_path / "refused", data=data, **{**SETTINGS, "up-convolution.inverters": str(inverters), **more}
            )
        return str(error.value)

    assert "name the folder by --up-convolution.inverters" in refused(**{"up-convolution.inverters": None})
    assert "no such folder of inverters" in refused(**{"up-convolution.inverters": str(tmp_path / "none")})
    assert "no inverters of layer '0' of overall" in refused(models=[entry("overall")])
    assert "another input size or normalisation" in refused(models=[{**entry("luminance"), "std": [0.5] * 3}])
    assert "squashed to the input" in refused(geometry="crop")
    other = write_squares(tmp_path / "other", 40, seed=3)
    with pytest.raises(InputError, match="trained on another data set"):
        audit_here(tmp_path / "refused", data=other, **{**SETTINGS, "up-convolution.inverters": str(inverters)})


def test_an_audit_again_gives_the_same_bits(run, data, inverters, tmp_path):
    again = audit_here(tmp_path / "run", data=data, **{**SETTINGS, "up-convolution.inverters": str(inverters)})
    for name in ("upconvolutions", "upconvolution_pictures", "upconvolution_units"):
        one, two = (schemas.scan(folder, name).collect().sort(pl.all().exclude("picture")) for folder in (run, again))
        assert one.equals(two), name
    assert SIDE == 16
