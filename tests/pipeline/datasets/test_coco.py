"""COCO instances come in with the masks that the official areas count, and bad rows are rejected."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from filterscope.operators.images.colors import COLORS
from filterscope.pipeline.datasets.coco import import_coco
from filterscope.pipeline.datasets.layout import Dataset, decode_mask
from filterscope.pipeline.datasets.regions import encode_region
from filterscope.pipeline.engine.errors import InputError

H, W = 6, 8


def square(x: int, y: int, side: int = 2) -> list[list[float]]:
    return [[x, y, x + side, y, x + side, y + side, x, y + side]]


def filled(*corners: tuple[int, int]) -> np.ndarray:
    mask = np.zeros((H, W), bool)
    for x, y in corners:
        mask[y : y + 2, x : x + 2] = True
    return mask


def annotation(number: int, image: Any, category: Any, segmentation: Any, **more: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": category, "segmentation": segmentation, **more}


def image(number: int, name: str, height: int = H) -> dict[str, Any]:
    return {"id": number, "file_name": name, "height": height, "width": W}


CROWD = {"size": [H, W], "counts": [0, 2, 46]}
CONTENT = {
    "images": [image(7, "b.png"), image(3, "a.png")],
    "categories": [{"id": 1, "name": "cat"}, {"id": 18, "name": "orange"}, {"id": 90, "name": "never"}],
    "annotations": [
        annotation(1, 3, 18, square(0, 0), bbox=[0, 0, 2, 2], iscrowd=0),
        annotation(2, 7, 1, square(1, 1), bbox=[1, 1, 2, 2], iscrowd=0),
        annotation(3, 3, 18, square(4, 3), bbox=[4, 3, 2.5, 2]),
        annotation(4, 3, 1, CROWD, bbox=[0, 0, 1, 2], iscrowd=1),
        annotation(5, 3, 1, square(5, 0)),
    ],
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "coco"
    (folder / "images").mkdir(parents=True)
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((H, W, 3), (255, 0, 0), np.uint8)).save(folder / "images" / name)
    return folder


def write(path: Path, **changes: list[Any]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(CONTENT | changes))
    return path


def imported(source: Path, target: Path, **options: Any) -> Dataset:
    import_coco(source, target, **options)
    return Dataset.open(target)


def segments(data: Dataset) -> dict[tuple[int, str], np.ndarray]:
    names = dict(zip(data.concepts["concept"].to_pylist(), data.concepts["name"].to_pylist(), strict=True))
    rows = list(data.segments(0, data.images.num_rows))
    found = {(row["image"], names[row["concept"]]): decode_mask(row["mask"], H, W) for row in rows}
    assert len(found) == len(rows)
    return found


def rejects(data: Dataset) -> dict[str, str]:
    return {row["item"]: row["reason"] for row in data.table("rejects").to_pylist()}


def test_objects_of_a_category_are_one_segment_and_a_crowd_is_no_object(source: Path, tmp_path: Path) -> None:
    write(source / "instances.json")
    data = imported(source, tmp_path / "data")
    assert data.images["uri"].to_pylist() == ["images/b.png", "images/a.png"]
    found = segments(data)
    crowd = filled((5, 0))
    crowd[:2, 0] = True
    assert found.keys() == {(0, "cat"), (1, "orange"), (1, "cat")}
    np.testing.assert_array_equal(found[0, "cat"], filled((1, 1)))
    np.testing.assert_array_equal(found[1, "orange"], filled((0, 0), (4, 3)))
    np.testing.assert_array_equal(found[1, "cat"], crowd)
    objects = [(row["image"], row["category"], row["box"]) for row in data.table("objects").to_pylist()]
    assert objects == [
        (0, "cat", [1, 1, 3, 3]),
        (1, "orange", [0, 0, 2, 2]),
        (1, "orange", [4, 3, 6.5, 5]),
        (1, "cat", [5, 0, 7, 2]),
    ]
    assert {row["category"] for row in data.concepts.to_pylist()} == {"object"}
    assert rejects(data) == {}


def test_numbers_0_are_numbers_like_others(source: Path, tmp_path: Path) -> None:
    content = {
        "images": [image(0, "a.png")],
        "categories": [{"id": 0, "name": "sky"}],
        "annotations": [annotation(0, 0, 0, square(1, 2))],
    }
    data = imported(write(source / "instances.json", **content), tmp_path / "data")
    np.testing.assert_array_equal(segments(data)[0, "sky"], filled((1, 2)))
    assert data.table("objects")["category"].to_pylist() == ["sky"]
    assert rejects(data) == {}


def test_a_colour_makes_room_for_the_fruit_even_where_the_colour_comes_first(source: Path, tmp_path: Path) -> None:
    write(source / "instances.json")
    Image.fromarray(np.full((H, W, 3), (255, 165, 0), np.uint8)).save(source / "images" / "b.png")
    data = imported(source, tmp_path / "data", colors=True)
    categories = {row["name"]: row["category"] for row in data.concepts.to_pylist()}
    assert categories == {"cat": "object", "orange-c": "color", "orange": "object", "red": "color"}
    found = segments(data)
    assert found[0, "orange-c"].all()
    assert found[1, "red"].all()


@pytest.mark.parametrize(
    ("file", "images", "split"),
    [
        ("instances.json", "images", None),
        ("instances.json", ".", None),
        ("annotations/instances.json", "images", None),
        ("annotations/instances_val2017.json", "val2017", "val2017"),
        ("annotations/instances_val2017.json", "images/val2017", "val2017"),
        ("instances_train.json", "images", "train"),
    ],
)
def test_files_are_found_where_people_keep_them(
    source: Path, tmp_path: Path, file: str, images: str, split: str | None
) -> None:
    write(source / file)
    (source / "images").rename(tmp_path / "pictures")
    (source / images).mkdir(parents=True, exist_ok=True)
    for path in (tmp_path / "pictures").iterdir():
        path.rename(source / images / path.name)
    for number, given in enumerate((source, source / file)):
        data = imported(given, tmp_path / f"data{number}")
        assert data.images["split"].to_pylist() == [split, split]
        assert rejects(data) == {}


def test_the_folder_of_the_images_can_be_named(source: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "elsewhere" / "mine.json")
    data = imported(path, tmp_path / "data", images=source / "images", in_place=True)
    assert data.images["uri"].to_pylist() == [str(source / "images" / name) for name in ("b.png", "a.png")]
    with pytest.raises(InputError) as error:
        import_coco(path, tmp_path / "more", images=tmp_path / "gone")
    assert str(error.value) == f"no folder {tmp_path / 'gone'}; --images must name the folder of the images of {path}"


def test_bad_rows_are_rejected_and_the_rest_goes_on(source: Path, tmp_path: Path) -> None:
    write(
        source / "instances.json",
        images=[
            *(image(3, "a.png"), image(3, "b.png"), image(4, "../a.png"), image(5, "a.png"), image(6, "gone.png")),
            *(image(7, "b.png", 9), {"id": 8}, 12),
        ],
        categories=[{"id": 1, "name": "cat"}, {"id": 1, "name": "dog"}, {"id": 2, "name": ""}],
        annotations=[
            annotation(1, 3, 1, square(0, 0)),
            annotation(2, 33, 1, square(0, 0)),
            annotation(3, 3, 2, square(0, 0)),
            annotation(4, 3, 1, [[1, 2, 3, 4]]),
            annotation(5, 3, 1, square(0, 0), bbox=[20, 0, 2, 2]),
            annotation(6, 3, 1, [[float("nan"), 2, 3, 4, 5, 6]]),
            annotation(7, 3, 1, square(-5, 0)),
            annotation(8, 6, 1, square(0, 0)),
            {"id": "nine"},
        ],
    )
    data = imported(source, tmp_path / "data")
    found = rejects(data)
    nan = found.pop("annotation 6")
    assert nan.startswith("segmentation: ")
    assert found.pop("annotation 4").startswith("segmentation: List should have at least 6 items")
    assert found == {
        "image 8": "file_name: Field required",
        "image at position 7": "Input should be a valid dictionary or instance of _Image",
        "image 3": "the id 3 is given twice; the first stays",
        "image 4": "the path '../a.png' is empty or leaves the source folder",
        "image 5": "'a.png' is the file of another image already",
        str(source / "images/gone.png"): "the image file is missing",
        str(source / "images/b.png"): "the image is 6 x 8 but its source says 9 x 8 (height x width)",
        "category 2": "name: String should have at least 1 character",
        "category 1": "the id 1 is given twice; the first stays",
        "annotation 2": "image 33 is not in the list of images",
        "annotation 3": "category 2 is not in the list of categories",
        "annotation 5 of image 3": "the box [20.0, 0.0, 2.0, 2.0] has no area inside the image of 6 x 8 (height x width)",
        "annotation 7 of image 3": "the segmentation covers no pixel of the image",
        "annotation 'nine'": "image_id: Field required",
    }
    np.testing.assert_array_equal(segments(data)[0, "cat"], filled((0, 0)))
    assert data.table("objects").num_rows == 1


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "{0} has no instances.json or annotations/instances_*.json; give the JSON file itself"),
        (
            {"instances_a.json": "", "instances_b.json": ""},
            "{0} has several instances files; give one of {0}/instances_a.json, {0}/instances_b.json",
        ),
        ({"instances.json": "nothing"}, "{0}/instances.json is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (
            {"instances.json": '{"images": []}'},
            "{0}/instances.json is no COCO instances file: it has no list named annotations, categories",
        ),
        (
            {"instances.json": '{"images": [{"file_name": "x.jpg"}], "annotations": [], "categories": []}'},
            "none of the 1 images of {0}/instances.json lies in {0}/images, {0}; name their folder with --images",
        ),
    ],
)
def test_what_is_not_coco_stops_the_import(source: Path, tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        (source / name).write_text(text)
    with pytest.raises(InputError) as error:
        import_coco(source, tmp_path / "data")
    assert str(error.value) == message.format(source)
    assert not (tmp_path / "data").exists()


def test_a_source_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        import_coco(tmp_path / "gone", tmp_path / "data")
    assert str(error.value) == f"no file or folder {tmp_path / 'gone'}; give a COCO instances JSON file or its folder"


def test_progress_counts_every_image(source: Path, tmp_path: Path) -> None:
    write(source / "instances.json")
    seen: list[tuple[int, int]] = []
    imported(source, tmp_path / "data", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_real_masks_have_the_published_areas(test_data: Path) -> None:
    content = json.loads((test_data / "coco128" / "instances.json").read_text())
    sizes = {row["id"]: (row["height"], row["width"]) for row in content["images"]}
    areas = [
        decode_mask(
            encode_region(row["segmentation"], *sizes[row["image_id"]])["counts"], *sizes[row["image_id"]]
        ).sum()
        for row in content["annotations"]
    ]
    assert areas == [row["area"] for row in content["annotations"]]
    assert len(areas) == 929


def test_the_real_set_comes_in_whole(test_data: Path, tmp_path: Path) -> None:
    data = imported(test_data / "coco128", tmp_path / "data", in_place=True, colors=True)
    assert data.images.num_rows == 128
    assert data.table("objects").num_rows == 929
    assert data.table("rejects").num_rows == 0
    categories = data.concepts["category"].to_pylist()
    assert (categories.count("object"), categories.count("color"), len(categories)) == (71, 11, 82)
    names = data.concepts["name"].to_pylist()
    assert "orange-c" in names
    assert set(COLORS) - {"orange"} <= set(names)
    by_concept = np.bincount(data.table("segments")["concept"].to_numpy())
    pairs = by_concept[[number for number, kind in enumerate(categories, 1) if kind == "object"]].sum()
    assert pairs == len({(row["image"], row["category"]) for row in data.table("objects").to_pylist()}) == 362


def like_coco(source: Path, annotations: list[dict[str, Any]], category: Any, **of_image: Any) -> Dataset:
    categories = category if isinstance(category, list) else [category]
    content = {"images": [image(1, "a.png") | of_image], "categories": categories, "annotations": annotations}
    (source / "instances.json").write_text(json.dumps(content))
    target = source.parent / f"data-{len(list(source.parent.iterdir()))}"
    import_coco(source, target)
    return Dataset.open(target, need=None)


def test_ids_may_be_texts_and_numbers(source: Path) -> None:
    rows = [annotation("x", "one", 1, square(1, 1)), annotation(2, "one", "1", square(4, 1))]
    data = like_coco(source, rows, {"id": 1, "name": "cat"}, id="one")
    np.testing.assert_array_equal(segments(data)[0, "cat"], filled((1, 1), (4, 1)))


def test_boxes_alone_are_objects_without_concepts(source: Path) -> None:
    rows = [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 2]},
        annotation(2, 1, 1, [], bbox=[0, 0, 2, 2]),
    ]
    data = like_coco(source, rows, {"id": 1, "name": "cat"})
    assert [row["box"] for row in data.table("objects").to_pylist()] == [[1, 2, 4, 4], [0, 0, 2, 2]]
    assert data.concepts.num_rows == data.table("rejects").num_rows == 0


def test_visible_keypoints_are_landmarks_of_their_object(source: Path) -> None:
    points = [1, 2, 2, 3, 3, 1, 0, 0, 0, 7.25, 5, 2]
    row = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 2], "keypoints": points}
    short = row | {"id": 2, "keypoints": [1, 2, 2]}
    category = {"id": 1, "name": "person", "keypoints": ["nose", "left eye", "right eye", "foot"]}
    data = like_coco(source, [row, short], category)
    found = [(row["object"], row["landmark"], row["x"], row["y"]) for row in data.table("landmarks").to_pylist()]
    assert found == [(0, "nose", 1, 2), (0, "foot", 7.25, 5)]
    [reject] = data.table("rejects").to_pylist()
    assert reject["reason"] == "3 numbers for 4 keypoints of 'person', 3 each"


def test_of_lvis_what_is_not_exhaustively_labelled_is_no_concept(source: Path) -> None:
    rows = [annotation(1, 1, 1, square(0, 0)), annotation(2, 1, 2, square(2, 2)), annotation(3, 1, 3, square(4, 2))]
    named = [{"id": 1, "name": "cup"}, {"id": 2, "name": "plate"}, {"id": 3, "name": "fork"}]
    lvis = {"not_exhaustive_category_ids": [2], "neg_category_ids": [3]}
    data = like_coco(source, rows, named, **lvis)
    np.testing.assert_array_equal(segments(data)[0, "cup"], filled((0, 0)))
    assert data.concepts["name"].to_pylist() == ["cup"]
    assert data.table("objects")["category"].to_pylist() == ["cup", "plate", "fork"]
    assert data.table("rejects").num_rows == 2


def test_an_image_of_lvis_is_named_by_its_address(source: Path) -> None:
    (source / "images").rename(source / "val2017")
    rows = [{"id": 1, "height": H, "width": W, "coco_url": "http://images.cocodataset.org/val2017/a.png"}]
    content = {
        "images": rows,
        "categories": [{"id": 1, "name": "cup"}],
        "annotations": [annotation(1, 1, 1, square(0, 0))],
    }
    (source / "instances.json").write_text(json.dumps(content))
    assert imported(source, source.parent / "data").images["uri"].to_pylist() == ["images/val2017/a.png"]


def test_what_is_marked_ignore_is_left_out(source: Path) -> None:
    rows = [annotation(1, 1, 1, square(0, 0)), annotation(2, 1, 1, square(3, 3), ignore=1)]
    data = like_coco(source, rows, {"id": 1, "name": "cat"})
    np.testing.assert_array_equal(segments(data)[0, "cat"], filled((0, 0)))
    assert data.table("objects").num_rows == 1


def test_categories_of_one_name_are_told_apart_or_refused(source: Path) -> None:
    rows = [annotation(1, 1, 1, square(0, 0)), annotation(2, 1, 2, square(3, 3))]
    bats = [{"id": 1, "name": "bat", "supercategory": "animal"}, {"id": 2, "name": "bat", "supercategory": "sports"}]
    data = like_coco(source, rows, bats)
    assert data.concepts["name"].to_pylist() == ["bat (animal)", "bat (sports)"]
    with pytest.raises(InputError, match=r"categories 1 and 2 of .* are all named 'bat'"):
        like_coco(source, rows, [{"id": 1, "name": "bat"}, {"id": 2, "name": "bat"}])
