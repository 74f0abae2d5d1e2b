"""Index masks come in by index, and a wrong mask stops the import with what to do."""

import csv
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from filterscope.pipeline.datasets.layout import Dataset, decode_mask
from filterscope.pipeline.datasets.masks import import_masks, read_indices
from filterscope.pipeline.datasets.reading import ImportNote
from filterscope.pipeline.engine.errors import InputError

#: A note fails the test.
SILENT = pytest.mark.filterwarnings("error::filterscope.pipeline.datasets.reading.ImportNote")
H, W = 2, 4
LABELS = "index,name,category\n0,null,\n1,cat,\n2,wood,material\n3,cat,\n"
MASK = [[0, 1, 2, 3], [1, 1, 0, 255]]


def picture(path: Path, height: int = H, width: int = W) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), (255, 0, 0), np.uint8)).save(path)


def mask(path: Path, indices: Any = MASK, dtype: type = np.uint8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(indices, dtype)).save(path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    for name in ("a", "deep/b"):
        picture(folder / "images" / f"{name}.jpg")
        mask(folder / "masks" / f"{name}.png")
    (folder / "labels.csv").write_text(LABELS)
    return folder


def imported(source: Path, **options: Any) -> Dataset:
    target = source.parent / "data"
    import_masks(source, target, **options)
    return Dataset(target)


def segments(data: Dataset) -> dict[tuple[int, str], list[list[int]]]:
    names = dict(zip(data.concepts["concept"].to_pylist(), data.concepts["name"].to_pylist(), strict=True))
    sizes = [(row["height"], row["width"]) for row in data.images.to_pylist()]
    return {
        (row["image"], names[row["concept"]]): decode_mask(row["mask"], *sizes[row["image"]]).astype(int).tolist()
        for row in data.segments(0, data.images.num_rows)
    }


def zeros(source: Path, name: str) -> None:
    (source / "labels.csv").write_text(LABELS.replace("0,null", f"0,{name}"))


def rejects(data: Dataset) -> list[tuple[str, str]]:
    return [(row["item"], row["reason"]) for row in data.table("rejects").to_pylist()]


def message(source: Path, **options: Any) -> str:
    with pytest.raises(InputError) as error:
        imported(source, **options)
    assert not (source.parent / "data").exists()
    return str(error.value)


def test_indices_of_a_name_are_one_concept_and_0_and_255_are_none(source: Path) -> None:
    data = imported(source)
    cat, wood = [[0, 1, 0, 1], [1, 1, 0, 0]], [[0, 0, 1, 0], [0, 0, 0, 0]]
    assert segments(data) == {(0, "cat"): cat, (0, "wood"): wood, (1, "cat"): cat, (1, "wood"): wood}
    assert data.images["uri"].to_pylist() == ["images/a.jpg", "images/deep/b.jpg"]
    assert {row["name"]: row["category"] for row in data.concepts.to_pylist()} == {"cat": "object", "wood": "material"}
    assert rejects(data) == []


def test_the_names_and_the_category_can_be_given(source: Path, tmp_path: Path) -> None:
    (source / "labels.csv").rename(tmp_path / "mine.csv")
    data = imported(source, names=tmp_path / "mine.csv", category="part", in_place=True)
    assert {row["name"]: row["category"] for row in data.concepts.to_pylist()} == {"cat": "part", "wood": "material"}
    assert data.images["uri"].to_pylist()[0] == str(source / "images" / "a.jpg")


def test_255_counts_where_it_has_a_name(source: Path) -> None:
    (source / "labels.csv").write_text(LABELS + "255,edge,\n")
    assert segments(imported(source))[0, "edge"] == [[0, 0, 0, 0], [0, 0, 0, 1]]


def test_the_folders_of_voc_are_known(source: Path) -> None:
    (source / "images").rename(source / "JPEGImages")
    (source / "masks").rename(source / "SegmentationClass")
    (source / "labels.csv").rename(source / "names.csv")
    assert len(segments(imported(source))) == 4


def test_a_palette_counts_by_index_and_not_by_colour(source: Path) -> None:
    image = Image.frombytes("P", (W, H), np.array(MASK, np.uint8).tobytes())
    image.putpalette([200, 100, 50] * 256)
    image.save(source / "masks" / "a.png")
    found = segments(imported(source))
    assert found[0, "cat"] == found[1, "cat"]


def test_masks_of_16_bits_hold_large_indices_and_ignore_the_largest(source: Path) -> None:
    (source / "labels.csv").write_text(LABELS + "1000,lamp,\n")
    mask(source / "masks" / "a.png", [[0, 1000, 1000, 1], [0, 0, 0, 65535]], np.uint16)
    found = segments(imported(source))
    assert found[0, "lamp"] == [[0, 1, 1, 0], [0, 0, 0, 0]]
    assert found[0, "cat"] == [[0, 0, 0, 1], [0, 0, 0, 0]]


def grey_png(bits: int, row: list[int]) -> bytes:
    """Write a PNG of one row of grey levels of 1, 2, 4 or 8 bits."""
    packed = int("".join(f"{value:0{bits}b}" for value in row).ljust(-(-len(row) * bits // 8) * 8, "0"), 2)
    line = b"\0" + packed.to_bytes(-(-len(row) * bits // 8), "big")
    header = struct.pack(">IIBBBBB", len(row), 1, bits, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(line)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_of_few_bits_is_read_as_stored(tmp_path: Path, bits: int) -> None:
    row = [0, 1, 2**bits - 1, 1, 2**bits // 2]
    (tmp_path / "a.png").write_bytes(grey_png(bits, row))
    assert read_indices(tmp_path / "a.png").tolist() == [row]


def test_a_mask_of_another_size_stops_the_import(source: Path) -> None:
    mask(source / "masks" / "deep" / "b.png", [[1, 2], [1, 2], [1, 2]])
    sizes = "masks/deep/b.png is 3 x 2 but its image images/deep/b.jpg is 2 x 4 (height x width)"
    fix = "a mask must have the size of its image; fix it, or reject its image with --skip-bad"
    assert message(source) == f"{sizes}; {fix}"
    data = imported(source, skip_bad=True)
    assert data.images.num_rows == 1
    assert rejects(data) == [("masks/deep/b.png", sizes.removeprefix("masks/deep/b.png "))]


def test_an_index_without_a_name_stops_the_import(source: Path) -> None:
    mask(source / "masks" / "a.png", [[1, 7, 2, 0], [0, 0, 0, 255]])
    fix = "add a row for it, or leave its pixels unlabelled with --skip-bad"
    assert message(source) == f"masks/a.png has index 7, which labels.csv does not name; {fix}"
    data = imported(source, skip_bad=True)
    assert rejects(data) == [("masks/a.png", "has index 7, which labels.csv does not name")]
    assert segments(data)[0, "cat"] == [[1, 0, 0, 0], [0, 0, 0, 0]]


def test_255_is_no_special_index_of_a_16_bit_mask(source: Path) -> None:
    mask(source / "masks" / "a.png", [[1, 255, 300, 0]] * 2, np.uint16)
    assert message(source).startswith("masks/a.png has indices 255, 300, which labels.csv does not name; ")


def test_a_mask_of_colours_stops_the_import(source: Path) -> None:
    picture(source / "masks" / "a.png")
    fix = "save it as grey or palette PNG, or reject its image with --skip-bad"
    assert message(source) == f"masks/a.png holds RGB colours, not indices; {fix}"
    assert rejects(imported(source, skip_bad=True)) == [("masks/a.png", "holds RGB colours, not indices")]


def test_single_bad_files_are_rejected_and_the_rest_goes_on(source: Path) -> None:
    picture(source / "images" / "a.png")
    picture(source / "images" / "c.jpg")
    picture(source / "images" / "broken.jpg")
    (source / "masks" / "broken.png").write_bytes(b"\x89PNG")
    (source / "images" / "text.jpg").write_text("text")
    mask(source / "masks" / "text.png")
    mask(source / "masks" / "lonely.png")
    (source / "images" / ".hidden.jpg").write_text("text")
    data = imported(source)
    found = rejects(data)
    unreadable = [reason for _, reason in found if "cannot identify image file" in reason]
    assert found == [
        ("images/a.png", "shares its mask with another image"),
        ("masks/broken.png", unreadable[0]),
        ("images/c.jpg", "has no mask"),
        (str(source / "images" / "text.jpg"), unreadable[1]),
        ("masks/lonely.png", "has no image"),
    ]
    assert unreadable[0].startswith("cannot be decoded: ")
    assert data.images.num_rows == 2


def test_colours_are_added(source: Path) -> None:
    (source / "labels.csv").write_text(LABELS + "9,red,\n")
    data = imported(source, colors=True)
    assert segments(data)[1, "red-c"] == [[1] * W] * H


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("index,label\n", "{}/labels.csv has no column name; its columns are: index, label"),
        (
            "index,name\nx,cat\n",
            "{}/labels.csv line 2 has index 'x', name 'cat'; a row needs a whole number and a name",
        ),
        ("index,name\n1,\n", "{}/labels.csv line 2 has index '1', name ''; a row needs a whole number and a name"),
        ("index,name\n1,a\n01,b\n", "{}/labels.csv line 3 names index 1 again; give each index one row"),
        (
            "index,name,category\n1,a,part\n2,a,\n",
            "{}/labels.csv line 3 gives category object to 'a', which was part; one name has one category",
        ),
    ],
)
def test_bad_names_stop_the_import(source: Path, rows: str, expected: str) -> None:
    (source / "labels.csv").write_text(rows)
    assert message(source) == expected.format(source)


def test_a_source_without_names_images_or_masks_says_what_is_missing(source: Path) -> None:
    (source / "labels.csv").rename(source / "kept")
    gone = source / "gone"
    with pytest.raises(InputError) as error:
        import_masks(gone, source.parent / "data")
    assert str(error.value) == f"no folder {gone}; give the folder that holds images/, masks/ and labels.csv"
    how = "name a CSV file with columns index,name by --names"
    assert message(source) == f"{source} has no labels.csv or names.csv or labelmap.txt; {how}"
    expected = f"no file {source / 'my.csv'}; it must be a CSV file with the columns index, name"
    assert message(source, names=source / "my.csv") == expected
    (source / "kept").rename(source / "labels.csv")
    (source / "masks").rename(source / "other")
    assert message(source) == f"{source} has no folder masks/ or annotations/ or SegmentationClass/ or gtFine/"
    (source / "images").rename(source / "pictures")
    assert message(source) == f"{source} has no folder images/ or JPEGImages/ or leftImg8bit/"
    (source / "images").mkdir()
    expected = f"{source / 'images'} has no file ending in .jpg, .jpeg, .png, .webp, .bmp, .gif, .tif, .tiff, .avif"
    assert message(source) == expected


def test_progress_counts_every_image(source: Path) -> None:
    seen: list[tuple[int, int]] = []
    imported(source, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_the_real_set_comes_in_pixel_for_pixel(test_data: Path, tmp_path: Path) -> None:
    source = test_data / "ccp250"
    import_masks(source, tmp_path / "data", in_place=True)
    data = Dataset.open(tmp_path / "data")
    with (source / "labels.csv").open(newline="") as file:
        names = {int(row["index"]): row["name"] for row in csv.DictReader(file)}
    expected = np.zeros((250, 256), int)
    for number, path in enumerate(sorted((source / "masks").glob("*.png"))):
        expected[number] = np.bincount(np.asarray(Image.open(path)).ravel(), minlength=256)
    assert (expected.sum(0) > 0).sum() == 50
    by_name = dict(zip(data.concepts["name"].to_pylist(), data.concepts["concept"].to_pylist(), strict=True))
    index_of = {by_name[name]: index for index, name in names.items() if name in by_name}
    counted = np.zeros((250, 256), int)
    sizes = [(row["height"], row["width"]) for row in data.images.to_pylist()]
    for row in data.segments(0, 250):
        counted[row["image"], index_of[row["concept"]]] += decode_mask(row["mask"], *sizes[row["image"]]).sum()
    np.testing.assert_array_equal(counted[:, 1:], expected[:, 1:])
    assert data.concepts.num_rows == 49  # the 50th is null
    assert data.table("rejects").num_rows == 0


def test_a_class_at_index_0_is_told_of_with_its_share_of_the_pixels(source: Path) -> None:
    zeros(source, "sky")
    mask(source / "masks" / "a.png", [[1] * W] * H)
    with pytest.warns(ImportNote) as told:
        data = imported(source)
    reason = "index 0 is named 'sky' but was taken as unlabelled (12.5 % of all pixels); --zero-is-a-label imports it"
    assert [str(warning.message) for warning in told] == [f"labels.csv: {reason}"]
    assert rejects(data) == [("labels.csv", reason)]
    assert (1, "sky") not in segments(data)


@SILENT
def test_a_class_at_index_0_is_imported_on_request(source: Path) -> None:
    zeros(source, "sky")
    data = imported(source, zero_is_a_label=True)
    assert segments(data)[1, "sky"] == [[1, 0, 0, 0], [0, 0, 1, 0]]
    assert rejects(data) == []
    assert data.manifest["source"]["zero_is_a_label"] is True


def test_two_indices_of_one_name_are_one_concept_with_index_0_among_them(source: Path) -> None:
    zeros(source, "cat")
    assert segments(imported(source, zero_is_a_label=True))[0, "cat"] == [[1, 1, 0, 1], [1, 1, 1, 0]]


@SILENT
@pytest.mark.parametrize(
    "name",
    [
        "null",
        "Background",
        "BG",
        "unlabelled",
        "Unlabeled",
        "void",
        "None",
        "ignore",
        "__ignore__",
        "_background_",
        "-",
    ],
)
def test_a_name_that_says_no_label_is_no_class(source: Path, name: str) -> None:
    zeros(source, name)
    assert rejects(imported(source)) == []
    with pytest.raises(
        InputError, match=f"needs a class at index 0, but .*labels.csv names it {name!r}; name it or omit"
    ):
        import_masks(source, source.parent / "other", zero_is_a_label=True)


def test_index_0_needs_a_name_to_be_a_label(source: Path) -> None:
    (source / "labels.csv").write_text(LABELS.replace("0,null,\n", ""))
    with pytest.raises(
        InputError, match=r"needs a class at index 0, but .*labels\.csv has no row for it; name it or omit"
    ):
        imported(source, zero_is_a_label=True)


@SILENT
def test_a_class_at_index_0_that_labels_no_pixel_is_not_told_of(source: Path) -> None:
    zeros(source, "sky")
    for name in ("a", "deep/b"):
        mask(source / "masks" / f"{name}.png", [[1] * W] * H)
    assert rejects(imported(source)) == []


def test_masks_whose_names_differ_only_in_how_they_are_written_are_refused(source: Path) -> None:
    for name in ("caf\u00e9", "cafe\u0301"):
        mask(source / "masks" / f"{name}.png")
    picture(source / "images" / "caf\u00e9.jpg")
    with pytest.raises(
        InputError, match=r"^two masks are named 'caf.{1,2}\.png', but for how accents and \.png are written"
    ):
        imported(source)
