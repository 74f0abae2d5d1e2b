"""An import of which nothing can be used is refused with its commonest reason, and leaves nothing behind."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filterscope.pipeline.datasets.coco import import_coco
from filterscope.pipeline.datasets.images import named_format
from filterscope.pipeline.datasets.landmarks import import_landmarks
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.datasets.masks import import_masks
from filterscope.pipeline.datasets.names import near_pair
from filterscope.pipeline.engine.errors import InputError


def save(path: Path, value: int = 1, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (8, 6), value).save(path)


def write(folder: Path, image: str = "a", mask: str = "a", value: int = 1) -> Path:
    save(folder / "images" / f"{image}.png")
    save(folder / "masks" / f"{mask}.png", value)
    (folder / "labels.csv").write_text("index,name\n1,cat\n")
    return folder


def refusal(read, source: Path, target: Path) -> str:
    with pytest.raises(InputError) as error:
        read(source, target)
    assert not target.exists()
    assert {path.name for path in target.parent.iterdir()} == {"source"}
    return str(error.value)


def test_masks_of_other_names_are_refused_with_a_pair_and_the_second_try_works(tmp_path: Path) -> None:
    source = write(tmp_path / "source", "street_01", "street_01_mask")
    told = refusal(import_masks, source, tmp_path / "data")
    assert "no image can be used" in told
    assert "has no mask" in told
    assert told.endswith("Nearly matching names: 'street_01' is wanted, 'street_01_mask' is there")
    (source / "masks" / "street_01_mask.png").rename(source / "masks" / "street_01.png")
    import_masks(source, tmp_path / "data")
    assert Dataset.open(tmp_path / "data").images.num_rows == 1


def test_masks_without_a_labelled_pixel_are_refused(tmp_path: Path) -> None:
    told = refusal(import_masks, write(tmp_path / "source", value=0), tmp_path / "data")
    assert "nothing labels a pixel" in told


def test_masks_of_ignored_pixels_alone_are_refused_as_such(tmp_path: Path) -> None:
    told = refusal(import_masks, write(tmp_path / "source", value=255), tmp_path / "data")
    assert told.endswith("; what it annotates is ignored, such as 255 or void, and nothing besides")


def test_landmarks_of_other_images_are_refused_with_a_pair(tmp_path: Path) -> None:
    save(tmp_path / "source" / "images" / "frame_0001.png")
    (tmp_path / "source" / "landmarks.csv").write_text("image,landmark,x,y\nframe_1.png,eye,1,1\nframe_2.png,eye,1,1\n")
    told = refusal(import_landmarks, tmp_path / "source", tmp_path / "data")
    assert "the commonest of 2 reasons (2 times): landmarks.csv line 2: no usable image 'frame_1.png'" in told
    assert "'frame_1.png' is wanted, 'frame_0001.png' is there" in told


def write_json(source: Path, name: str) -> Path:
    annotation = {
        "id": "a",
        "image_id": "i",
        "category_id": "c",
        "segmentation": [[0, 0, 2, 0, 2, 2]],
        "bbox": [0, 0, 2, 2],
    }
    content = {
        "images": [{"id": "i", "file_name": name, "height": 6, "width": 8}],
        "categories": [{"id": "c", "name": "cat"}],
        "annotations": [annotation],
    }
    (source / "instances.json").write_text(json.dumps(content))
    return source


def test_a_folder_is_found_by_names_whose_accents_are_encoded_in_another_way(tmp_path: Path) -> None:
    save(tmp_path / "source" / "images" / unicodedata.normalize("NFC", "été") / "é.png")
    import_coco(write_json(tmp_path / "source", unicodedata.normalize("NFD", "été/é.png")), tmp_path / "data")
    assert Dataset.open(tmp_path / "data").images.num_rows == 1


def test_images_of_a_json_that_lie_nowhere_are_refused_with_a_pair(tmp_path: Path) -> None:
    save(tmp_path / "source" / "images" / "a.png")
    told = refusal(import_coco, write_json(tmp_path / "source", "A.PNG"), tmp_path / "data")
    assert told.endswith(
        "name their folder with --images. Nearly matching names: 'A.PNG' is wanted, 'images/a.png' is there"
    )


def test_missing_images_of_a_json_are_refused_with_a_pair(tmp_path: Path) -> None:
    save(tmp_path / "source" / "images" / "0001.png")
    content = {
        "images": [{"id": 1, "file_name": "0001.jpg", "height": 6, "width": 8}],
        "categories": [],
        "annotations": [],
    }
    (tmp_path / "source" / "instances.json").write_text(json.dumps(content))

    def read(source: Path, target: Path) -> None:
        import_coco(source, target, images=source / "images")

    told = refusal(read, tmp_path / "source", tmp_path / "data")
    assert "the image file is missing" in told
    assert "'0001.jpg' is wanted, '0001.png' is there" in told


@pytest.mark.parametrize(("stored", "asked"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_match_however_their_accents_are_encoded(tmp_path: Path, stored: str, asked: str) -> None:
    here, there = (unicodedata.normalize(form, "sé/caf\u00e9") for form in (stored, asked))
    import_masks(write(tmp_path / "source", here, there), tmp_path / "data")
    assert Dataset.open(tmp_path / "data").images.num_rows == 1
    (tmp_path / "source" / "landmarks.csv").write_text(f"image,landmark,x,y\n{there}.png,eye,1,1\n")
    import_landmarks(tmp_path / "source", tmp_path / "points")
    assert Dataset.open(tmp_path / "points", need="landmarks").table("landmarks").num_rows == 1
    row = {"id": 1, "file_name": f"{there}.png", "height": 6, "width": 8}
    region = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 3, 0, 3, 3]]}
    content = {"images": [row], "categories": [{"id": 1, "name": "cat"}], "annotations": [region]}
    (tmp_path / "source" / "instances.json").write_text(json.dumps(content))
    import_coco(tmp_path / "source" / "instances.json", tmp_path / "coco", images=tmp_path / "source" / "images")
    assert Dataset.open(tmp_path / "coco").images.num_rows == 1


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs"), (b"\n<!doctype html>", "HTML"),
        (b"\0\0\0\x18ftypheic", "HEIC"), (b"%PDF-1.7", "PDF"), (b"unknown", ""),
    ],
)  # fmt: skip
def test_what_is_no_image_is_named(tmp_path: Path, start: bytes, name: str) -> None:
    (tmp_path / "a.jpg").write_bytes(start)
    assert name in named_format(tmp_path / "a.jpg")
    assert bool(name) == bool(named_format(tmp_path / "a.jpg"))


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".tif", ".avif"])
def test_images_of_these_formats_are_found(tmp_path: Path, suffix: str) -> None:
    source = write(tmp_path / "source")
    (source / "images" / "a.png").unlink()
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(source / "images" / f"a{suffix}")
    import_masks(source, tmp_path / "data")
    assert Dataset.open(tmp_path / "data").images["uri"].to_pylist() == [f"images/a{suffix}"]


def test_names_that_share_nothing_are_no_pair() -> None:
    assert near_pair(["abc.png"], ["xyz.png"]) is None
    assert near_pair([], ["a"]) is None
