"""Shapes of LabelMe and CVAT come in as the concepts, objects and landmarks that were drawn."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filterscope.pipeline.datasets.cvat import import_cvat
from filterscope.pipeline.datasets.labelme import import_labelme
from filterscope.pipeline.datasets.layout import Dataset, decode_mask
from filterscope.pipeline.datasets.panoptic import import_panoptic
from filterscope.pipeline.engine.errors import InputError
from tests.fuzz.sources import H, W, labelme, write_source


def masks(data: Dataset) -> dict[str, list[tuple[int, int]]]:
    """Rows and columns of the pixels of each concept of the first image."""
    names = data.concepts["name"].to_pylist()
    return {
        names[row["concept"] - 1]: list(map(tuple, np.argwhere(decode_mask(row["mask"], H, W)).tolist()))
        for row in data.segments(0, 1)
    }


def objects(data: Dataset) -> dict[str, list[float]]:
    return {row["category"]: row["box"] for row in data.table("objects").to_pylist() if row["image"] == 0}


SQUARE = [(row, column) for row in (1, 2, 3) for column in (1, 2, 3)]


def test_shapes_of_labelme(tmp_path: Path) -> None:
    write_source(tmp_path / "source", "labelme")
    import_labelme(tmp_path / "source", tmp_path / "data")
    data = Dataset.open(tmp_path / "data")
    assert masks(data)["a polygon"] == SQUARE
    assert set(masks(data)) == {"a polygon", "a circle"}
    assert set(objects(data)) == {"a polygon", "a circle", "a rectangle"}
    assert objects(data)["a rectangle"] == objects(data)["a polygon"] == [1, 1, 4, 4]
    point = data.table("landmarks").to_pylist()[0]
    assert (point["landmark"], point["x"], point["y"]) == ("a point", 1, 2)
    assert data.table("objects").to_pylist()[point["object"]]["category"] == "a polygon"
    assert data.images["uri"].to_pylist() == ["images/images/a.png", "images/images/b.png"]


def test_a_mask_of_labelme_lies_where_its_box_does_and_lines_are_rejected(tmp_path: Path) -> None:
    write_source(tmp_path / "source", "labelme")
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 1], [1, 1]], np.uint8)).save(file, "PNG")
    mask = {
        "label": "m",
        "points": [[3, 2], [4, 3]],
        "shape_type": "mask",
        "mask": base64.b64encode(file.getvalue()).decode(),
    }
    line = {"label": "l", "points": [[3, 2], [4, 3]], "shape_type": "line"}
    (tmp_path / "source/images/a.json").write_text(json.dumps(labelme("a.png") | {"shapes": [mask, line]}))
    import_labelme(tmp_path / "source", tmp_path / "data")
    data = Dataset.open(tmp_path / "data")
    assert masks(data) == {"m": [(2, 4), (3, 3), (3, 4)]}
    assert data.table("rejects")["reason"].to_pylist() == ["a shape of type 'line' covers no area"]


def test_shapes_of_cvat(tmp_path: Path) -> None:
    write_source(tmp_path / "source", "cvat")
    import_cvat(tmp_path / "source", tmp_path / "data")
    data = Dataset.open(tmp_path / "data")
    found = masks(data)
    assert found["a polygon"] == SQUARE
    assert found["a mask"] == [(2, 2), (2, 3)]
    assert set(found) == {"a polygon", "a mask", "an ellipse"}
    assert objects(data)["a box"] == [1, 1, 4, 3]
    assert objects(data)["a tilted"] == pytest.approx([2, 1, 4, 5])
    assert [row["value"] for row in data.table("attributes").to_pylist()] == ["sunny", "sunny"]
    point = data.table("landmarks").to_pylist()[0]
    assert (point["landmark"], point["x"], point["y"]) == ("a point", 1, 2)


def test_segments_of_coco_panoptic(tmp_path: Path) -> None:
    write_source(tmp_path / "source", "panoptic")
    import_panoptic(tmp_path / "source" / "panoptic.json", tmp_path / "data")
    data = Dataset.open(tmp_path / "data")
    sky = [(row, column) for row in (0, 1) for column in range(W)]
    assert masks(data) == {"sky": sky, "cat": [(row, column) for row in (4, 5) for column in (3, 4, 5)]}
    assert objects(data) == {"cat": [3, 4, 6, 6]}
    assert {row["name"]: row["category"] for row in data.concepts.to_pylist()} == {"sky": "stuff", "cat": "object"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<!DOCTYPE a [<!ENTITY x "y">]><annotations>&x;</annotations>', "declares a document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotations/>', "declares a document type"),
        ("<annotations>", "is not XML"),
        ("<annotations/>", "no image can be used"),
        ('<annotations><track label="cat"><box frame="0"/></track></annotations>', "the format of CVAT for video"),
    ],
)
def test_xml_that_is_unsafe_or_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "annotations.xml").write_text(text)
    with pytest.raises(InputError, match=message):
        import_cvat(tmp_path / "annotations.xml", tmp_path / "data")
    assert not (tmp_path / "data").exists()
