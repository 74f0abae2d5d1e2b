"""Inversions recover what a layer knows and lose what it does not, beside their controls; audits write and show them."""

import io

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from torch import nn

from filterscope import schemas
from filterscope.operators.visualization.inversion import others, relative_errors
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.methods.inversion import drawn, told
from filterscope.pipeline.methods.inversion.findings import images as images_of
from filterscope.pipeline.methods.inversion.findings import summary
from filterscope.pipeline.methods.inversion.inverting import Likeness, inverted
from filterscope.pipeline.methods.inversion.options import InversionOptions
from filterscope.pipeline.models.gradients import INPUT
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.taps import Taps
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here
from tests.jobs.report.pages import Page, written_here
from tests.naive.inversion import loss

SIDE = 16
HERE = "tests.pipeline.methods.test_inversion"


def mixed():
    """Return a first layer that mixes colours without loss, and a second that keeps nothing but the mean of the image."""
    first, second = nn.Conv2d(3, 6, 1, bias=False), nn.Conv2d(6, 6, 1, bias=False)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        basis = torch.linalg.qr(torch.randn(6, 6, generator=generator))[0]
        first.weight[:] = torch.cat([basis[:3, :3], -basis[:3, :3]])[:, :, None, None]
        second.weight[:] = torch.eye(6)[:, :, None, None]
    return nn.Sequential(first, nn.ReLU(), nn.AdaptiveAvgPool2d(2), second)


def grey():
    """Return a layer that knows how light each pixel is, and nothing of its colour."""
    conv = nn.Conv2d(3, 2, 1, bias=False)
    with torch.no_grad():
        conv.weight[0], conv.weight[1] = 1 / 3, -1 / 3
    return nn.Sequential(conv, nn.ReLU())


def around(module, layer):
    middle = torch.full((1, 3, 1, 1), 127.5)
    return Network(Taps(module.eval().requires_grad_(False), (layer,)), (layer,), 2, 1.0, "cpu", middle, middle / 2)


def pictures(count=2):
    """Return smooth coloured images."""
    random = np.random.default_rng(0)
    coarse = random.integers(40, 216, (count, 4, 4, 3), np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for one in coarse])


def made(module, layer, steps=120):
    """Return images, what was made of their activations, and the error in the layer."""
    network, pixels = around(module, layer), pictures()
    targets = network.exact(pixels)[layer]
    begun = 0.1 * np.random.default_rng(1).standard_normal((2, 3, SIDE, SIDE)).astype(np.float32)
    asked = InversionOptions(steps=steps, smoothness=0.001, range=0.0)
    found = inverted(network, layer, targets, begun, asked)
    return pixels.astype(float), found.astype(float), relative_errors(network.exact(found)[layer], targets)


def off(found, pixels):
    """Return squared distances over those of the mean colour."""
    return ((found - pixels) ** 2).sum((1, 2, 3)) / ((pixels - pixels.mean((1, 2), keepdims=True)) ** 2).sum((1, 2, 3))


def test_a_layer_that_loses_nothing_gives_the_image_back():
    pixels, found, errors = made(mixed(), "1")
    assert (errors < 0.01).all()
    assert (off(found, pixels) < 0.02).all()


def test_a_layer_of_lightness_gives_that_back_and_no_colour():
    pixels, found, errors = made(grey(), "1")
    assert (errors < 0.01).all()
    light = [values.mean(3, keepdims=True) for values in (found, pixels)]
    assert (off(*light) < 0.03).all()
    colour = pixels - light[1]
    lost = (colour - colour.mean((1, 2), keepdims=True) * 0) ** 2
    # what is left of the colour is noise about grey
    assert (((found - light[0] - colour) ** 2).sum((1, 2, 3)) > 0.9 * lost.sum((1, 2, 3))).all()


def test_a_layer_of_means_gives_its_error_and_not_the_image():
    pixels, found, errors = made(mixed(), "3")
    assert (errors < 0.01).all()
    assert (off(found, pixels) > 0.3).all()


def test_what_is_made_small_equals_the_formula():
    random = np.random.default_rng(2)
    values, targets = (random.standard_normal((2, 4, 3, 3)).astype(np.float32) for _ in range(2))
    pixels = random.standard_normal((2, 3, 5, 6)).astype(np.float32)
    of = Likeness("a", torch.from_numpy(targets), 0.7, 0.3)
    found = of(None, {"a": torch.from_numpy(values), INPUT: torch.from_numpy(pixels)})
    expected = [-loss(*each, 0.7, 0.3) for each in zip(values, targets, pixels, strict=True)]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_errors_of_others_are_those_of_the_formula():
    values = np.array([[1.0, 0], [0, 1], [2, 0], [0, 0]])
    assert relative_errors(values, values[[0, 0, 0, 3]]).tolist() == pytest.approx([0, 2, 1, np.nan], nan_ok=True)
    found = others(values, np.array([5, 5, 3, 5]), 0)
    assert found == (pytest.approx((2 + 1) / 2), pytest.approx((2 + 1 + 1) / 3), pytest.approx(1))
    assert np.isnan(others(values, np.array([0, 1, 2, 3]), 0).of_class)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smooth") / "data"
    with DatasetWriter(folder, source={"reader": "smooth"}) as out:
        for number, pixels in enumerate(pictures(7)):
            path = folder.parent / f"{number}.png"
            Image.fromarray(pixels).save(path)
            out.image(path)
    return folder


SETTINGS = {
    "models": [{**planted.entry("mixed", "mixed"), "source": f"factory:{HERE}:mixed", "input_size": SIDE}], "layers": "1,2",
    "methods": "inversion", "inversion.steps": 25, "inversion.views": 3, "inversion.controls": 1, "image_block": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("mixed") / "run", data=data, **SETTINGS)


def test_every_number_is_what_the_network_says_of_the_picture(run, data):
    rows = schemas.scan_inversions(run).filter(layer="1", network="trained").sort("view").collect()
    assert rows.height == 3
    pictures_ = np.stack([np.asarray(Image.open(io.BytesIO(one))) for one in rows["picture"]])
    shown, found = pictures_[:, :, :SIDE], pictures_[:, :, SIDE + 4 :]
    every = np.stack([np.asarray(Image.open(data.parent / f"{number}.png")) for number in range(7)])
    assert np.array_equal(shown, every[rows["image"]])

    def maps(pixels):
        with torch.no_grad():
            return mixed()[:2](torch.from_numpy(np.moveaxis(pixels, 3, 1).astype(np.float32) / 255)).numpy()

    assert rows["error"].to_numpy() == pytest.approx(relative_errors(maps(found), maps(shown)), rel=1e-4)
    nearest = [
        min(relative_errors(maps(every[[other]]), maps(every[[image]]))[0] for other in range(7) if other != image)
        for image in rows["image"]
    ]
    assert rows["nearest_error"].to_numpy() == pytest.approx(nearest, rel=1e-4)
    assert rows["pixel_error"].to_numpy() == pytest.approx(off(found.astype(float), shown.astype(float)), rel=1e-6)
    assert (rows["error"] < rows["nearest_error"]).all()
    assert (rows["error"] < rows["noise_error"]).all()


def test_a_view_is_inverted_alike_whatever_else_is(run, data, tmp_path):
    other = audit_here(
        tmp_path / "run", data=data, **{**SETTINGS, "layers": "1", "inversion.views": 1, "inversion.controls": 0}
    )
    alone = schemas.scan_inversions(other).collect()
    (view,) = alone["view"]
    whole = schemas.scan_inversions(run).filter(layer="1", network="trained").filter(pl.col("view") == view).collect()
    assert alone.select("error", "picture").equals(whole.select("error", "picture"))


def test_the_network_with_shuffled_weights_stands_beside(run):
    rows = schemas.scan_inversions(run).filter(network="shuffled").collect()
    assert rows.height == 2
    table = summary(run)
    assert table["layer"].to_list() == ["1", "2"]
    assert table["views"].to_list() == [3, 3]
    assert table["shuffled"].to_list() == pytest.approx(rows.sort("layer")["error"].to_list())
    # pooling keeps less of the image
    assert table["in pixels"][0] < table["in pixels"][1]


def test_costs_are_told_and_a_page_shows_the_images(run, tmp_path):
    plan = RunFolder(run).plan()
    assert drawn(plan) == 2 * 4 * 3 * 25
    (line,) = told(plan)
    assert line == "mixed: inversion makes 8 images in 25 updates each, as long as 600 forward passes"
    page = Page(written_here(run, tmp_path / "site") / "index.html")
    pictures_ = [entry for tag, entry in page.tags if tag == "img" and "data:image/webp" in (entry["src"] or "")]
    assert len(pictures_) == 8
    shown = images_of(run)
    assert shown["layer"].to_list() == ["1", "2"] * 4
    assert shown["view"].is_sorted()
    assert set(shown.filter(pl.col("view") == shown["view"].min())["network"].to_list()[:2]) == {"trained"}
    for words in ("What layers still know of an image", "Images made anew from layers"):
        assert words in page.text
