"""A packed data set is the same data set: same identity, same images, same findings; what is wrong with it is told."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from filterscope.jobs.cli.main import main
from filterscope.pipeline.datasets.checks import check_dataset
from filterscope.pipeline.datasets.depth import depth_note
from filterscope.pipeline.datasets.layout import MANIFEST, Dataset, DatasetWriter
from filterscope.pipeline.datasets.packing import _name, pack
from filterscope.pipeline.datasets.sequences import _thumbnails
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.stores.packs import INDEX
from filterscope.pipeline.views.decode import CHANGED, GONE, altered_images, decode_views
from filterscope.pipeline.views.geometry import Geometry
from filterscope.pipeline.views.views import Views, ViewSettings
from tests import planted
from tests.audits import assert_same, audit_here

GEOMETRY = Geometry("squash", (24, 24), 0, "bilinear")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packing")
    planted.write_dataset(folder / "data", images=40)
    return Dataset(folder / "data")


@pytest.fixture(scope="module")
def packed(data):
    return pack(data.folder, shard_bytes=12_000)


@pytest.fixture
def copy(packed, tmp_path):
    shutil.copytree(packed.folder, tmp_path / "data")
    return Dataset(tmp_path / "data")


def pixels(dataset, chosen=range(40)):
    views = Views.of(dataset, ViewSettings("image", False, False))
    return decode_views(dataset, views, list(chosen), GEOMETRY)


def test_identity_tables_and_pixels_stay(data, packed):
    assert packed.folder.name == "data-packed"
    assert packed.identity == data.identity == packed.content
    assert len(packed.pack.shards) > 2
    check_dataset(packed)
    for chosen in (range(40), (7, 3, 39, 3)):
        assert np.array_equal(pixels(packed, chosen).pixels, pixels(data, chosen).pixels)
    ways = [_thumbnails([(path, None) for path in dataset.files(range(40))]) for dataset in (packed, data)]
    assert np.array_equal(*ways)
    assert ways[0].std() > 0
    assert depth_note(packed) == depth_note(data)
    assert not list(altered_images(packed))
    assert not (packed.folder / "images").exists()


def test_a_pack_of_a_pack_is_the_same(packed, tmp_path):
    again = pack(packed.folder, tmp_path / "again", shard_bytes=12_000)
    files = {path.relative_to(again.folder): path.read_bytes() for path in again.folder.rglob("*") if path.is_file()}
    assert files == {name: (packed.folder / name).read_bytes() for name in files}


@pytest.mark.slow
def test_an_audit_of_it_finds_the_same_bit_for_bit(data, packed, tmp_path):
    settings = {"models": [planted.PLANTED], "layers": "1", "quantile": 0.05, "min_images": 3, "image_block": 7}
    for name, dataset in (("plain", data), ("packed", packed)):
        audit_here(data=dataset.folder, out=tmp_path / name, **settings)
    assert_same(tmp_path / "packed", tmp_path / "plain")


def test_images_imported_in_place_come_along(tmp_path):
    Image.fromarray(np.full((9, 9, 3), 50, np.uint8)).save(tmp_path / "a.png")
    with DatasetWriter(tmp_path / "data", source={"reader": "test"}, in_place=True) as out:
        image = out.image(tmp_path / "a.png")
        out.segment(image, out.concept("grey", "color"), np.ones((9, 9), bool))
    found = pack(tmp_path / "data", tmp_path / "packed")
    (tmp_path / "a.png").unlink()
    assert not list(altered_images(found))
    [(_, reason)] = altered_images(Dataset(tmp_path / "data"))
    assert reason == GONE


def test_an_image_that_changed_is_not_packed(data, tmp_path):
    shutil.copytree(data.folder, tmp_path / "data")
    image = tmp_path / "data" / "images" / "planted-3.png"
    image.write_bytes(image.read_bytes() + b" ")
    with pytest.raises(InputError, match=r"planted-3\.png is not the image that was imported"):
        pack(tmp_path / "data", tmp_path / "packed")
    with pytest.raises(InputError, match="no data set"):
        Dataset.open(tmp_path / "packed")
    shutil.copy(data.folder / "images" / "planted-3.png", image)
    assert pack(tmp_path / "data", tmp_path / "packed").identity == data.identity


def test_nothing_else_is_overwritten(data, packed, tmp_path):
    with pytest.raises(InputError, match="is the data set itself"):
        pack(data.folder, data.folder)
    with pytest.raises(InputError, match=r"holds dataset\.json already"):
        pack(data.folder, packed.folder)
    (tmp_path / "mine").write_text("")
    with pytest.raises(InputError, match="holds mine already"):
        pack(data.folder, tmp_path)


def test_a_folder_of_somebody_elses_shards_is_left_alone(data, tmp_path):
    mine = tmp_path / "shards" / "000000.tar"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    with pytest.raises(InputError, match="holds shards already"):
        pack(data.folder, tmp_path)
    assert mine.read_bytes() == b"mine"


def test_a_pack_that_was_begun_is_begun_anew_without_its_shards(data, tmp_path):
    small = pack(data.folder, tmp_path / "pack", shard_bytes=1)
    assert len(small.pack.shards) > 1
    (tmp_path / "pack" / MANIFEST).unlink()  # as if it had been killed before its end
    again = pack(data.folder, tmp_path / "pack")
    assert [path.name for path in sorted((tmp_path / "pack" / "shards").glob("*.tar"))] == ["000000.tar"]
    assert list(altered_images(again)) == []


@pytest.mark.parametrize(
    ("uris", "names"),
    [
        (["a.png", "/x/b.png", "../c.png"], ["a.png", "images/00000001.png", "images/00000002.png"]),
        (["images/00000001.png", "/x/b.png"], ["images/00000001.png", "again/images/00000001.png"]),
    ],
)
def test_names_in_shards_lie_within_and_are_each_their_own(uris, names):
    taken = set()
    assert [_name(number, uri, taken) for number, uri in enumerate(uris)] == names


def test_a_changed_shard_names_the_images_that_are_not_those_that_were_imported(copy):
    shard = copy.pack.shards[1]
    whole = bytearray(shard.read_bytes())
    whole[copy.files([20])[0].start + 5] ^= 1
    shard.write_bytes(whole)
    wrong = [(str(path), reason) for path, reason in altered_images(copy)]
    assert wrong == [(str(copy.files([20])[0]), CHANGED)]
    assert wrong[0][0].endswith("000001.tar#images/planted-20.png")


def test_a_shard_that_is_gone_an_index_that_is_damaged_and_a_foreign_form_are_refused(copy):
    copy.pack.shards[1].unlink()
    assert {reason for _, reason in altered_images(copy)} == {GONE}
    with pytest.raises(InputError, match=r"the shard .*000001\.tar of the data set is gone"):
        check_dataset(copy)
    index = copy.folder / INDEX
    index.write_bytes(index.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"index\.parquet is missing or damaged: it is not the one that was written"):
        check_dataset(Dataset(copy.folder))
    manifest = copy.folder / MANIFEST
    manifest.write_text(json.dumps({**copy.manifest, "pack": {"format": 2}}))
    with pytest.raises(InputError, match="states a pack of a form that this version does not know"):
        check_dataset(Dataset(copy.folder))


def test_the_verb_says_where_it_is(data, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["pack", str(data.folder), str(tmp_path / "there"), "--shard-megabytes", "1"])
    assert ended.value.code == 0
    assert f"{tmp_path / 'there'}: 40 images in 1 shard; the same data set as {data.folder}" in capsys.readouterr().out
