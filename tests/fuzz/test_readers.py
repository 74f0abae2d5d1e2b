"""No source, however damaged, makes a reader fail in another way than it says, or write outside its data set."""

import csv
import io
import json
import math
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from tests.fuzz.generated import COUNTS, NASTY, changed, damaged, fuzzed, texts
from tests.fuzz.sources import COCO, IMPORTERS, write_source

LEAVES = (
    st.none() | st.booleans() | texts | st.integers(-3, 10) | st.integers() | st.floats()
    | st.lists(st.integers(-9, 60), max_size=9)
    | st.sampled_from((10**400, "\ud800", [[]], {}, "0" * 99, [math.inf] * 6, [1e308] * 6))
    | st.just({"size": [6, 8], "counts": "P" * 40})
)  # fmt: skip


@pytest.fixture(scope="module", params=list(IMPORTERS))
def sound(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz") / "source"
    write_source(folder, request.param)
    return request.param, folder


def survives(reader: str, source: Path, **options: object) -> Dataset | None:
    """Import, and check that what is there in the end is whole and inside its folder."""
    COUNTS[reader] += 1
    target = source.with_name("data")
    shutil.rmtree(target, ignore_errors=True)
    try:
        IMPORTERS[reader](source, target, **options)
    except InputError:
        assert not target.exists()
    finally:
        assert {path.name for path in source.parent.iterdir()} <= {"source", "damaged", "data", "groups"}
    if not target.exists():
        return None
    data = Dataset.open(target, need=None) if Dataset(target).images.num_rows else None
    for uri in data.images["uri"].to_pylist() if data else ():
        assert data.path(uri).resolve().is_relative_to(target.resolve())
    return data


def test_the_sound_source_has_no_rejects(sound):
    reader, source = sound
    data = survives(reader, source)
    assert data.images.num_rows == 2
    assert data.table("rejects").to_pylist() == []


@fuzzed(600, 12)
@given(data=st.data())
def test_damaged_files(sound, data):
    reader, source = sound
    copy = source.with_name("damaged")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy)
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files), label="file")
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    survives(reader, copy)


@fuzzed(500, 10)
@given(data=st.data())
def test_rows_that_anyone_may_write(sound, data):
    """CSV tables with byte-order mark, quotes, any line ends, cells of any text; lines of text for CUB."""
    reader, source = sound
    tables = sorted(path for path in source.rglob("*") if path.suffix in (".csv", ".txt"))
    if not tables:
        pytest.skip(f"{reader} reads no table of text")
    copy = source.with_name("damaged")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy)
    table = copy / data.draw(st.sampled_from(tables), label="file").relative_to(source)
    spaced = table.suffix == ".txt"
    rows = [line.split() for line in table.read_text().splitlines()] if spaced else list(csv.reader(table.open()))
    rows = data.draw(changed(data.draw(changed(rows, texts)), texts))
    rows = [
        [str(cell) for cell in row] if isinstance(row, list) else [str(row)] for row in rows if isinstance(rows, list)
    ]
    end = data.draw(st.sampled_from(("\n", "\r\n", "\r")))
    text = io.StringIO()
    if spaced:
        text.write(end.join(" ".join(row) for row in rows))
    else:
        csv.writer(
            text, lineterminator=end, quoting=data.draw(st.sampled_from((csv.QUOTE_ALL, csv.QUOTE_MINIMAL)))
        ).writerows(rows)
    start = data.draw(st.sampled_from(("", "\ufeff")))
    table.write_bytes((start + text.getvalue()).encode("utf-8", "surrogatepass"))
    survives(reader, copy)


@fuzzed(600, 20)
@given(data=st.data())
def test_groups_of_any_text(sound, data):
    reader, source = sound
    rows = data.draw(changed([["image", "group"], ["a.png", "one"], ["b.png", "two"]], texts))
    listed = source.parent / "groups"
    cells = [[str(cell) for cell in row] for row in rows if isinstance(row, list)] if isinstance(rows, list) else []
    text = io.StringIO()
    csv.writer(text).writerows(cells)
    listed.write_bytes(data.draw(damaged(text.getvalue().encode("utf-8", "surrogatepass"))))
    try:
        survives(reader, source, group_by=data.draw(texts | st.just(listed)))
    finally:
        listed.unlink()


@pytest.fixture(scope="module")
def coco(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz") / "source"
    write_source(folder, "coco")
    return folder


@fuzzed(1500, 30)
@given(data=st.data())
def test_coco_of_any_values(coco, data):
    content = COCO
    for _ in range(data.draw(st.integers(1, 3))):
        content = data.draw(changed(content, LEAVES))
    (coco / "instances.json").write_text(json.dumps(content))
    survives("coco", coco)


@pytest.mark.parametrize("name", [*NASTY, "\ud800", "x" * 300, "c/../../../x"])
def test_coco_with_any_name_of_an_image_and_of_a_category(coco, name):
    content = json.loads(json.dumps(COCO))
    content["images"][0]["file_name"] = content["categories"][0]["name"] = name
    (coco / "instances.json").write_text(json.dumps(content))
    data = survives("coco", coco)
    assert data.images["uri"].to_pylist() in (["images/b.png"], ["images/a.png", "images/b.png"])


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"images":' * 100_000, "1" * 5000, "NaN", '{"images": [], "a": 1e999}']
)
def test_json_without_end_is_refused(coco, text):
    (coco / "instances.json").write_text(text)
    assert survives("coco", coco) is None
