"""Links and odd files of a source: nothing outside the source is read, nothing is waited for."""

import os

import pytest
from PIL import Image

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from tests.fuzz.sources import IMPORTERS, write_source

READERS = list(IMPORTERS)


def image_of(source):
    return next(path for path in sorted(source.rglob("a.png")) if path.parent.name not in ("masks", "panoptic"))


def rejects(reader, source):
    target = source.with_name("data")
    IMPORTERS[reader](source, target)
    data = Dataset(target)
    assert data.images.num_rows == 1
    return " ".join(row["reason"] for row in data.table("rejects").to_pylist())


@pytest.fixture
def source(tmp_path, request):
    write_source(tmp_path / "source", request.param)
    return tmp_path / "source"


@pytest.mark.parametrize(("source", "reader"), zip(READERS, READERS, strict=True), indirect=["source"])
def test_a_link_that_leaves_the_source_is_rejected(source, reader):
    path = image_of(source)
    outside = source.with_name("secret.png")
    path.rename(outside)
    path.symlink_to(outside)
    assert "a link that leaves" in rejects(reader, source)


@pytest.mark.parametrize(("source", "reader"), zip(READERS, READERS, strict=True), indirect=["source"])
def test_a_link_inside_the_source_is_followed(source, reader):
    path = image_of(source)
    path.rename(path.with_name("real.data"))
    path.symlink_to("real.data")
    target = source.with_name("data")
    IMPORTERS[reader](source, target)
    assert Dataset(target).images.num_rows == 2


@pytest.mark.parametrize(("source", "reader"), [("broden", "broden"), ("cub", "cub")], indirect=["source"])
def test_a_folder_that_is_a_link_out_is_rejected(source, reader):
    (source / "images").rename(source.with_name("elsewhere"))
    (source / "images").symlink_to(source.with_name("elsewhere"))
    target = source.with_name("data")
    with pytest.raises(InputError, match=r"no image can be used.*a link that leaves"):
        IMPORTERS[reader](source, target)


@pytest.mark.parametrize(
    ("source", "reader"), [("coco", "coco"), ("broden", "broden"), ("cub", "cub")], indirect=["source"]
)
@pytest.mark.parametrize("kind", ["pipe", "circle", "folder"])
def test_what_is_no_file_is_not_waited_for(source, reader, kind):
    path = image_of(source)
    path.unlink()
    {"pipe": os.mkfifo, "circle": lambda p: p.symlink_to(p.name), "folder": os.mkdir}[kind](path)
    assert rejects(reader, source)


@pytest.mark.parametrize(("source", "reader"), [("masks", "masks"), ("landmarks", "landmarks")], indirect=["source"])
@pytest.mark.parametrize("name", [b"\xff.png", b"a\\..\\b.png"])
def test_a_file_name_that_cannot_be_kept_is_rejected(source, reader, name):
    for folder in {image_of(source).parent, *source.glob("masks")}:
        os.rename(folder / "a.png", os.path.join(os.fsencode(folder), name))
    target = source.with_name("data")
    IMPORTERS[reader](source, target)
    data = Dataset(target)
    for uri in data.images["uri"].to_pylist():
        assert Image.open(target / uri).size == (8, 6)
