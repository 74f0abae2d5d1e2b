"""The method effective-field through whole audits: planted fields, their controls, and strips of images."""

import io

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from filterscope import schemas
from filterscope.jobs.report.place import unit_place
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.attribution.drawn import drawn_views
from filterscope.pipeline.methods.effective_field.costs import drawn, told
from filterscope.pipeline.methods.effective_field.findings import agreement, of_units, strips, summary, wall
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here
from tests.jobs.report.pages import Page, written_here

SIDE = 40
SETTINGS = {
    "models": [{**planted.entry("averaging", "averaging"), "input_size": SIDE}], "layers": "1", "min_images": 1,
    "methods": "effective-field,receptive-field", "effective_images": 8, "effective_controls": 2, "strip_images": 4,
    "occluder": 2, "occluder_step": 2, "field_images": 8, "quantile": 0.05,
}  # fmt: skip


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Dark images with one bright square of 9 x 9 pixels."""
    folder, random = tmp_path_factory.mktemp("spots") / "data", np.random.default_rng(0)
    with DatasetWriter(folder, source={"reader": "planted"}) as out:
        for number in range(10):
            pixels = random.integers(0, 20, (SIDE, SIDE, 3), np.uint8)
            top, left = random.integers(8, 23, 2)
            pixels[top : top + 9, left : left + 9] = 255
            path = folder.parent / f"{number}.png"
            Image.fromarray(pixels).save(path)
            out.image(path)
    return folder


@pytest.fixture(scope="module")
def run(images, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("averaging") / "run", data=images, **SETTINGS)


@pytest.fixture(scope="module")
def rows(run):
    return schemas.scan_effective_fields(run).sort("unit").collect()


def radius_of(side, share):
    """Return the radius of the disc about the middle of a square of pixels that holds a share of them."""
    places = np.arange(side) - (side - 1) / 2
    distances = np.sort(np.hypot(places[:, None], places).ravel())
    return distances[int(np.ceil(share * side**2 - 1e-9)) - 1]


def test_planted_fields_are_found_exactly(rows):
    """Unit 0 averages 9 x 9 pixels, unit 1 the 3 x 3 at their lower left, unit 2 ignores the image."""
    assert rows["images"].to_list() == [8, 8, 0]
    assert rows["radius68"].to_list() == pytest.approx([radius_of(9, 0.68), radius_of(3, 0.68), None])
    assert rows["radius95"].to_list() == pytest.approx([radius_of(9, 0.95), radius_of(3, 0.95), None])
    assert rows["uniform68"].to_list() == pytest.approx([radius_of(9, 0.68), radius_of(9, 0.68), None])
    assert rows["uniform95"].to_list() == pytest.approx([radius_of(9, 0.95), radius_of(9, 0.95), None])
    assert rows["anisotropy"].to_list() == pytest.approx([1, 1, None])
    assert rows["offset_y"].to_list() == pytest.approx([0, 3, None], abs=1e-5)
    assert rows["offset_x"].to_list() == pytest.approx([0, -3, None], abs=1e-5)
    assert rows["theoretical_size"].to_list() == [9, 9, 9]
    first, second, third = (np.asarray(Image.open(io.BytesIO(data))) for data in rows["picture"])
    assert first.shape == (9, 9, 3)
    assert (first == 255).all()
    expected = np.zeros((9, 9))
    expected[6:, :3] = 255
    assert np.array_equal(second[..., 0], expected)
    assert not third.any()


def test_a_network_with_shuffled_weights_stands_beside(run):
    """Its weights lie anywhere in the theoretical field, so that the field of unit 1 is as large as that of any other."""
    found = schemas.scan_effective_controls(run).collect()
    assert found.height == 2
    measured = found.drop_nulls()
    assert measured.height >= 1
    assert measured["radius68"].min() > radius_of(3, 0.95)
    row = summary(run).to_dicts()[0]
    assert (row["units"], row["theoretical"]) == (2, 9)
    assert row["random 68 %"] == pytest.approx(measured["radius68"].median())
    assert row["68 %"] == pytest.approx((radius_of(9, 0.68) + radius_of(3, 0.68)) / 2)


def test_fields_agree_with_occlusion(run):
    (row,) = agreement(run).to_dicts()
    assert (row["units"], row["rho"]) == (2, pytest.approx(1))
    sizes = schemas.scan_receptive_fields(run).sort("unit").collect()["empirical_size"].to_numpy()[:2].astype(float)
    sides = np.sqrt(np.pi) * np.array([radius_of(9, 0.68), radius_of(3, 0.68)])
    assert row["occlusion to gradient"] == pytest.approx(np.median(sizes / sides))
    assert row["occlusion to gradient"] == pytest.approx(1, abs=0.4)


def test_strips_say_what_the_network_says_of_strongest_and_drawn_views(run, images):
    found = schemas.scan_field_strips(run).filter(unit=1).collect()
    assert found["kind"].to_list() == ["top"] * 3 + ["random"] * 4
    assert found["view"].to_list()[:3] == _strongest(run, 1)
    assert found["view"].to_list()[3:] == drawn_views(RunFolder(run).plan(), 4).tolist()
    maps = _maps(images, range(10))
    limit = np.sort(maps[:, 1].ravel())[-int(0.05 * maps[:, 1].size) - 1]
    assert found["threshold"].to_list() == pytest.approx([limit] * 7, rel=1e-5)
    assert found["fires"].to_list() == pytest.approx([(maps[:, 1] > limit).any((1, 2)).mean()] * 7)
    own = _maps(images, found["image"].to_list())[:, 1]
    assert found["maximum"].to_list() == pytest.approx(own.max((1, 2)), rel=1e-5)
    assert found["active"].to_list() == pytest.approx((own > limit).mean((1, 2)), abs=0.002)


def test_what_is_bright_is_what_active_cells_see(run, images):
    row = schemas.scan_field_strips(run).filter(unit=1, kind="top", number=0).collect().to_dicts()[0]
    picture = np.asarray(Image.open(io.BytesIO(row["picture"]))).astype(float)
    assert picture.shape == (SIDE, 2 * SIDE + 4, 3)  # no larger than the images
    image = np.asarray(Image.open(images.parent / f"{row['image']}.png")).astype(float)
    shown = picture[:, SIDE + 4 :]
    kept = (shown == image).all(2)
    assert (shown[~kept] == np.rint(image[~kept] * 0.2)).all()
    seen = _moved(images, row["image"], row["threshold"])
    # every pixel that is kept moves an active position, or lies within the window about one that does
    grown = np.lib.stride_tricks.sliding_window_view(np.pad(seen, 1), (3, 3)).any((2, 3))
    assert kept.any()
    assert not (kept & ~grown & (image.min(2) > 5)).any()


def test_a_unit_has_the_same_field_alone(rows, images, tmp_path):
    settings = {**SETTINGS, "methods": "effective-field", "units": "1", "strip_images": 0}
    alone = audit_here(tmp_path / "run", data=images, **settings)
    assert schemas.scan_effective_fields(alone).collect().equals(rows.filter(unit=1))
    assert schemas.scan_field_strips(alone).collect().height == 0
    with pytest.raises(InputError, match="unit 3 is not in layer '1' of averaging"):
        audit_here(tmp_path / "other", data=images, **{**settings, "units": "3"})


def test_the_cost_is_told_before(run):
    plan = RunFolder(run).plan()
    # 3 units and 2 controls on 8 images, 3 units on 4 drawn and 3 strongest views; a pool of 10 views
    assert drawn(plan) == 3 * (5 * 8 + 3 * 7) + 10
    assert told(plan) == [
        "averaging: effective-field takes 61 gradients, as long as 193 forward passes, the cost of extracting 19 times"
    ]


def test_pages_of_units_show_field_and_strip(run, tmp_path):
    site = written_here(run, tmp_path / "site")
    page = Page(site.joinpath(*unit_place("averaging", "1", 1)))
    pictures = [entry for tag, entry in page.tags if tag == "img" and "data:image/webp" in (entry["src"] or "")]
    assert len(pictures) == 1 + 7
    assert "Effective field of the unit" in page.text
    assert "What active cells see" in page.text
    every = of_units(run, "averaging", "1")
    assert wall(run, "averaging", "1").equals(
        every.select("model", "layer", "unit", "68 %", "uniform 68 %", "long to short", "picture")
    )
    assert strips(run, "averaging", "1").filter(pl.col("unit") == 1)["kind"].to_list() == ["top"] * 3 + ["random"] * 4


def _pixels(images, numbers):
    return np.stack([np.asarray(Image.open(images.parent / f"{number}.png")) for number in numbers])


def _maps(images, numbers):
    batch = torch.from_numpy(np.moveaxis(_pixels(images, numbers), 3, 1).astype(np.float32) / 255)
    with torch.no_grad():
        return planted.averaging()(batch).numpy()


def _strongest(run, unit):
    from filterscope.pipeline.stores.activations import ActivationStore

    maxima = ActivationStore(run, "averaging", "1").read_maxima(0, 10, slice(None))[:, unit].astype(float)
    return sorted(range(10), key=lambda view: (-maxima[view], view))[:3]


def _moved(images, number, limit):
    """Return the pixels that unit 1 sees from the positions where it is above a limit."""
    active = _maps(images, [number])[0, 1] > limit
    seen = np.zeros(active.shape, bool)
    for y, x in np.argwhere(active):
        seen[max(y + 2, 0) : y + 5, max(x - 4, 0) : max(x - 1, 0)] = True
    return seen
