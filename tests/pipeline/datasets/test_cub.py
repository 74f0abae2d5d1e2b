"""CUB-200-2011 comes in with boxes, visible parts, species and split."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filterscope.pipeline.datasets.cub import import_cub
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError

TEXTS = {
    "images.txt": "1 001.Albatross/a.jpg\n2 002.Wren/b c.jpg\n3 002.Wren/gone.jpg\n4 ../climbs.jpg\n2 002.Wren/d.jpg\n",
    "bounding_boxes.txt": "1 10.0 5.0 30.0 20.0\n2 50.0 0.0 30.0 20.0\n",
    "classes.txt": "1 001.Albatross\n2 002.Wren\n",
    "image_class_labels.txt": "1 1\n2 2\n3 2\n",
    "train_test_split.txt": "1 1\n2 0\n3 0\n",
    "parts/parts.txt": "1 back\n2 beak\n7 left eye\n",
    "parts/part_locs.txt": "1 1 12.5 6.0 1\n1 2 0.0 0.0 0\n1 7 45.0 3.0 1\n2 1 60.0 1.0 1\n2 2 7.0 1.0 1\n2 9 7.0 1.0 1\nbad\n",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "CUB_200_2011"
    for name, text in TEXTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in ("001.Albatross/a.jpg", "002.Wren/b c.jpg"):
        (folder / "images" / name).parent.mkdir(parents=True)
        Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(folder / "images" / name)
    return folder


def test_birds_come_in(source: Path, tmp_path: Path) -> None:
    import_cub(source, tmp_path / "data")
    data = Dataset.open(tmp_path / "data", need="landmarks")
    assert data.images["uri"].to_pylist() == ["images/001.Albatross/a.jpg", "images/002.Wren/b c.jpg"]
    assert data.images["split"].to_pylist() == ["train", "test"]
    assert data.table("objects").to_pylist() == [{"image": 0, "object": 0, "category": "bird", "box": [10, 5, 40, 25]}]
    assert [tuple(row.values()) for row in data.table("landmarks").to_pylist()] == [
        (0, 0, "back", 12.5, 6.0, None, None),
        (0, 0, "left eye", 45.0, 3.0, None, None),
        (1, None, "beak", 7.0, 1.0, None, None),
    ]
    assert [row["value"] for row in data.table("attributes").to_pylist()] == ["001.Albatross", "002.Wren"]


def test_what_cannot_be_used_is_rejected(source: Path, tmp_path: Path) -> None:
    import_cub(source, tmp_path / "data")
    rejects = Dataset.open(tmp_path / "data", need=None).table("rejects").to_pylist()
    assert {row["item"]: row["reason"] for row in rejects} == {
        "images.txt line 5": "the id 2 is given twice; the first stays",
        "parts/part_locs.txt line 7": "1 cells where 5 belong",
        "box of 002.Wren/b c.jpg": "the box [50.0, 0.0, 80.0, 20.0] has no area inside the image of 40 x 50 (height x width)",
        "part 1 of 002.Wren/b c.jpg": "(60, 1) lies outside the image of 40 x 50 (height x width)",
        "part 9 of 002.Wren/b c.jpg": "part 9 is not in parts.txt",
        str(source / "images/002.Wren/gone.jpg"): "the image file is missing",
        "image ../climbs.jpg": "the path '../climbs.jpg' is empty or leaves the source folder",
    }


def test_a_missing_file_is_named(source: Path, tmp_path: Path) -> None:
    (source / "parts/parts.txt").unlink()
    with pytest.raises(InputError, match=r"no file .*parts\.txt; give the folder CUB_200_2011"):
        import_cub(source, tmp_path / "data")
