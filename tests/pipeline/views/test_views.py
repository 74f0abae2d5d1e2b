"""Views: crops and flips show the same pixels in image, mask and landmarks, and are numbered, counted and dropped as said."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from filterscope import schemas
from filterscope.jobs.config.audit import load_config
from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.dissection import masks
from filterscope.pipeline.methods.extraction import extract
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.views.decode import decode
from filterscope.pipeline.views.geometry import Geometry, Window
from filterscope.pipeline.views.landmarks import landmarks_in_views
from filterscope.pipeline.views.views import Views, ViewSettings
from tests import naive, planted

SQUASH = Geometry("squash", (24, 32), 24, "nearest")
CROP = Geometry("crop", (24, 32), 40, "nearest")
WINDOWS = [Window(box, flip) for box in (None, (30, 20, 110, 100), (7, 3, 150, 64)) for flip in (False, True)]


def drawn(height, width, row, column, block=1):
    mask = np.zeros((height, width), bool)
    mask[row : row + block, column : column + block] = True
    return Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).convert("RGB"), mask


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("geometry", [SQUASH, CROP], ids=["squash", "crop"])
@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_marked_corner_is_the_same_in_image_mask_and_landmark(geometry, window, corner):
    """The input pixel in a corner is traced back to the image; what is marked there comes back in that corner alone."""
    height, width = 120, 160
    place = np.arange(height * width).reshape(height, width)
    row, column = corner[0] * 23, corner[1] * 31
    source = int(geometry.mask(place, (24, 32), window)[row, column])
    image, mask = drawn(height, width, *divmod(source, width))
    seen = geometry.image(image, window)[:, :, 0] > 127
    assert np.argwhere(seen).tolist() == [[row, column]]
    np.testing.assert_array_equal(geometry.mask(mask, (24, 32), window), seen)
    y, x = divmod(source, width)
    found_x, found_y = geometry.points(np.array([x]), np.array([y]), (height, width), window)
    assert abs(found_x[0] - column) <= 0.5
    assert abs(found_y[0] - row) <= 0.5


@given(st.integers(0, 60), st.integers(0, 60), st.integers(8, 60), st.integers(8, 60), st.booleans(), st.booleans())
def test_a_view_of_a_box_is_the_view_of_the_cut_out_image(x0, y0, wide, high, flip, squash):
    pixels = np.random.default_rng(0).integers(0, 256, (120, 120, 3), dtype=np.uint8)
    geometry = Geometry("squash" if squash else "crop", (17, 19), 21, "bilinear")
    box = (x0, y0, x0 + wide, y0 + high)
    cut = pixels[y0 : y0 + high, x0 : x0 + wide]
    found = geometry.image(Image.fromarray(pixels), Window(box, flip))
    expected = geometry.image(Image.fromarray(cut))
    np.testing.assert_array_equal(found, expected[:, ::-1] if flip else expected)
    found = geometry.mask(pixels[:, :, 0] > 99, (9, 8), Window(box, flip))
    expected = geometry.mask(cut[:, :, 0] > 99, (9, 8))
    np.testing.assert_array_equal(found, expected[:, ::-1] if flip else expected)


def test_points_go_where_a_squash_of_the_box_puts_them():
    """A box of 80 x 80 on 24 x 32: (x, y) comes to ((x - 30 + .5) 32 / 80 - .5, (y - 20 + .5) 24 / 80 - .5)."""
    size, window = (120, 160), Window((30, 20, 110, 100))
    x, y = SQUASH.points(np.array([30.0, 69.5, 109.0]), np.array([20.0, 59.5, 99.0]), size, window)
    np.testing.assert_allclose(x, [-0.3, 15.5, 31.3])
    np.testing.assert_allclose(y, [-0.35, 11.5, 23.35])
    flipped, same = SQUASH.points(np.array([30.0, 109.0]), np.array([20.0, 99.0]), size, Window(window.box, True))
    np.testing.assert_allclose(flipped, [31.3, -0.3])
    np.testing.assert_allclose(same, y[[0, 2]])


@pytest.fixture
def pictures(tmp_path):
    """Three images of 120 x 160 with objects and landmarks, and a negative."""
    folder = tmp_path / "data"
    with DatasetWriter(folder, source={}) as out:
        for name in ("a", "b", "c", "n"):
            Image.fromarray(np.zeros((120, 160, 3), np.uint8)).save(tmp_path / f"{name}.png")
            out.image(tmp_path / f"{name}.png", split="negative" if name == "n" else None)
        out.object(2, "dog", (-5.0, 10.25, 60.5, 70.0))
        out.object(0, "dog", (10.0, 10.0, 60.0, 60.0))
        out.object(0, "cat", (100.0, 0.0, 149.0, 51.0))
        out.object(0, "cat", (20.0, 20.0, 120.0, 110.0))
        out.object(1, "cat", (0.0, 0.0, 500.0, 9.0))
        for owner, name, x, y in (
            (1, "nose", 20, 20),
            (1, "nose", 30, 30),
            (1, "tail", 100, 20),
            (None, "spot", 5, 50),
        ):
            out.landmark(0, owner, name, x, y)
        out.landmark(0, 3, "nose", 30, 30)
        out.landmark(1, None, "spot", 1, 1)
    return Dataset(folder)


def test_whole_images_are_the_default(pictures):
    views = Views.of(pictures, ViewSettings())
    assert views.image.tolist() == [0, 1, 2, 3]
    assert [views.window(n) for n in range(4)] == [Window()] * 4
    assert ViewSettings().parameters == {}


def test_objects_make_views_by_image_and_small_boxes_are_dropped(pictures):
    """49 x 51 is 2499 pixels; a box is cut at the image before it is measured, and widened to whole pixels after."""
    views = Views.of(pictures, ViewSettings("objects"))
    assert [(views.image[n], views.object[n], views.category[n], views.window(n).box) for n in range(len(views))] == [
        (0, 1, "dog", (10, 10, 60, 60)),
        (0, 3, "cat", (20, 20, 120, 110)),
        (2, 0, "dog", (0, 10, 61, 70)),
    ]
    assert views.dropped == [
        ("object 2 (cat) of images/a.png", "its box has 49 x 51 pixels, fewer than 50 x 50"),
        ("object 4 (cat) of images/b.png", "its box has 160 x 9 pixels, fewer than 50 x 50"),
    ]


def test_one_category_flips_and_negatives(pictures):
    views = Views.of(pictures, ViewSettings("objects:dog", flips=True, negatives=True))
    assert views.image.tolist() == [0, 0, 2, 2, 3, 3]
    assert views.flip.tolist() == [False, True] * 3
    assert views.object.tolist() == [1, 1, 0, 0, -1, -1]
    assert views.window(5) == Window(None, True)
    table = pa.concat_tables(views.tables(rows=4))
    assert table["x0"].to_pylist() == [10, 10, 0, 0, None, None]
    assert table["object"].to_pylist() == [1, 1, 0, 0, None, None]


def test_views_that_cannot_be_are_refused(pictures, tmp_path):
    with pytest.raises(
        InputError, match=r"objects:dogs: the data set has no object of that category\. Did you mean 'dog'"
    ):
        Views.of(pictures, ViewSettings("objects:dogs"))
    with pytest.raises(InputError, match="--negatives goes with --views objects"):
        Views.of(pictures, ViewSettings(negatives=True))
    planted.write_dataset(tmp_path / "planted")
    with pytest.raises(InputError, match="has no objects; use --views image"):
        Views.of(Dataset(tmp_path / "planted"), ViewSettings("objects"))
    with DatasetWriter(tmp_path / "small", source={}) as out:
        out.object(out.image(tmp_path / "a.png"), "dog", (0, 0, 49, 51))
    with pytest.raises(InputError, match="all 1 boxes have fewer than 50 x 50 pixels"):
        Views.of(Dataset(tmp_path / "small"), ViewSettings("objects"))
    with pytest.raises(InputError, match=r"no image of .* is of the split 'negative'"):
        Views.of(Dataset(tmp_path / "small"), ViewSettings("objects", negatives=True))
    with pytest.raises(InputError, match=r"views: received 'object'; expected image, objects or objects:CATEGORY"):
        load_config(data=tmp_path, out=tmp_path / "run", models=["torchvision:resnet18@random:0"], views="object")


def test_landmarks_follow_their_object_into_its_view(pictures):
    views = Views.of(pictures, ViewSettings("objects", flips=True))
    found = landmarks_in_views(pictures, views, SQUASH)
    assert found.names == ["nose", "spot", "tail"]
    rows = list(
        zip(*(column.tolist() for column in (found.view, found.landmark, found.inside, found.instances)), strict=True)
    )
    dog = [(0, True, 2), (0, True, 2), (1, False, 0), (2, False, 0)]
    cat = [(0, True, 1), (1, False, 0)]
    expected = [(view, *row) for view, of in ((0, dog), (1, dog), (2, cat), (3, cat)) for row in of]
    assert rows == expected
    np.testing.assert_allclose(found.x[:2], [(10.5 * 32 / 50) - 0.5, (20.5 * 32 / 50) - 0.5])
    np.testing.assert_allclose(found.x[4:8], 31 - found.x[:4])
    np.testing.assert_allclose(found.y[4:8], found.y[:4])


def test_a_whole_image_has_all_its_landmarks(pictures):
    found = landmarks_in_views(pictures, Views.of(pictures, ViewSettings()), SQUASH)
    assert found.view.tolist() == [0] * 5 + [1]
    assert found.instances.tolist() == [3, 3, 3, 1, 1, 1]
    assert found.inside.all()


def test_no_landmarks_at_all(tmp_path):
    planted.write_dataset(tmp_path / "data")
    found = landmarks_in_views(Dataset(tmp_path / "data"), Views.of(Dataset(tmp_path / "data"), ViewSettings()), SQUASH)
    assert (found.names, len(found.view), len(found.instances)) == ([], 0, 0)


def test_views_of_a_bad_file_are_all_rejected(pictures, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    decoded = decode([tmp_path / name for name in ("bad.png", "bad.png", "a.png")], SQUASH, [Window()] * 3)
    assert [bool(reason) for reason in decoded.reasons] == [True, True, False]


MODEL = planted.entry("network")
BOXES = ((8, 4), (84, 20))


@pytest.fixture(scope="module")
def crops(tmp_path_factory) -> tuple[Path, np.ndarray]:
    """Grey images with two boxes of 64 x 64, red in each box and, where no view shows it, outside; and where red is."""
    folder = tmp_path_factory.mktemp("crops")
    rng, red = np.random.default_rng(0), np.zeros((6, 120, 160), bool)
    with DatasetWriter(folder / "data", source={}) as out:
        concepts = out.concept("red", "color"), out.concept("grey", "color")
        for number, here in enumerate(red):
            here[100:120] = True
            for left, top in BOXES:
                row, column = top + 2 * rng.integers(0, 20), left + 2 * rng.integers(0, 20)
                here[row : row + 20, column : column + 12] = True
            pixels = np.where(here[:, :, None], [255, 0, 0], 120).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
            image = out.image(folder / f"{number}.png")
            out.segment(image, concepts[0], here)
            out.segment(image, concepts[1], ~here)
            for left, top in BOXES:
                out.object(image, "thing", (left, top, left + 64, top + 64))
            out.object(image, "thing", (0, 0, 20, 20))
    return folder / "data", red


@pytest.fixture(scope="module")
def settings(crops):
    return {"data": crops[0], "models": [MODEL], "layers": "1", "quantile": 0.1, "min_images": 6, "image_block": 5}


@pytest.fixture(scope="module")
def run(audited, settings):
    return audited(**settings, views="objects", flips=True)


def shown(red: np.ndarray) -> list[np.ndarray]:
    """The red of every view, 64 x 64: two boxes per image, each and its mirror image."""
    parts = [image[top : top + 64, left : left + 64] for image in red for left, top in BOXES]
    return [view for part in parts for view in (part, part[:, ::-1])]


def test_maps_of_crops_show_the_box_and_those_of_flips_are_mirrored(run, crops):
    maps = ActivationStore(run, "planted", "1").read(0, 24, slice(0, 3))
    np.testing.assert_array_equal(maps[1::2, 0], maps[::2, 0, :, ::-1])
    np.testing.assert_array_equal(maps[:, 0] == 1, [view[1::2, 1::2] for view in shown(crops[1])])


def test_findings_on_crops_are_those_of_the_cut_out_pixels(run, crops):
    """Masks, counts and IoU once more from views cut by hand, by the slow twins; the red outside the boxes is unseen."""
    maps = ActivationStore(run, "planted", "1").read(0, 24, slice(0, 1))[:, 0]
    labels = [
        {n: naive.dissection.sample_mask(mask, 16, 16) for n, mask in enumerate((v, ~v))} for v in shown(crops[1])
    ]
    assert schemas.scan_thresholds(run).filter(pl.col("unit") == 0).collect()["threshold"].item() == 0
    activated = np.stack([naive.dissection.upsample(image, 16, 16) > 0 for image in maps])
    expected = naive.dissection.dissect(activated, labels, [0, 0])
    rows = schemas.scan_unit_concept(run).filter(pl.col("unit") == 0).collect()
    assert rows["iou"].to_list() == expected["iou"].tolist()
    assert rows["iou"][0] > 0.5
    counted = schemas.scan_concepts(run).sort("concept").collect()
    assert counted["images"].to_list() == [6, 6]
    assert counted["pixels"].to_list() == [sum(int(label[n].sum()) for label in labels) for n in (1, 0)]
    assert counted["eligible"].all()


def test_tables_name_view_and_image(run):
    views = schemas.scan_views(run).collect()
    assert views["image"].to_list() == np.repeat(np.arange(6), 4).tolist()
    assert views["object"].to_list() == np.repeat([3 * n + k for n in range(6) for k in (0, 1)], 2).tolist()
    for table in (schemas.scan_unit_image(run).collect(), schemas.scan_top_images(run).collect()):
        assert (table["image"] == table["view"] // 4).all()
        assert table["view"].max() > 6
    rejects = schemas.scan_rejects(run).collect()
    assert rejects["stage"].to_list() == ["views"] * 6
    assert rejects["reason"][0] == "its box has 20 x 20 pixels, fewer than 50 x 50"


@pytest.mark.slow
def test_an_image_counts_once_towards_min_images(audited, settings, tmp_path):
    run = audited(out=tmp_path / "run", **{**settings, "image_block": 7}, views="objects", flips=True)
    assert schemas.scan_concepts(run).collect()["images"].to_list() == [6, 6]
    with pytest.raises(InputError, match="is in 7 images or more"):
        audited(out=tmp_path / "more", **{**settings, "min_images": 7}, views="objects", flips=True)


@pytest.mark.slow
def test_changed_views_stop_and_redo_makes_them_anew(audited, settings, tmp_path):
    run = audited(out=tmp_path / "run", **settings)
    assert len(ActivationStore(run, "planted", "1").read(0, 99, slice(0, 3))) == 10
    with pytest.raises(InputError, match=r"views is 'objects' and was not stated.*--redo masks,extract,"):
        audited(out=run, **settings, views="objects")
    audited(out=run, redo="masks,extract", **settings, views="objects")
    maps = ActivationStore(run, "planted", "1").read(0, 12, slice(0, 1))
    assert maps.shape == (12, 1, 32, 32)
    assert schemas.scan_views(run).collect().height == 12
    assert schemas.scan_thresholds(run).collect()["count"].unique().item() == 12 * 32 * 32


@pytest.mark.slow
def test_whole_images_leave_fingerprints_as_they_were(run, audited, settings, tmp_path):
    plain = RunFolder(audited(out=tmp_path / "run", **settings)).plan()
    model = plain.models[0]
    assert not {"views", "flips", "negatives"} & extract.parameters(plain, model).keys()
    assert set(masks.parameters(plain, model)) == {"data", "masks", "image_block"}
    cropped = RunFolder(run).plan()
    assert extract.parameters(cropped, model)["views"] == "objects"
    assert masks.parameters(cropped, model)["flips"] is True
