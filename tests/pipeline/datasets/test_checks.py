"""A data set whose tables were changed, or whose numbers are out of range, is refused before any kernel sees it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from filterscope.pipeline.datasets.checks import check_dataset, refuse_invalid
from filterscope.pipeline.datasets.layout import MANIFEST, Dataset, DatasetWriter, decode_mask, encode_mask, files_of
from filterscope.pipeline.engine.errors import InputError

MASK = np.arange(24).reshape(4, 6) % 5 == 0


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with every table: 3 images, 2 concepts, 2 objects."""
    folder = tmp_path_factory.mktemp("checks")
    with DatasetWriter(folder / "data", source={}) as writer:
        for name in ("a", "b", "c"):
            Image.new("RGB", (6, 4), (ord(name), 0, 0)).save(folder / f"{name}.png")
            image = writer.image(folder / f"{name}.png")
            assert image is not None
            writer.segment(image, writer.concept("cat", "object"), MASK)
            writer.segment(image, writer.concept("sky", "scene", "image"), None)
            writer.attribute(image, "time", "day")
        for image in (0, 2):
            writer.landmark(image, writer.object(image, "cat", (0, 0, 5, 3)), "nose", 2.5, 1.0, (1.0, 2.0))
        writer.landmark(1, None, "tail", 2.5, 1.0)
        writer.ignore(1, ~MASK, concept="cat")
        writer.ignore(2, MASK, categories=["scene"])
    return folder / "data"


@pytest.fixture
def data(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "data"))


def put(data: Path, name: str, column: str, row: int, value: object) -> None:
    """Change one value of a table, and leave the manifest."""
    table = pq.read_table(data / f"{name}.parquet")
    values = table[column].to_pylist()
    values[row] = value
    at = table.column_names.index(column)
    pq.write_table(
        table.set_column(at, column, pa.array(values, table.schema.field(at).type)), data / f"{name}.parquet"
    )


WRONG = [
    ("segments", "concept", 10**6, "concepts are numbered 1 to 2"),
    ("segments", "concept", 0, "concepts are numbered 1 to 2"),
    ("segments", "concept", -1, "concepts are numbered 1 to 2"),
    ("segments", "concept", None, "must be stated"),
    ("segments", "image", 3, "images are numbered 0 to 2"),
    ("segments", "image", -1, "images are numbered 0 to 2"),
    ("images", "height", 10**9, "with the other side that is more than"),
    ("images", "height", 0, "an image has at least one pixel"),
    ("images", "width", -6, "an image has at least one pixel"),
    ("images", "image", 2, "images are numbered from 0, in order"),
    ("images", "sha256", "0" * 63, "is no SHA-256"),
    ("images", "uri", None, "must be stated"),
    ("images", "orientation", 9, "EXIF orientations are 1 to 8"),
    ("concepts", "concept", 2**31 - 1, "concepts are numbered from 1, in order"),
    ("concepts", "name", "cat", "is the name of two concepts"),
    ("concepts", "category", None, "must be stated"),
    ("objects", "object", 0, "is the number of two objects"),
    ("objects", "object", -2, "numbers of objects begin at 0"),
    ("objects", "image", 7, "images are numbered 0 to 2"),
    ("objects", "box", [0.0, float("nan"), 1.0, 1.0], "the four numbers of a box are finite"),
    ("objects", "box", [0.0, 0.0, float("inf"), 1.0], "the four numbers of a box are finite"),
    ("objects", "box", None, "must be stated"),
    ("landmarks", "object", 12, "there is no such object"),
    ("landmarks", "x", float("nan"), "places are finite"),
    ("landmarks", "y", float("-inf"), "places are finite"),
    ("landmarks", "width", -1.0, "sides of a box are finite and not negative"),
    ("landmarks", "image", 2**31 - 1, "images are numbered 0 to 2"),
    ("attributes", "image", -(2**31), "images are numbered 0 to 2"),
    ("ignored", "image", 3, "images are numbered 0 to 2"),
    ("ignored", "concept", 3, "concepts are numbered 1 to 2"),
    ("ignored", "category", None, "either a concept or a category is ignored"),
]


@pytest.mark.parametrize(("table", "column", "value", "why"), WRONG)
def test_a_wrong_value_is_refused_with_its_table_row_and_column(
    data: Path, table: str, column: str, value: object, why: str
) -> None:
    check_dataset(Dataset(data))
    put(data, table, column, 1, value)
    with pytest.raises(InputError) as error:
        refuse_invalid(Dataset(data))
    told = str(error.value)
    assert told.startswith(f"{data / table}.parquet, row 1: {column if table != 'ignored' else ''}")
    assert why in told
    assert told.endswith("import the data set again")


@pytest.mark.parametrize("table", ["images", "concepts", "segments", "objects", "landmarks", "attributes", "ignored"])
def test_any_numbers_in_a_table_pass_or_are_named(data: Path, table: str) -> None:
    rng = np.random.default_rng(len(table))
    rows = pq.read_table(data / f"{table}.parquet")
    numbers = [name for name in rows.column_names if pa.types.is_primitive(rows.schema.field(name).type)]
    odd = [-(2**31), -1, 0, 1, 2, 3, 255, 2**31 - 1, None]
    refused = 0
    for _ in range(40):
        column, row = numbers[rng.integers(len(numbers))], int(rng.integers(len(rows)))
        kind = rows.schema.field(column).type
        value = odd[rng.integers(len(odd))]
        if value is not None and pa.types.is_floating(kind):
            value = float(np.array(rng.integers(2**32), np.uint32).view(np.float32))
        elif value is not None and kind == pa.int8():
            value = int(np.int64(value).astype(np.int8))
        put(data, table, column, row, value)
        try:
            refuse_invalid(Dataset(data))
        except InputError as error:
            refused += 1
            assert str(error).startswith((str(data / table), str(data / "landmarks.parquet, row")))  # noqa: PT017
        pq.write_table(rows, data / f"{table}.parquet")
    assert refused > 5


@pytest.mark.parametrize("table", ["images", "concepts", "segments", "objects", "landmarks", "attributes", "ignored"])
def test_a_table_of_any_bytes_is_the_same_or_is_named(data: Path, table: str) -> None:
    path, rng = data / f"{table}.parquet", np.random.default_rng(len(table))
    whole = path.read_bytes()
    for number in range(60):
        content = bytearray(whole)
        if number % 3 == 0:
            content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        elif number % 3 == 1:
            content = content[: rng.integers(len(content))]
        else:
            start = int(rng.integers(len(content)))
            content[start : start + 16] = rng.bytes(16)
        path.write_bytes(content)
        try:
            check_dataset(Dataset(data))
        except InputError as error:
            assert path.name in str(error)  # noqa: PT017
        else:
            assert Dataset(data).content == Dataset(data).identity


@pytest.mark.parametrize("noted", [True, False])
def test_a_rewritten_table_is_named_and_one_of_the_same_rows_is_the_same(data: Path, noted: bool) -> None:
    """Data sets of earlier versions note one digest of all rows."""
    if not noted:
        manifest = json.loads((data / MANIFEST).read_text())
        manifest.pop("tables")
        (data / MANIFEST).write_text(json.dumps(manifest))
    for name in ("segments", "ignored", "images"):
        table = pq.read_table(data / f"{name}.parquet")
        pq.write_table(table, data / f"{name}.parquet", compression="none")
        assert Dataset(data).changed == []
        pq.write_table(table.slice(1), data / f"{name}.parquet")
        changed = Dataset(data).changed
        assert data / f"{name}.parquet" in changed
        assert len(changed) == 1 or not noted
        with pytest.raises(InputError, match=rf"was changed after it was imported: .*{name}\.parquet"):
            check_dataset(Dataset(data))
        pq.write_table(table, data / f"{name}.parquet")
    check_dataset(Dataset(data), Dataset(data).identity)
    with pytest.raises(InputError, match="holds another data set"):
        check_dataset(Dataset(data), "0" * 64)


def test_a_manifest_that_notes_other_tables_is_not_believed(data: Path) -> None:
    segments = pq.read_table(data / "segments.parquet")
    pq.write_table(segments.slice(1), data / "segments.parquet")
    manifest = json.loads((data / MANIFEST).read_text())
    for tables in (7, {}, {"segments": {}}, {**manifest["tables"], "segments": {"rows": "00" * 32, "file": "0"}}):
        (data / MANIFEST).write_text(json.dumps({**manifest, "tables": tables}))
        assert data / "segments.parquet" in Dataset(data).changed


def test_manifest_and_tables_tell_whether_a_data_set_changed(data: Path) -> None:
    names = {path.name for path in files_of(data)}
    assert names == {MANIFEST, "rejects.parquet", *(f"{name}.parquet" for name in (
        "images", "concepts", "segments", "objects", "landmarks", "attributes", "ignored"))}  # fmt: skip
    (data / "ignored.parquet").unlink()
    assert {path.name for path in files_of(data)} == names - {"ignored.parquet"}


@pytest.mark.parametrize("size", [(4, 7), (5, 6), (3, 6), (1, 1), (4, 5), (6, 10**5)])
def test_run_lengths_of_another_size_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"add up to 24 pixels and its image has {size[0]} x {size[1]}"):
        decode_mask(encode_mask(MASK), *size)


def test_any_run_lengths_are_a_mask_of_the_size_or_are_refused() -> None:
    rng, whole, drawn = np.random.default_rng(0), encode_mask(MASK), 0
    for number in range(3000):
        counts = bytearray(whole)
        if number % 2:
            counts[rng.integers(len(counts))] = rng.integers(256)
        else:
            counts = bytearray(rng.integers(48, 112, rng.integers(1, 30)).astype(np.uint8).tobytes())
        try:
            mask = decode_mask(bytes(counts), 4, 6)
        except ValueError:
            continue
        drawn += 1
        assert (mask.shape, mask.dtype) == ((4, 6), bool)
        assert decode_mask(encode_mask(mask), 4, 6).tolist() == mask.tolist()
    assert drawn
