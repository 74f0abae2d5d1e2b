"""CSV files and paths of a source are read as people write them, and nothing outside the source is touched."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filterscope.pipeline.datasets.reading import BadRowError, join_inside, read_rgb, read_rows
from filterscope.pipeline.engine.errors import InputError


def test_rows_keep_their_lines_and_lose_white_space(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeff index , name\r\n1, "a, b"\r\n\r\n2,"c\r\nd",more,cells\r\n3\r\n'.encode())
    assert read_rows(path, ("name", "index")) == [
        (2, {"index": "1", "name": "a, b"}),
        (5, {"index": "2", "name": "c\r\nd"}),
        (6, {"index": "3", "name": ""}),
    ]


def test_quoted_cells_hold_commas_and_quotes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('index,name\n1,"wood, ""oak"""\n')
    assert read_rows(path, ("index",)) == [(2, {"index": "1", "name": 'wood, "oak"'})]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no file {}; it must be a CSV file with the columns index, name"),
        (b"", "{} has no column index, name; its columns are: none"),
        (b"index,title\n", "{} has no column name; its columns are: index, title"),
        (b"\xff\xfe", "{} is not a CSV file in UTF-8: 'utf-8' codec can't decode byte 0xff in position 0"),
    ],
)
def test_a_file_that_is_not_the_table_says_what_it_is(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_rows(path, ("index", "name"))
    assert str(error.value).startswith(message.format(path))


@pytest.mark.parametrize("path", ["", ".", "..", "../a", "a/../../b", "/a", "C:\\a", "\\a", "a\\..\\b", "a\0b"])
def test_paths_that_leave_the_folder_are_refused(path: str) -> None:
    with pytest.raises(BadRowError, match="is empty or leaves the source folder"):
        join_inside(Path("data"), path)


@pytest.mark.parametrize("path", ["a.png", "a/b.png", "a..b/c", "Ä ö.jpg"])
def test_paths_inside_the_folder_are_joined(path: str) -> None:
    assert join_inside(Path("data"), path) == Path("data") / path


def test_an_orientation_tag_does_not_turn_the_pixels(tmp_path: Path) -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.png"), pixels)


def test_a_truncated_image_is_a_bad_row(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    for suffix in ("png", "jpg"):
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(BadRowError, match="the pixels cannot be decoded: "):
            read_rgb(path)
