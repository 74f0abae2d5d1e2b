"""A data set is written whole or not at all, and comes back as it was written."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter, decode_mask, encode_mask
from filterscope.pipeline.engine.errors import InputError
from filterscope.schemas.dataset import TABLES


def picture(path: Path, height: int = 4, width: int = 6) -> Path:
    pixels = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.booleans()))
def test_a_mask_comes_back_from_its_run_lengths(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_mask(encode_mask(mask), *mask.shape), mask)


def test_every_row_comes_back(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    mask = np.zeros((4, 6), bool)
    mask[1, 2:5] = True
    with DatasetWriter(tmp_path / "data", source={"reader": "test"}, group_of=lambda name: name[:4]) as writer:
        image = writer.image(path, name="deep/a.png", split="val", size=(4, 6))
        assert image == 0
        assert writer.size(0) == (4, 6)
        assert writer.has_image("deep//a.png")
        assert not writer.has_image("a.png")
        writer.segment(0, writer.concept("cat", "object"), mask)
        writer.segment(0, writer.concept("street", "scene", "image"), None)
        writer.segment(0, writer.concept("dog", "object"), np.zeros((4, 6), bool))
        number = writer.object(0, "cat", (2, 1, 5, 2))
        writer.landmark(0, number, "head", 3.5, 1.0)
        writer.landmark(0, None, "horizon", 0.0, 2.0)
        writer.attribute(0, "weather", "rain")
        writer.reject("b.png", "gone")
    data = Dataset.open(tmp_path / "data")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (row,) = data.images.to_pylist()
    assert row == {
        "image": 0, "uri": "images/deep/a.png", "height": 4, "width": 6, "split": "val", "sha256": digest, "group": "deep",
        "orientation": None,
    }  # fmt: skip
    assert data.path("images/deep/a.png").read_bytes() == path.read_bytes()
    assert data.concepts.to_pylist() == [
        {"concept": 1, "name": "cat", "category": "object", "level": "pixel"},
        {"concept": 2, "name": "street", "category": "scene", "level": "image"},
        {"concept": 3, "name": "dog", "category": "object", "level": "pixel"},
    ]
    cat, street = data.segments(0, 1)
    np.testing.assert_array_equal(decode_mask(cat["mask"], 4, 6), mask)
    assert (street["concept"], street["mask"]) == (2, None)
    assert data.table("objects").to_pylist() == [{"image": 0, "object": 0, "category": "cat", "box": [2, 1, 5, 2]}]
    assert [row["object"] for row in data.table("landmarks").to_pylist()] == [0, None]
    assert data.table("attributes").to_pylist() == [{"image": 0, "attribute": "weather", "value": "rain"}]
    assert data.table("rejects").to_pylist() == [{"stage": "import", "item": "b.png", "reason": "gone"}]
    assert data.manifest["source"] == {"reader": "test"}
    assert pickle.loads(pickle.dumps(data)).identity == data.identity


def test_a_name_is_one_concept_however_its_accents_are_encoded(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "data", source={}) as writer:
        assert writer.concept("caf\u00e9", "scene") == writer.concept("cafe\u0301", "object") == 1
    assert len(list((tmp_path / "data").iterdir())) == 9


def test_segments_are_read_by_range_of_images(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "data", source={}) as writer:
        concept = writer.concept("all", "scene", "image")
        for name in "abcd":
            writer.segment(writer.image(picture(tmp_path / f"{name}.png")), concept, None)
    data = Dataset.open(tmp_path / "data")
    assert [row["image"] for row in data.segments(1, 3)] == [1, 2]


def test_unreadable_images_are_rejected_with_a_reason(tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    with DatasetWriter(tmp_path / "data", source={}) as writer:
        assert writer.image(tmp_path / "gone.jpg") is None
        assert writer.image(text) is None
        assert writer.image(tmp_path) is None
        assert writer.image(small := picture(tmp_path / "a.png"), size=(6, 4)) is None
    rejects = Dataset(tmp_path / "data").table("rejects").to_pylist()
    assert [row["item"] for row in rejects] == [str(path) for path in (tmp_path / "gone.jpg", text, tmp_path, small)]
    assert rejects[0]["reason"] == "the image file is missing"
    assert rejects[1]["reason"].startswith("not a readable image: cannot identify image file")
    assert rejects[3]["reason"] == "the image is 4 x 6 but its source says 6 x 4 (height x width)"


def test_in_place_refers_to_the_files(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    with DatasetWriter(tmp_path / "data", source={}, in_place=True) as writer:
        writer.image(path)
        with pytest.raises(InputError, match=r"two images are named 'a\.png'"):
            writer.image(path)
    data = Dataset(tmp_path / "data")
    assert data.path(data.images["uri"][0].as_py()) == path.resolve()
    assert list((data.folder / "images").iterdir()) == []


def test_a_failure_leaves_no_folder(tmp_path: Path) -> None:
    path = picture(tmp_path / "source" / "a.png")

    def fail() -> None:
        with DatasetWriter(tmp_path / "data", source={}) as writer:
            writer.image(path)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert [entry.name for entry in tmp_path.iterdir()] == ["source"]


def test_an_interrupted_attempt_is_swept_away_by_the_next(tmp_path: Path) -> None:
    stale = tmp_path / ".data.partial" / "images" / "old.png"
    picture(stale)
    with DatasetWriter(tmp_path / "data", source={}):
        pass
    assert not (tmp_path / "data" / "images" / "old.png").exists()
    assert not stale.exists()


def test_the_target_must_be_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with DatasetWriter(tmp_path / "empty", source={}):
        pass
    message = f"{tmp_path / 'empty'} exists and is not empty; choose another folder or remove it first"
    with pytest.raises(InputError) as error:
        DatasetWriter(tmp_path / "empty", source={})
    assert str(error.value) == message


def test_a_relative_target_may_be_the_folder_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with DatasetWriter(".", source={}) as writer:
        writer.attribute(0, "a", "b")
    assert Dataset(tmp_path / "here").table("attributes").num_rows == 1


def test_names_that_collide_or_leave_the_folder_are_refused(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    with DatasetWriter(tmp_path / "data", source={}) as writer:
        writer.image(path)
        with pytest.raises(InputError, match=r"two images are named 'a\.png'; give each image its own name"):
            writer.image(path)
        with pytest.raises(InputError, match=r"image name '\.\./b\.png' leaves the data-set folder; rename the file"):
            writer.image(path, name="../b.png")
    assert not (tmp_path / "b.png").exists()


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "data", source={}) as writer:
        image = writer.image(picture(tmp_path / "a.png"))
        with pytest.raises(InputError, match=r"mask of size \(6, 4\) for image 0 of size \(4, 6\)"):
            writer.segment(image, 1, np.ones((6, 4), bool))


def test_the_identity_follows_the_content(tmp_path: Path) -> None:
    def identity(folder: str, *concepts: str) -> str:
        with DatasetWriter(tmp_path / folder, source={"path": folder}) as writer:
            for concept in concepts:
                writer.concept(concept, "object")
        return Dataset(tmp_path / folder).identity

    assert identity("a", "cat") == identity("b", "cat")
    assert identity("c", "cat", "dog") != identity("d", "cat")


def test_boxes_of_parts_are_kept_and_points_keep_the_identity_they_had(tmp_path: Path) -> None:
    """The digest is of points written before landmarks had a width and a height."""
    for name, size in (("points", None), ("boxes", (3.0, 1.5))):
        with DatasetWriter(tmp_path / name, source={}) as writer:
            writer.landmark(writer.image(picture(tmp_path / "a.png")), None, "head", 3.5, 1.0, size)
    points, boxes = (Dataset(tmp_path / name) for name in ("points", "boxes"))
    row = {"image": 0, "object": None, "landmark": "head", "x": 3.5, "y": 1.0}
    assert points.table("landmarks").to_pylist() == [{**row, "width": None, "height": None}]
    assert boxes.table("landmarks").to_pylist() == [{**row, "width": 3.0, "height": 1.5}]
    before = hashlib.sha256()
    for name in TABLES:
        stated = {
            "landmarks": [row],
            "images": points.images.drop_columns(["uri", "group", "orientation"]).to_pylist(),
        }.get(name, [])
        before.update(hashlib.sha256("".join(repr(item) for item in stated).encode()).digest())
    assert points.identity == before.hexdigest() != boxes.identity


def test_a_data_set_of_before_boxes_and_groups_opens(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "data", source={}) as writer:
        writer.landmark(writer.image(picture(tmp_path / "a.png")), None, "head", 3.5, 1.0)
    file = tmp_path / "data" / "landmarks.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["width", "height"]), file)
    images = tmp_path / "data" / "images.parquet"
    pq.write_table(pq.read_table(images).drop_columns("group"), images)
    assert Dataset(tmp_path / "data").groups.tolist() == [0]
    (row,) = Dataset.open(tmp_path / "data", need="landmarks").table("landmarks").to_pylist()
    assert (row["x"], row["width"], row["height"]) == (3.5, None, None)


def test_images_of_a_group_belong_to_its_first_and_others_to_themselves(tmp_path: Path) -> None:
    groups = {"a.png": "one", "b.png": None, "c.png": "two", "d.png": "one", "e.png": None}
    for folder, group_of in (("grouped", groups.get), ("alone", None)):
        with DatasetWriter(tmp_path / folder, source={}, group_of=group_of) as writer:
            for name in groups:
                writer.image(picture(tmp_path / name), name=name)
    grouped, alone = (Dataset(tmp_path / folder) for folder in ("grouped", "alone"))
    assert grouped.groups.tolist() == [0, 1, 2, 0, 4]
    assert grouped.grouped
    assert alone.groups.tolist() == [0, 1, 2, 3, 4]
    assert not alone.grouped
    assert grouped.identity != alone.identity


def test_the_identity_does_not_tell_where_images_lie(tmp_path: Path) -> None:
    """The seeds of permutations come from it, and those must be the same on every machine."""
    paths = [tmp_path / "here" / "a.png", tmp_path / "somewhere" / "else" / "a.png"]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True)
        picture(path)
        with DatasetWriter(tmp_path / str(number), source={}, in_place=True) as writer:
            writer.image(path)
            writer.reject(str(path.with_name("b.png")), "the image file is missing")
    first, second = (Dataset(tmp_path / str(number)) for number in (0, 1))
    assert first.images["uri"] != second.images["uri"]
    assert first.identity == second.identity


def test_opening_what_an_audit_cannot_use_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        Dataset.open(tmp_path / "gone")
    how = "make one with `filterscope import` or `filterscope sample`"
    assert str(error.value) == f"no data set at {tmp_path / 'gone'} (it has no dataset.json); {how}"

    with DatasetWriter(tmp_path / "empty", source={}) as writer:
        writer.concept("cat", "object")
    with pytest.raises(InputError) as error:
        Dataset.open(tmp_path / "empty")
    assert str(error.value) == (
        f"the data set {tmp_path / 'empty'} has no images; look at its rejects.parquet for the reasons"
    )

    with DatasetWriter(tmp_path / "plain", source={}) as writer:
        writer.image(picture(tmp_path / "a.png"))
        writer.concept("cat", "object")
    with pytest.raises(InputError) as error:
        Dataset.open(tmp_path / "plain")
    assert str(error.value) == (
        f"the data set {tmp_path / 'plain'} has no concepts: nothing in it labels a pixel or an image"
    )
