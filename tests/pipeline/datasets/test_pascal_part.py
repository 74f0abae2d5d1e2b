"""Pascal-Part comes in from MATLAB files: objects and merged parts as concepts, part centres as landmarks."""

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from filterscope.pipeline.datasets.layout import Dataset, decode_mask
from filterscope.pipeline.datasets.pascal_part import import_pascal_part
from filterscope.pipeline.engine.errors import InputError
from filterscope.schemas.parts import PART_MERGES
from tests.planted.matlab import save_v5, save_v73
from tests.planted.structs import structs, thing

H, W = 12, 16


def mask(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    drawn = np.zeros((H, W), np.uint8)
    drawn[top:bottom, left:right] = 1
    return drawn


BIRD = thing(
    "bird",
    mask(0, 0, 8, 8),
    head=mask(0, 0, 3, 4),
    beak=mask(1, 4, 2, 5),
    lwing=mask(3, 0, 6, 8),
    tail=mask(7, 6, 8, 8),
)
CAR = thing("car", mask(6, 4, 12, 16), wheel_1=mask(10, 4, 12, 6), wheel_2=mask(10, 14, 12, 16))
SOFA = thing("sofa", mask(0, 10, 4, 16))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "pascal"
    (folder / "Annotations_Part").mkdir(parents=True)
    (folder / "JPEGImages").mkdir()
    for name, things in {
        "2008_1": [BIRD, CAR, SOFA],
        "2008_2": [BIRD],
        "2008_3": [thing("cat", mask(0, 0, 3, 3)[:4])],
    }.items():
        savemat(folder / "Annotations_Part" / f"{name}.mat", {"anno": {"imname": name, "objects": structs(things)}})
        Image.fromarray(np.zeros((H, W, 3), np.uint8)).save(folder / "JPEGImages" / f"{name}.jpg")
    return folder


def imported(source: Path, target: Path, **options: Any) -> Dataset:
    import_pascal_part(source, target, **options)
    return Dataset.open(target)


def labels(data: Dataset, image: int) -> dict[str, np.ndarray]:
    names = data.concepts["name"].to_pylist()
    rows = data.segments(image, image + 1)
    return {names[row["concept"] - 1]: decode_mask(row["mask"], H, W) for row in rows}


def test_objects_and_merged_parts_are_concepts(source: Path, tmp_path: Path) -> None:
    data = imported(source, tmp_path / "data")
    found = labels(data, 0)
    assert sorted(found) == ["bird", "bird head", "bird tail", "bird torso", "car", "car wheel", "sofa"]
    np.testing.assert_array_equal(found["bird head"], mask(0, 0, 3, 4) | mask(1, 4, 2, 5))
    np.testing.assert_array_equal(found["car wheel"], mask(10, 4, 12, 6) | mask(10, 14, 12, 16))
    np.testing.assert_array_equal(found["sofa"], mask(0, 10, 4, 16))
    categories = dict(zip(*(data.concepts[name].to_pylist() for name in ("name", "category")), strict=True))
    assert (categories["bird"], categories["bird head"]) == ("object", "part")


def test_raw_parts_stay_as_annotated(source: Path, tmp_path: Path) -> None:
    found = labels(imported(source, tmp_path / "data", merge=False), 1)
    assert sorted(found) == ["bird", "bird beak", "bird head", "bird lwing", "bird tail"]


def test_boxes_and_part_centres(source: Path, tmp_path: Path) -> None:
    data = imported(source, tmp_path / "data")
    boxes = [(row["image"], row["category"], row["box"]) for row in data.table("objects").to_pylist()]
    assert boxes == [
        (0, "bird", [0, 0, 8, 8]),
        (0, "car", [4, 6, 16, 12]),
        (0, "sofa", [10, 0, 16, 4]),
        (1, "bird", [0, 0, 8, 8]),
    ]
    points = [tuple(row.values())[1:] for row in data.table("landmarks").to_pylist()][:6]
    assert points == [
        (0, "head", 1.5, 1.0, 4, 3),
        (0, "beak", 4.0, 1.0, 1, 1),
        (0, "lwing", 3.5, 4.0, 8, 3),
        (0, "tail", 6.5, 7.0, 2, 1),
        (1, "wheel", 4.5, 10.5, 2, 2),
        (1, "wheel", 14.5, 10.5, 2, 2),
    ]


def test_a_file_of_version_7_3_reads_alike(source: Path, tmp_path: Path) -> None:
    head = {"part_name": "head", "mask": mask(0, 0, 3, 4)}
    bird = {
        "class": "bird",
        "class_ind": 1.0,
        "mask": mask(0, 0, 8, 8),
        "parts": [head, {**head, "part_name": "tail_1"}],
    }
    sofa = {"class": "sofa", "class_ind": 2.0, "mask": mask(0, 10, 4, 16), "parts": None}
    shutil.rmtree(source / "Annotations_Part")
    (source / "Annotations_Part").mkdir()
    identities = set()
    for version, save in (("5", save_v5), ("7.3", save_v73)):
        save(source / "Annotations_Part" / "2008_1.mat", {"anno": {"imname": "2008_1", "objects": [bird, sofa]}})
        data = imported(source, tmp_path / version, merge=False)
        assert sorted(labels(data, 0)) == ["bird", "bird head", "bird tail", "sofa"]
        np.testing.assert_array_equal(labels(data, 0)["bird head"], mask(0, 0, 3, 4))
        identities.add(data.identity)
    assert len(identities) == 1


def test_what_is_no_annotation_is_rejected(source: Path, tmp_path: Path) -> None:
    folder = source / "Annotations_Part"
    (folder / "broken.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    (folder / "other.mat").write_bytes(pickle.dumps({"anno": 1}))
    savemat(folder / "empty.mat", {"something": 1})
    savemat(folder / "climbs.mat", {"anno": {"imname": "../../x", "objects": structs([BIRD])}})
    savemat(folder / "lost.mat", {"anno": {"imname": "lost", "objects": structs([BIRD])}})
    data = imported(source, tmp_path / "data")
    reasons = {row["item"]: row["reason"] for row in data.table("rejects").to_pylist()}
    assert sorted(reasons) == ["2008_3.mat", "broken.mat", "climbs.mat", "empty.mat", "lost.mat", "other.mat"]
    assert reasons["2008_3.mat"] == "1 objects have masks of another size than the image"
    assert reasons["lost.mat"] == "no image lost in JPEGImages/"
    assert "leaves the source folder" in reasons["climbs.mat"]
    assert all("not an annotation of Pascal-Part" in reasons[name] for name in ("broken.mat", "empty.mat", "other.mat"))


def test_missing_folders_are_named(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no \.mat file"):
        import_pascal_part(source / "JPEGImages", tmp_path / "data")
    with pytest.raises(InputError, match=r"no folder .*--images"):
        import_pascal_part(source, tmp_path / "data", images=tmp_path / "nowhere")


def test_merges_are_the_published_ones() -> None:
    counts = {category: [len(parts) for parts in merges.values()] for category, merges in PART_MERGES.items()}
    assert counts == {
        "bird": [4, 4, 4, 1],
        "cat": [6, 2, 4, 4, 1],
        "cow": [8, 2, 4, 4],
        "dog": [7, 2, 4, 4, 1],
        "horse": [6, 2, 6, 6],
        "sheep": [8, 2, 4, 4],
    }


def test_an_image_is_ignored_for_what_its_masks_of_another_size_are_of(source: Path, tmp_path: Path) -> None:
    small = [thing("bird", mask(0, 0, 3, 3)[:4], head=mask(0, 0, 1, 1)[:5]), thing("dog", mask(0, 0, 3, 3)[:4])]
    savemat(
        source / "Annotations_Part" / "2008_2.mat", {"anno": {"imname": "2008_2", "objects": structs([SOFA, *small])}}
    )
    data = imported(source, tmp_path / "data")
    names = data.concepts["name"].to_pylist()
    rows = [(row["image"], names[row["concept"] - 1], row["mask"]) for row in data.table("ignored").to_pylist()]
    assert rows == [(1, "bird", None), (1, "bird head", None)]  # nothing is labelled with dog, nor with cat in image 2
