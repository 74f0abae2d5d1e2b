"""Images that belong together are told by folder, by a regular expression or by a CSV file, alike for every reader."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filterscope.pipeline.datasets.grouping import grouped_writer
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.datasets.readers import READERS
from filterscope.pipeline.engine.errors import InputError
from tests.fuzz.sources import IMPORTERS, picture, write_source

#: Folder below its image folder where a reader's source has its images.
BELOW = {"cub": "c/", "animals-5": "dog/", "animals-7.3": "dog/"}
NAMES = ("top.png", "seq1/0001.png", "seq1/0002.png", "seq2/0001.png", "seq2/deep/0003.png")


def grouped(folder: Path, group_by: str | Path, names: tuple[str, ...] = NAMES, apart: tuple[str, ...] = ()) -> Dataset:
    """A data set of images of these names."""
    with grouped_writer(
        folder / "data", source={"reader": "test"}, in_place=False, group_by=group_by, apart=apart
    ) as writer:
        for name in names:
            writer.attribute(writer.drawn(b"x", 2, 3, name=name), "kind", "drawn")
    return Dataset.open(folder / "data", need=None)


def groups(data: Dataset) -> list[str | None]:
    return data.images["group"].to_pylist()


def listed(folder: Path, *rows: str, header: str = "image,group") -> Path:
    path = folder / "groups.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("group_by", "expected"),
    [
        ("folder", [None, "seq1", "seq1", "seq2", "seq2/deep"]),
        (r"seq(\d)", [None, "1", "1", "2", "2"]),
        (r"seq\d", [None, "seq1", "seq1", "seq2", "seq2"]),
        (r"(top)|(seq2)", ["top", None, None, "seq2", "seq2"]),
        (r"^(seq\d)/(\d+)", [None, "seq1", "seq1", "seq2", None]),
        (r"seq1(x?)/|000(3)", [None, None, None, None, "3"]),
    ],
)
def test_folders_and_expressions_group_names(tmp_path: Path, group_by: str, expected: list[str | None]) -> None:
    data = grouped(tmp_path, group_by)
    assert groups(data) == expected
    assert data.manifest["source"] == {"reader": "test", "group_by": group_by, "exif": "ignore"}


def test_a_csv_names_images_by_path_or_by_a_file_name_of_their_own(tmp_path: Path) -> None:
    path = listed(tmp_path, "./seq1/0001.png,a", "seq1//0002.png, b c ", "0003.png,a", "seq1/0001.png,a")
    data = grouped(tmp_path, path)
    assert groups(data) == [None, "a", "b c", None, "a"]
    assert data.table("rejects").num_rows == 0
    assert data.manifest["source"]["group_by"] == str(path)


def test_a_file_of_another_ending_is_a_csv_too(tmp_path: Path) -> None:
    path = listed(tmp_path, "top.png,a").rename(tmp_path / "groups.txt")
    assert groups(grouped(tmp_path, str(path))) == ["a", None, None, None, None]


def test_rows_that_cannot_be_used_are_rejected(tmp_path: Path) -> None:
    path = listed(tmp_path, "top.png,a", "lost.png,a", "seq1/0001.png,", ",a", "top.png,b", "seq9/0001.png,a")
    data = grouped(tmp_path, path)
    assert groups(data) == ["a", None, None, None, None]
    assert [(row["item"], row["reason"]) for row in data.table("rejects").to_pylist()] == [
        ("groups.csv line 3", "no usable image 'lost.png'"),
        ("groups.csv line 4", "the row has no image or no group; leave out an image that belongs to no group"),
        ("groups.csv line 5", "the row has no image or no group; leave out an image that belongs to no group"),
        ("groups.csv line 6", "image 'top.png' belongs to group 'a' already"),
        ("groups.csv line 7", "no usable image 'seq9/0001.png'"),
    ]


@pytest.mark.parametrize(
    ("group_by", "message"),
    [
        (
            "video_(\\d+)",
            r"'video_.*' groups no image; one is named 'top.png': give `folder`, a regular .* or a CSV",
        ),
        ("Folder", "'Folder' groups no image"),
        ("", "'' groups no image"),
        ("(seq", r"'\(seq' is not a regular expression: missing \), unterminated.*give `folder`"),
        ("x" * 9999, "groups no image"),
        ("\0", "groups no image"),
        ("missing.csv", "no file missing.csv; it must be a CSV file with the columns image, group"),
    ],
)
def test_what_groups_nothing_is_refused(tmp_path: Path, group_by: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        grouped(tmp_path, group_by)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("image,video", "top.png,a", "groups.csv has no column group; its columns are: image, video"),
        (
            "image,group",
            "0001.png,a",
            "line 2: '0001.png' names 'seq1/0001.png' and 'seq2/0001.png'; give each its path",
        ),
        ("image,group", "lost.png,a", "groups no image; one is named 'top.png'"),
        ("image,group", "top.png,", "groups no image"),
    ],
)
def test_a_csv_that_cannot_be_meant_is_refused(tmp_path: Path, header: str, row: str, message: str) -> None:
    path = listed(tmp_path, row, header=header)
    with pytest.raises(InputError, match=message):
        grouped(tmp_path, path)
    assert list(tmp_path.iterdir()) == [path]


def test_images_in_the_top_folder_alone_are_no_groups(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'folder' groups no image; one is named 'a\.png'"):
        grouped(tmp_path, "folder", names=("a.png", "b.png"))


@pytest.mark.parametrize("reader", list(IMPORTERS))
def test_every_reader_groups_by_the_path_below_its_image_folder(reader: str, tmp_path: Path) -> None:
    write_source(tmp_path / "source", reader)
    first, second = (BELOW.get(reader, "") + name for name in ("a.png", "b.png"))
    path = listed(tmp_path, f"{first},one", f"{second},two")
    for place, group_by, expected in (
        ("listed", path, ["one", "two"]),
        ("matched", r"^(?:\w+/)?([ab])\.png$", ["a", "b"]),
        ("none", None, [None, None]),
    ):
        IMPORTERS[reader](tmp_path / "source", tmp_path / place, group_by=group_by)
        data = Dataset.open(tmp_path / place, need=None)
        assert groups(data) == expected
        assert data.table("rejects").num_rows == 0
        assert data.manifest["source"]["group_by"] == (None if group_by is None else str(group_by))


def test_readers_with_folders_name_images_by_them(tmp_path: Path) -> None:
    write_source(tmp_path / "masks", "masks")
    for place in ("images", "masks"):
        picture(tmp_path / "masks" / place / "seq1" / "c.png", "L" if place == "masks" else "RGB")
    write_source(tmp_path / "landmarks", "landmarks")
    for name in ("images/seq1/c.png", "negatives/d.png", "negatives/seq2/e.png"):
        picture(tmp_path / "landmarks" / name)
    expected = {"masks": [None, None, "seq1"], "landmarks": [None, None, "seq1", None, "negatives/seq2"]}
    for reader, wanted in expected.items():
        IMPORTERS[reader](tmp_path / reader, tmp_path / f"{reader}-data", group_by="folder")
        assert groups(Dataset.open(tmp_path / f"{reader}-data", need=None)) == wanted


def test_pascal_part_keeps_the_folder_of_an_image(tmp_path: Path) -> None:
    from scipy.io import savemat

    from tests.planted.structs import structs, thing

    write_source(tmp_path / "source", "pascal-part")
    drawn = np.ones((6, 8), np.uint8)
    anno = {"imname": "seq1/a", "objects": structs([thing("bird", drawn)])}
    savemat(tmp_path / "source" / "Annotations_Part" / "c.mat", {"anno": structs([anno])})
    (tmp_path / "source" / "JPEGImages" / "seq1").mkdir()
    Image.new("RGB", (8, 6)).save(tmp_path / "source" / "JPEGImages" / "seq1" / "a.png")
    IMPORTERS["pascal-part"](tmp_path / "source", tmp_path / "data", group_by="folder")
    assert groups(Dataset.open(tmp_path / "data")) == [None, None, "seq1"]


def test_all_readers_share_one_option() -> None:
    options = {id(option) for reader in READERS for option in reader.options if option.name == "group_by"}
    assert len(options) == 1
    assert all(any(option.name == "group_by" for option in reader.options) for reader in READERS)
