"""Points and boxes of a user's own come in; bad rows are rejected, odd ones are kept."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filterscope.pipeline.datasets.landmarks import import_landmarks
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError

OBJECTS = """image,object,category,xmin,ymin,xmax,ymax
a.png,1,dog,0,0,9,4
a.png,2,dog,5,5,99,99
a.png,1,cat,0,0,3,3
b/c.png,1,cat,2,nan,3,3
lost.png,1,cat,0,0,3,3
"""
LANDMARKS = """image,landmark,x,y,object
a.png,nose,1.5,2,1
a.png,nose,3,2,1
a.png,nose,15,3,1
a.png,tail,0,0,
a.png,tail,20,0,
a.png,tail,1,1,7
b/c.png,eye,1,one,
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in ("images/a.png", "images/b/c.png", "images/empty.png", "negatives/a.png"):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(path)
    (tmp_path / "source" / "objects.csv").write_text(OBJECTS)
    (tmp_path / "source" / "landmarks.csv").write_text(LANDMARKS)
    return tmp_path / "source"


def imported(source: Path, target: Path) -> Dataset:
    import_landmarks(source, target)
    return Dataset.open(target, need="landmarks")


def test_images_objects_and_landmarks_come_in(source: Path, tmp_path: Path) -> None:
    data = imported(source, tmp_path / "data")
    images = data.images.select(["uri", "split"]).to_pylist()
    assert [(row["uri"], row["split"]) for row in images] == [
        ("images/a.png", None),
        ("images/b/c.png", None),
        ("images/empty.png", None),
        ("images/negatives/a.png", "negative"),
    ]
    assert data.table("objects").to_pylist() == [
        {"image": 0, "object": 0, "category": "dog", "box": [0, 0, 10, 5]},
        {"image": 0, "object": 1, "category": "dog", "box": [5, 5, 20, 10]},
    ]
    assert [tuple(row.values()) for row in data.table("landmarks").to_pylist()] == [
        (0, 0, "nose", 1.5, 2.0, None, None),
        (0, 0, "nose", 3.0, 2.0, None, None),
        (0, 0, "nose", 15.0, 3.0, None, None),
        (0, None, "tail", 0.0, 0.0, None, None),
    ]


def test_bad_rows_are_rejected_with_their_line_and_reason(source: Path, tmp_path: Path) -> None:
    rejects = imported(source, tmp_path / "data").table("rejects").to_pylist()
    assert [(row["item"], row["reason"]) for row in rejects] == [
        ("objects.csv line 4", "object '1' of 'a.png' is given twice; the first stays"),
        ("objects.csv line 5", "'nan' is no position"),
        ("objects.csv line 6", "no usable image 'lost.png' in images/"),
        ("landmarks.csv line 6", "(20, 0) lies outside the image of 10 x 20 (height x width)"),
        ("landmarks.csv line 7", "object '7' of 'a.png' is not in objects.csv"),
        ("landmarks.csv line 8", "'one' is no number"),
    ]


def test_objects_may_be_missing(source: Path, tmp_path: Path) -> None:
    (source / "objects.csv").unlink()
    (source / "landmarks.csv").write_text("image,landmark,x,y\na.png,nose,1,2\n")
    data = imported(source, tmp_path / "data")
    (row,) = data.table("landmarks").to_pylist()
    assert (row["image"], row["object"], row["landmark"], row["x"], row["y"]) == (0, None, "nose", 1, 2)


def test_boxes_of_parts_come_in_and_those_without_area_are_rejected(source: Path, tmp_path: Path) -> None:
    lines = (
        "a.png,nose,1,2,3,4.5",
        "a.png,nose,1,2,,",
        "a.png,nose,1,2,0,4",
        "a.png,nose,1,2,5,",
        "a.png,nose,1,2,nan,1",
    )
    (source / "landmarks.csv").write_text("\n".join(["image,landmark,x,y,width,height", *lines]) + "\n")
    data = imported(source, tmp_path / "data")
    sizes = [(row["width"], row["height"]) for row in data.table("landmarks").to_pylist()]
    assert sizes == [(3, 4.5), (None, None)]
    reasons = [row["reason"] for row in data.table("rejects").to_pylist() if row["item"].startswith("landmarks")]
    assert reasons == [
        "a box of 0 x 4 (width x height) has no area",
        "'' is no number",
        "'nan' is no position",
    ]


def test_what_is_missing_is_named(source: Path, tmp_path: Path) -> None:
    import_landmarks(source, tmp_path / "data")
    with pytest.raises(InputError, match="has no concepts"):
        Dataset.open(tmp_path / "data")
    (source / "landmarks.csv").write_text("image,landmark,x,y\n")
    import_landmarks(source, tmp_path / "none")
    with pytest.raises(InputError, match="has no landmarks"):
        Dataset.open(tmp_path / "none", need="landmarks")
    assert Dataset.open(tmp_path / "none", need=None).images.num_rows == 4
    (source / "landmarks.csv").write_text("image,name,x,y\n")
    with pytest.raises(InputError, match="has no column landmark"):
        import_landmarks(source, tmp_path / "other")
    with pytest.raises(InputError, match=r"no folder .*images"):
        import_landmarks(tmp_path, tmp_path / "other")
