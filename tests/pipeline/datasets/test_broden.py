"""Broden folders come in with the right pixels, and what is wrong in them is rejected with its reason."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from filterscope.pipeline.datasets.broden import enlarge, import_broden
from filterscope.pipeline.datasets.layout import Dataset, decode_mask
from filterscope.pipeline.datasets.reading import ImportNote
from filterscope.pipeline.engine.errors import InputError

#: A note fails the test.
SILENT = pytest.mark.filterwarnings("error::filterscope.pipeline.datasets.reading.ImportNote")
LABELS = """number,name,category,frequency,coverage,syns
1,sky,object(3),3,1.0,
2,head,part(2);object(1),3,1.0,
300,street-s,scene(5),5,1.0,
4,"wood, oak",material(36);object(3),2,1.0,
5,tree,object(2),2,1.0,
"""
HEADER = "image,split,ih,iw,sh,sw,object,part,scene,material"


def save(path: Path, pixels: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(pixels, np.uint8)).save(path)


def save_layer(path: Path, labels: Any) -> None:
    labels = np.array(labels)
    save(path, np.stack([labels % 256, labels // 256, 0 * labels], -1))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "broden"
    for name in ("a/1.png", "a/2.png"):
        save(folder / "images" / name, np.full((4, 6, 3), (255, 0, 0)))
    save_layer(folder / "images/a/1_object.png", [[1, 1, 0], [0, 5, 5]])
    save_layer(folder / "images/a/1_object2.png", [[0, 5, 0], [0, 0, 0]])
    save_layer(folder / "images/a/1_part.png", [[0, 0, 0], [2, 0, 0]])
    (folder / "label.csv").write_text(LABELS)
    (folder / "category.csv").write_text(
        "name,first,last,count,frequency\nobject,1,5,3,9\npart,2,2,1,2\nscene,300,300,1,1\n"
    )
    write_index(
        folder, "a/1.png,train,4,6,2,3,a/1_object.png;a/1_object2.png,a/1_part.png,300,4", "a/2.png,val,4,6,2,3,1,,0,"
    )
    return folder


def write_index(folder: Path, *rows: str, header: str = HEADER) -> None:
    (folder / "index.csv").write_text("\n".join([header, *rows]) + "\n")


def imported(source: Path, **options: Any) -> Dataset:
    target = source.parent / "data"
    import_broden(source, target, **options)
    return Dataset(target)


def segments(data: Dataset) -> dict[tuple[int, str], np.ndarray | None]:
    names = dict(zip(data.concepts["concept"].to_pylist(), data.concepts["name"].to_pylist(), strict=True))
    rows = data.segments(0, data.images.num_rows)
    sizes = [(row["height"], row["width"]) for row in data.images.to_pylist()]
    return {
        (row["image"], names[row["concept"]]): row["mask"] and decode_mask(row["mask"], *sizes[row["image"]])
        for row in rows
    }


def rejects(data: Dataset) -> list[tuple[str, str]]:
    return [(row["item"], row["reason"]) for row in data.table("rejects").to_pylist()]


def test_layers_are_united_and_enlarged_to_the_image(source: Path) -> None:
    data = imported(source)
    found = segments(data)
    assert [row["uri"] for row in data.images.to_pylist()] == ["images/a/1.png", "images/a/2.png"]
    assert data.images["split"].to_pylist() == ["train", "val"]
    sky = np.kron([[1, 1, 0], [0, 0, 0]], np.ones((2, 2))).astype(bool)
    tree = np.kron([[0, 1, 0], [0, 1, 1]], np.ones((2, 2))).astype(bool)
    head = np.kron([[0, 0, 0], [1, 0, 0]], np.ones((2, 2))).astype(bool)
    np.testing.assert_array_equal(found[0, "sky"], sky)
    np.testing.assert_array_equal(found[0, "tree"], tree)
    np.testing.assert_array_equal(found[0, "head"], head)
    assert found[0, "street-s"] is None
    assert found[1, "sky"] is None
    assert len(found) == 5  # category.csv does not name material; label 0 is no concept
    assert rejects(data) == []


def test_the_primary_category_is_the_first_of_the_cell_and_the_level_that_of_its_cells(source: Path) -> None:
    (source / "category.csv").unlink()
    concepts = {row["name"]: (row["category"], row["level"]) for row in imported(source).concepts.to_pylist()}
    assert concepts == {
        "sky": ("object", "pixel"),
        "head": ("part", "pixel"),
        "street-s": ("scene", "image"),
        "wood, oak": ("material", "image"),
        "tree": ("object", "pixel"),
    }


def test_a_whole_image_label_absorbs_the_masks_of_its_concept(source: Path) -> None:
    write_index(source, "a/1.png,train,4,6,2,3,a/1_object.png;1,,,")
    found = segments(imported(source))
    assert found[0, "sky"] is None
    assert found[0, "tree"].sum() == 8


def test_labels_above_255_stand_in_the_green_channel(source: Path) -> None:
    save_layer(source / "images/a/scene.png", [[300, 300, 0], [0, 0, 0]])
    write_index(source, "a/1.png,train,4,6,2,3,,,a/scene.png,")
    assert segments(imported(source))[0, "street-s"].sum() == 8


def test_numbers_of_one_name_are_one_concept(source: Path) -> None:
    (source / "label.csv").write_text(LABELS + "6,tree,object(1),1,1,\n")
    save_layer(source / "images/a/layer.png", [[5, 6, 6], [0, 0, 0]])
    write_index(source, "a/1.png,train,4,6,2,3,a/layer.png,,,")
    data = imported(source)
    assert data.table("segments").num_rows == 1
    assert segments(data)[0, "tree"].sum() == 12


def test_colours_are_added_under_free_names(source: Path) -> None:
    (source / "label.csv").write_text(LABELS + "7,red,object(1),1,1,\n")
    data = imported(source, colors=True)
    concepts = {row["name"]: row["category"] for row in data.concepts.to_pylist()}
    assert concepts["red-c"] == "color"
    assert segments(data)[1, "red-c"].all()


def test_bytes_that_spreadsheets_add_do_no_harm(source: Path) -> None:
    index = (source / "index.csv").read_text().replace("\n", "\r\n")
    (source / "index.csv").write_bytes(b"\xef\xbb\xbf" + index.encode())
    data = imported(source)
    assert rejects(data) == []
    assert data.table("segments").num_rows == 5


def test_bad_rows_are_rejected_and_the_rest_goes_on(source: Path) -> None:
    save(source / "images/a/blue.png", np.full((2, 3, 3), 1))
    save_layer(source / "images/a/small.png", [[1]])
    save_layer(source / "images/a/unknown.png", [[1, 77, 0], [0, 0, 0]])
    write_index(
        source,
        "../secret.png,train,4,6,2,3,1,,,",
        "/etc/hostname,train,4,6,2,3,1,,,",
        "a/gone.png,train,4,6,2,3,1,,,",
        "a/2.png,train,5,6,2,3,1,,,",
        "a/2.png,train,four,6,2,3,1,,,",
        "a/1.png,train,4,6,2,3,a/blue.png;a/small.png;a/unknown.png;../x.png;a/none.png;99,,,",
        "a/1.png,train,4,6,2,3,1,,,",
    )
    (source / "label.csv").write_text(
        LABELS + "x,y,object(1),,,\n9,,object(1),,,\n1,again,object(1),,,\n0,-,object,,,\n"
    )
    data = imported(source)
    incomplete = "a label needs a whole number, a name and a category"
    found = dict(rejects(data))
    gone = found.pop("index.csv line 7, object a/none.png")
    assert gone.startswith("the pixels cannot be decoded: [Errno 2]")
    stays = "is not in label.csv; what it labels stays unlabelled"
    assert found == {
        "label.csv line 7": incomplete,
        "label.csv line 8": incomplete,
        "label.csv line 9": "label 1 is 'sky' already",
        "index.csv line 2": "the path '../secret.png' is empty or leaves the source folder",
        "index.csv line 3": "the path '/etc/hostname' is empty or leaves the source folder",
        str(source / "images/a/gone.png"): "the image file is missing",
        str(source / "images/a/2.png"): "the image is 4 x 6 but its source says 5 x 6 (height x width)",
        "index.csv line 6": "ih 'four' and iw '6' must be whole numbers",
        "index.csv line 7, object a/blue.png": "the label image has blue pixels; a label is R + 256 G and B is 0",
        "index.csv line 7, object a/small.png": "the label image is 1 x 1 but index.csv says 2 x 3 (height x width)",
        "index.csv line 7, object a/unknown.png": f"label 77 {stays}",
        "index.csv line 7, object ../x.png": "the path '../x.png' is empty or leaves the source folder",
        "index.csv line 7, object 99": f"label 99 {stays}",
        "index.csv line 8": "image 'a/1.png' is in an earlier row already",
    }
    assert data.images["uri"].to_pylist() == ["images/a/1.png"]
    assert segments(data)[0, "sky"].sum() == 4


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("index.csv", None, "no file {}/index.csv; it must be a CSV file with the columns image"),
        (
            "label.csv",
            "number;name\n",
            "{}/label.csv has no column number, name, category; its columns are: number;name",
        ),
        ("index.csv", "", "{}/index.csv has no column image; its columns are: none"),
        ("category.csv", "name\nobject\nhue\n", "{}/index.csv has no column hue, which category.csv names"),
    ],
)
def test_a_folder_that_is_not_broden_stops_the_import(
    source: Path, name: str, content: str | None, message: str
) -> None:
    (source / name).unlink()
    if content is not None:
        (source / name).write_text(content)
    with pytest.raises(InputError) as error:
        imported(source)
    assert str(error.value) == message.format(source)
    assert not (source.parent / "data").exists()


def test_progress_counts_every_row(source: Path) -> None:
    seen: list[tuple[int, int]] = []
    imported(source, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 40), st.integers(0, 40), st.randoms())
def test_an_enlarged_layer_sampled_back_is_the_layer(h: int, w: int, more: int, wider: int, random: Any) -> None:
    layer = np.array([[random.randrange(9) for _ in range(w)] for _ in range(h)])
    height, width = h + more, w + wider
    large = enlarge(layer, height, width)
    for row in range(height):
        for column in range(width):
            source_row, source_column = int((row + 0.5) * h / height), int((column + 0.5) * w / width)
            assert large[row, column] == layer[source_row, source_column]
    rows = [int((row + 0.5) * height / h) for row in range(h)]
    columns = [int((column + 0.5) * width / w) for column in range(w)]
    np.testing.assert_array_equal(large[np.ix_(rows, columns)], layer)


def test_a_name_of_label_0_is_told_of(source: Path, tmp_path: Path) -> None:
    (source / "label.csv").write_text(LABELS + "0,fog,object(3),1,1.0,\n")
    reason = "label 0 is named 'fog' but 0 means unlabelled in Broden; give the label another number"
    with pytest.warns(ImportNote, match=reason):
        import_broden(source, tmp_path / "data")
    data = Dataset(tmp_path / "data")
    assert "fog" not in data.concepts["name"].to_pylist()
    assert [(row["item"], row["reason"]) for row in data.table("rejects").to_pylist()] == [("label.csv line 7", reason)]


@SILENT
@pytest.mark.parametrize("name", ["-", "background", "unlabelled"])
def test_label_0_may_say_that_it_is_none(
    source: Path, tmp_path: Path, name: str, recwarn: pytest.WarningsRecorder
) -> None:
    (source / "label.csv").write_text(LABELS + f"0,{name},object(3),1,1.0,\n")
    import_broden(source, tmp_path / "data")
    assert Dataset(tmp_path / "data").table("rejects").num_rows == 0
