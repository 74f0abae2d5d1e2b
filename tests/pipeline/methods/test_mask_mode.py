"""Masks drawn as the survey does, and views of one image counted as one image, from Zarr to table by the slow twins."""

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.pipeline.datasets.layout import Dataset, decode_mask
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.stores.activations import ActivationStore
from tests import naive, planted
from tests.planted import PLANTED

SETTINGS = {"models": [PLANTED], "layers": "1", "quantile": 0.05, "min_images": 3}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted") / "data"
    planted.write_dataset(folder)
    return folder


def sampled(dataset, views):
    """Labels of every view: those of its image, mirrored for every second one."""
    labels = [{} for _ in range(views)]
    for row in dataset.segments(0, views // 2):
        mask = naive.dissection.sample_mask(decode_mask(row["mask"], planted.SIZE, planted.SIZE), 16, 16)
        flipped = naive.dissection.sample_mask(decode_mask(row["mask"], planted.SIZE, planted.SIZE)[:, ::-1], 16, 16)
        for flip, shown in enumerate((mask, flipped)):
            if shown.any():
                labels[2 * row["image"] + flip][row["concept"] - 1] = shown
    return labels


@pytest.mark.slow
def test_survey_masks_of_flipped_images_agree_with_the_definition(audited, data):
    # blocks of 5 part the two views of an image
    run = audited(data=data, **SETTINGS, mask_mode="survey", flips=True, image_block=5)
    maps = ActivationStore(run, "planted", "1").read(0, 24, slice(0, 3))
    dataset = Dataset(data)
    names, order = (dataset.concepts[name].to_pylist() for name in ("name", "category"))
    labels, source = sampled(dataset, 24), np.repeat(np.arange(12), 2).tolist()
    # 32 x 32 pixels, a convolution of 3 x 3: stride 1, the first centre on the first pixel
    geometry = (16, 16), (32, 32), (0.0, 0.0), (1.0, 1.0), (3.0, 3.0)
    for unit in range(3):
        threshold = np.quantile(maps[:, unit].astype(np.float64), 0.95, method="inverted_cdf")
        activated = np.stack(
            [naive.dissection.survey_mask(image[unit].astype(float), threshold, *geometry) for image in maps]
        )
        numbers = [sorted(set(order)).index(category) for category in order]
        expected = naive.dissection.dissect(activated, labels, numbers, source)
        rows = schemas.scan_unit_concept(run).filter(pl.col("unit") == unit).collect()
        found = {row["concept"]: row for row in rows.iter_rows(named=True)}
        for number, name in enumerate(names):
            assert found[name]["iou"] == expected["iou"][number]
            assert found[name]["association"] == expected["association"][number]
            assert found[name]["effective_images"] == pytest.approx(expected["effective"][number])
    images = schemas.scan_concepts(run).filter(concept="red").collect()["images"].item()
    most = schemas.scan_unit_concept(run).select(pl.col("effective_images").max()).collect().item()
    assert (images, most <= 12) == (4, True)


def test_the_mask_mode_is_part_of_what_a_run_is(audited, data, tmp_path):
    run = audited(data=data, **SETTINGS, out=tmp_path / "run")
    with pytest.raises(InputError, match=r"mask_mode is 'survey' and was 'upsample'.*--redo dissect"):
        audited(data=data, **SETTINGS, mask_mode="survey", out=run)


def without_field(**settings):
    model = {**PLANTED, "source": "factory:tests.planted:unanchored", "name": "unanchored"}
    return {**SETTINGS, "models": [model], "layers": "2", **settings}


@pytest.mark.parametrize(
    ("settings", "instead"),
    [({"mask_mode": "survey"}, "use --mask-mode upsample"), ({"metrics": "location"}, "drop location from --methods")],
)
def test_a_layer_without_a_receptive_field_is_refused_before_anything_runs(audited, data, tmp_path, settings, instead):
    if settings.get("metrics") == "location":
        data = landmarked(tmp_path / "points")
    with pytest.raises(
        InputError, match=rf"layer '2' of unanchored has no receptive field .*{instead}.*leave the layer"
    ):
        audited(data=data, **without_field(**settings), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def landmarked(folder):
    from PIL import Image

    from filterscope.pipeline.datasets.layout import DatasetWriter

    folder.parent.mkdir(exist_ok=True)
    Image.new("RGB", (32, 32)).save(folder.parent / "one.png")
    with DatasetWriter(folder, source={"reader": "test"}) as out:
        out.landmark(out.image(folder.parent / "one.png"), None, "dot", 4, 4)
    return folder
