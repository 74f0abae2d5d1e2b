"""Labels of whole images come in with one meaning; what cannot be used is rejected in words."""

from pathlib import Path

import numpy as np
import pytest

from filterscope.pipeline.datasets.attributes import attribute_values, import_attributes
from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter
from filterscope.pipeline.engine.errors import InputError
from tests.fuzz.sources import picture


def imported(folder: Path, files: dict[str, str], names: str = "abc", images: str = "images", **options) -> Dataset:
    for name in names:
        picture(folder / "source" / images / f"{name}.png")
    for name, text in files.items():
        (folder / "source" / name).write_text(text)
    import_attributes(folder / "source", folder / "data", **options)
    return Dataset.open(folder / "data", need=None)


def rows(data: Dataset) -> list[tuple[int, str, str]]:
    return [tuple(row.values()) for row in data.table("attributes").to_pylist()]


def rejects(data: Dataset) -> list[tuple[str, str]]:
    return [(row["item"], row["reason"]) for row in data.table("rejects").to_pylist()]


@pytest.mark.parametrize(
    "text",
    [
        "image,smiling,young\na.png,1,0\nb.png,,1\n",
        "image,smiling,young\na.png,1,-1\nb.png,,1\n",
        "smiling,image,young\nTrue,a.png,false\n,b.png,TRUE\n",
        "image,smiling,young\na.png,1.0,0.0\nb.png,,1.0\n",
    ],
)
def test_binary_columns_have_one_meaning_and_an_empty_cell_has_no_row(text: str, tmp_path: Path) -> None:
    data = imported(tmp_path, {"attributes.csv": text})
    assert rows(data) == [(0, "smiling", "1"), (0, "young", "0"), (1, "young", "1")]
    assert (data.images.num_rows, rejects(data)) == (3, [])
    names, values = attribute_values(data)
    assert names == ["smiling", "young"]
    assert values.dtype == np.int8
    assert values.tolist() == [[1, 0], [-1, 1], [-1, -1]]


def test_the_list_of_celeba_is_read_as_published(tmp_path: Path) -> None:
    listed = "3\nBald Wearing_Hat \na.png  1 -1\nb.png -1 -1\nlost.png 1 1\n"
    data = imported(tmp_path, {"list_attr_celeba.txt": listed}, images="img_align_celeba")
    assert rows(data) == [(0, "Bald", "1"), (0, "Wearing_Hat", "0"), (1, "Bald", "0"), (1, "Wearing_Hat", "0")]
    assert rejects(data) == [("list_attr_celeba.txt line 5", "no usable image 'lost.png' in img_align_celeba/")]


def test_a_list_that_was_cut_off_says_so(tmp_path: Path) -> None:
    data = imported(tmp_path, {"list_attr_celeba.txt": "9\nBald Hat\na.png 1 -1\nb.png -1"})
    assert rows(data) == [(0, "Bald", "1"), (0, "Hat", "0")]
    assert rejects(data) == [
        ("list_attr_celeba.txt line 4", "2 cells where an image and 2 values belong"),
        ("list_attr_celeba.txt", "its first line states 9 images; 1 rows can be read"),
    ]


@pytest.mark.parametrize("column", ["class", "label"])
def test_classes_are_attributes_of_any_text(column: str, tmp_path: Path) -> None:
    text = f"image,{column},name,wnid,split,blurred\na.png,3,cat,n1,train,0\nb.png,7,dog,n2,val,1\nc.png,3,cat,n1,,\n"
    data = imported(tmp_path, {"labels.csv": text})
    assert [row for row in rows(data) if row[1] != "blurred"] == [
        (0, "class", "3"), (0, "class name", "cat"), (1, "class", "7"), (1, "class name", "dog"),
        (2, "class", "3"), (2, "class name", "cat")]  # fmt: skip
    assert data.images["split"].to_pylist() == ["train", "val", None]
    assert rejects(data) == []
    names, values = attribute_values(data)
    assert names == ["blurred", "class name=cat"]
    assert values.T.tolist() == [[0, 1, -1], [1, 0, 1]]


def test_names_that_do_not_tell_classes_apart_are_left_out(tmp_path: Path) -> None:
    data = imported(
        tmp_path, {"labels.csv": "image,class,name\na.png,134,crane\nb.png,517,crane\nc.png,1,\n"}, names="abc"
    )
    assert rejects(data) == [
        ("labels.csv", "the name 'crane' has the classes '134' and '517'; names of classes are left out")
    ]
    assert attribute_values(data, classes=True)[0] == ["class=1", "class=134", "class=517"]


def test_bad_rows_and_cells_are_rejected_and_the_rest_stays(tmp_path: Path) -> None:
    (tmp_path / "source/images").mkdir(parents=True)
    (tmp_path / "source/images/bad.png").write_bytes(b"\x89PNG no more")
    text = "image,x,age\na.png,1,31\nb.png,maybe,\na.png,0,5\nlost.png,1,\nbad.png,0,\n"
    data = imported(tmp_path, {"attributes.csv": text})
    assert rows(data) == [(0, "x", "1")]
    found = rejects(data)
    unreadable = [(item, reason) for item, reason in found if item.endswith("bad.png")]
    assert len(unreadable) == 1
    assert unreadable[0][1].startswith("not a readable image")
    assert set(found) - set(unreadable) == {
        (
            "attributes.csv column age",
            "holds no 0, 1, -1, true or false, such as '31': it is no binary attribute; "
            "call the column `class` if these are classes",
        ),
        ("attributes.csv line 3, x", "'maybe' is not 0, 1, -1, true or false; leave a cell empty that is not known"),
        ("attributes.csv line 4", "the image 'a.png' has a row already; the first stays"),
        ("attributes.csv line 5", "no usable image 'lost.png' in images/"),
        ("attributes.csv line 6", "no usable image 'bad.png' in images/"),
    }


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "holds none of attributes.csv, labels.csv, list_attr_celeba.txt"),
        ({"attributes.csv": "file,x\na.png,1\n"}, "has no column image; its columns are: file, x"),
        ({"attributes.csv": "image\na.png\n"}, "states nothing of an image"),
        ({"attributes.csv": "image,x\n"}, "states nothing of an image"),
        ({"attributes.csv": "image,x,x\na.png,1,0\n"}, "has two columns 'x'"),
        ({"attributes.csv": "image,x,y\na.png,0,1\nb.png,1,-1\n"}, "holds 0 and -1"),
        ({"attributes.csv": "image,x\na.png,2\n"}, "nothing labels"),
        ({"attributes.csv": "image,x\nA.PNG,1\n"}, "Nearly matching names: 'A.PNG' is wanted, 'a.png' is there"),
        ({"list_attr_celeba.txt": "a.png 1\nb.png -1\n"}, "does not begin like CelebA's list"),
        ({"list_attr_celeba.txt": "1\nx x\na.png 1 1\n"}, "does not begin like CelebA's list"),
        (
            {"attributes.csv": "image,x\na.png,1\n", "list_attr_celeba.txt": "1\nx\na.png 1\n"},
            "attributes.csv and list_attr_celeba.txt both state 'x'",
        ),
    ],
)
def test_what_has_no_meaning_is_refused_in_words(files: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        imported(tmp_path, files)
    assert not (tmp_path / "data").exists()


def test_one_file_of_any_name_and_a_folder_of_images(tmp_path: Path) -> None:
    picture(tmp_path / "photos/one/a.png")
    (tmp_path / "of_faces.csv").write_text("image,x\none/a.png,1\n")
    options = {"images": tmp_path / "photos", "in_place": True, "group_by": "folder"}
    import_attributes(tmp_path / "of_faces.csv", tmp_path / "data", **options)
    data = Dataset.open(tmp_path / "data", need=None)
    assert rows(data) == [(0, "x", "1")]
    assert data.images["uri"].to_pylist() == [str(tmp_path / "photos/one/a.png")]
    assert data.images["group"].to_pylist() == ["one"]
    with pytest.raises(InputError, match=r"no folder .*img_align_celeba; give that of the images with --images"):
        import_attributes(tmp_path / "of_faces.csv", tmp_path / "other")


def test_attributes_of_other_readers_are_binary_where_they_have_two_values(tmp_path: Path) -> None:
    stated = [
        (0, "smiling", "yes"), (1, "smiling", "no"), (0, "hair", "fair"), (1, "hair", "dark"), (2, "hair", "dark"),
        (0, "tag", "sunny"), (0, "tag", "street"), (1, "tag", "street"), (0, "x", "1"), (0, "x", "0"), (1, "x", "0"),
        (0, "species", "wren"), (1, "species", "tit"), (2, "species", "jay"),
    ]  # fmt: skip
    with DatasetWriter(tmp_path / "data", source={}) as writer:
        for number in range(4):
            picture(tmp_path / "one.png")
            writer.image(tmp_path / "one.png", name=f"{number}.png")
        for row in stated:
            writer.attribute(*row)
    data = Dataset.open(tmp_path / "data", need=None)
    names, values = attribute_values(data)
    assert dict(zip(names, values.T.tolist(), strict=True)) == {
        "hair=dark": [0, 1, 1, -1], "smiling": [1, 0, -1, -1], "x": [-1, 0, -1, -1]}  # fmt: skip
    names, values = attribute_values(data, classes=True)
    assert dict(zip(names, values.T.tolist(), strict=True)) == {
        "hair=dark": [0, 1, 1, -1], "smiling": [1, 0, -1, -1], "species=jay": [0, 0, 1, -1],
        "species=tit": [0, 1, 0, -1], "species=wren": [1, 0, 0, -1], "tag=street": [1, 1, -1, -1],
        "tag=sunny": [1, 0, -1, -1], "x": [-1, 0, -1, -1]}  # fmt: skip


def test_a_data_set_without_attributes_has_none(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "data", source={}) as writer:
        picture(tmp_path / "one.png")
        writer.image(tmp_path / "one.png")
    names, values = attribute_values(Dataset(tmp_path / "data"))
    assert (names, values.shape) == ([], (1, 0))
