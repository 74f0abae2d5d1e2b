"""A run, opened: tables, queries, report, units and how they show themselves."""

import base64
import io
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest
from PIL import Image

import filterscope
from filterscope import schemas
from filterscope.pipeline.methods.significance.trust import verdict
from filterscope.schemas.results import TABLES
from tests import planted
from tests.audits import unpromised
from tests.frontdoor.conftest import ASKED, SEEN
from tests.object_stores.server import upload
from tests.planted.hostile import CONCEPT
from tests.planted.networks import SIZE


class Reader(HTMLParser):
    """Collects tags, what is written between them, and the addresses of pictures; fails on tags that are left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.text, self.pictures, self.open = set(), "", [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "img":
            self.pictures.append(dict(attrs)["src"])
        elif tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_every_table_is_a_lazy_frame(hostile):
    for name in TABLES:
        frame = getattr(hostile, name)
        assert isinstance(frame, pl.LazyFrame)
        assert frame.collect().equals(schemas.scan(hostile.path, name).collect()), name
        assert name in dir(hostile)
    assert hostile.units.collect().height == 6
    assert hostile.patterns.collect().height == 0


def test_no_table_hides_what_a_run_has_itself(hostile):
    assert not set(TABLES) & {name for name in dir(type(hostile)) if not name.startswith("__")}
    assert {"path", "query", "report", "unit"} <= set(dir(hostile))


def test_an_unknown_table_is_refused_with_the_nearest(hostile):
    with pytest.raises(AttributeError, match=r"a run has no table 'unit_concepts'\. Did you mean 'unit_concept'\?"):
        hostile.unit_concepts  # noqa: B018


def test_a_run_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(filterscope.InputError, match=r"no run at .*; make one with `filterscope audit"):
        filterscope.open(tmp_path)


def test_a_run_is_opened_by_text_or_path(hostile):
    assert filterscope.open(str(hostile.path)).path == filterscope.open(hostile.path).path == hostile.path


def test_a_query_returns_a_frame(hostile):
    found = hostile.query("select layer, count(*) as units from units where detector group by layer order by layer")
    assert found.equals(hostile.units.filter("detector").group_by("layer").agg(units=pl.len()).sort("layer").collect())
    with pytest.raises(filterscope.InputError, match="a query only reads"):
        hostile.query("drop table units")
    with pytest.raises(filterscope.InputError, match="received None; a query only reads"):
        hostile.query(None)


def test_the_layers_are_shown(hostile):
    read = Reader(hostile._repr_html_())
    assert {"table", "td"} <= read.tags
    assert re.sub(r"\s", "", read.text).count("planted") == 2
    assert repr(hostile) == f"Run({str(hostile.path)!r}): 1 model, 2 layers"


def test_a_unit_is_what_the_tables_say(hostile):
    for number in range(3):
        unit = hostile.unit("1", number)
        row = hostile.units.filter(pl.col("layer") == "1", pl.col("unit") == number).collect().to_dicts()[0]
        held = (
            hostile.unit_significance.filter(pl.col("layer") == "1", pl.col("unit") == number).collect().to_dicts()[0]
        )
        assert (unit.label, unit.iou, unit.unit) == (row["concept"], row["iou"], number)
        assert unit.verdict == verdict({**row, **held})
    assert hostile.unit("1", 0).label == CONCEPT
    assert hostile.unit("1", np.int64(2)).label is None
    assert hostile.unit("1", 2).verdict.startswith("This unit is dead")


def test_labels_and_units_say_alike_what_a_label_is_worth(hostile):
    found = hostile.labels.filter(layer="1").sort("unit")
    assert found["standing"].to_list() == ["tentative", "strong", "no label"]  # the first does not replicate
    assert found["standing"].to_list() == [hostile.unit("1", number).standing for number in range(3)]
    assert found["concept"].to_list() == [hostile.unit("1", number).label for number in range(3)]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("l", 0), r"no layer 'l' of planted in .*; its layers are 0, 1\."),
        (("11", 0), "Did you mean '1'?"),
        (("1", 3), r"no unit 3 in layer '1' of planted; its units are 0 to 2$"),
        (("1", -1), r"no unit -1 in layer '1' of planted; its units are 0 to 2$"),
        (("1", "0"), r"no unit '0' in layer '1' of planted; its units are 0 to 2$"),
        (("1", 0, "plantd"), r"its models are planted\. Did you mean 'planted'\?"),
    ],
)
def test_what_is_not_in_the_run_is_refused(hostile, asked, message):
    with pytest.raises(filterscope.InputError, match=message):
        hostile.unit(*asked)


def test_a_layer_that_was_not_dissected_is_refused(hostile, tmp_path):
    run = unpromised(shutil.copytree(hostile.path, tmp_path / "run"))
    shutil.rmtree(run / "tables" / "units")
    with pytest.raises(filterscope.InputError, match="was not dissected"):
        filterscope.open(tmp_path / "run").unit("1", 0)


def _yellow(picture: Image.Image) -> np.ndarray:
    pixels = np.asarray(picture).astype(int)
    return (np.abs(pixels - (255, 230, 0)) < 60).all(axis=2)


def test_top_images_are_outlined_where_the_unit_is_above_its_threshold(hostile):
    """Unit 0 fires on red squares: the outline follows each square's edge, and there is none where it does not fire."""
    unit = hostile.unit("1", 0)
    assert len(unit.top_images) == unit.top_rows.height == 15
    for picture, row in zip(unit.top_images, unit.top_rows.iter_rows(named=True), strict=True):
        assert max(picture.size) == 160
        map_ = np.frombuffer(row["map"], "<f2").reshape(row["height"], row["width"])
        rows, columns = np.nonzero(map_ > unit.facts["threshold"])
        yellow = np.argwhere(_yellow(picture)) * SIZE / 160
        if not len(rows):
            assert not len(yellow)
            continue
        box = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        drawn = [*yellow.min(axis=0), *yellow.max(axis=0)]
        assert np.abs(np.subtract(drawn, box)).max() < 1.5, (box, drawn)
    assert sum(_yellow(picture).any() for picture in unit.top_images) == 8


def test_a_unit_shows_itself_without_any_other_file(hostile):
    unit = hostile.unit("1", 0)
    read = Reader(unit._repr_html_())
    assert read.tags <= {"div", "p", "strong", "br", "small", "img"}
    assert f"unit 0 of 1, planted{unit.verdict}" in read.text
    assert CONCEPT in read.text
    assert f"IoU {unit.iou:.3g}" in read.text
    assert len(read.pictures) == 8
    for source in read.pictures:
        head, _, content = source.partition(",")
        assert head == "data:image/webp;base64"
        assert Image.open(io.BytesIO(base64.b64decode(content))).size == (160, 160)


def test_a_picture_is_the_top_images_side_by_side(hostile):
    unit = hostile.unit("1", 0)
    picture = unit.picture(3)
    assert picture.size == (3 * 160 + 2 * 4, 160)
    for place, image in enumerate(unit.top_images[:3]):
        assert picture.crop((164 * place, 0, 164 * place + 160, 160)).tobytes() == image.tobytes()
    assert picture.crop((160, 0, 164, 160)).getcolors() == [(4 * 160, (255, 255, 255))]
    assert unit.picture(99).width == len(unit.top_images) * 164 - 4
    for number in (0, -1, "3", 2.5):
        with pytest.raises(filterscope.InputError, match="images: received"):
            unit.picture(number)


@pytest.mark.parametrize("counted", [True, False])
def test_a_unit_and_the_list_of_all_say_the_same_of_a_label(hostile, tmp_path, counted):
    """Also where a run has counted no groups, and effective images stand in."""
    run = hostile
    if not counted:
        unpromised(shutil.copytree(hostile.path, tmp_path / "run"))
        for file in (tmp_path / "run" / "tables" / "unit_significance").rglob("*.parquet"):
            pl.read_parquet(file).with_columns(effective_groups=pl.lit(None, pl.Float64)).write_parquet(file)
        run = filterscope.open(tmp_path / "run")
    rows = run.labels.filter(layer="1")
    assert rows["unit"].to_list() == [0, 1, 2]
    assert [run.unit("1", number).standing for number in range(3)] == rows["standing"].to_list()
    assert rows["standing"].to_list() == hostile.labels.filter(layer="1")["standing"].to_list()
    assert rows["standing"][2] == "no label" != rows["standing"][0]
    assert rows.sort("standing")["standing"][-1] == "no label"


def test_a_unit_shows_itself_without_its_images(hostile, tmp_path):
    shutil.copytree(hostile.path, tmp_path / "run")
    recorded = tmp_path / "run" / "run.toml"
    recorded.write_text(recorded.read_text().replace(str(hostile.plan.data), str(tmp_path / "gone & <away>")))
    unit = filterscope.open(tmp_path / "run").unit("1", 0)
    with pytest.raises(filterscope.InputError, match="no data set at"):
        unit.top_images  # noqa: B018
    read = Reader(unit._repr_html_())
    assert f"no data set at {tmp_path}/gone & <away>" in read.text
    assert "img" not in read.tags


def test_outlines_do_not_depend_on_the_scale_of_stored_activations(hostile, tmp_path):
    """Maps are stored scaled, thresholds are not."""
    asked = {"out": tmp_path / "run", "actors": 0, "activation_scale": 0.25, **SEEN, **ASKED}
    run = filterscope.audit(planted.network(), hostile.plan.data, **asked)
    for number in (0, 1):
        for one, other in zip(run.unit("1", number).top_images, hostile.unit("1", number).top_images, strict=True):
            assert one.tobytes() == other.tobytes()


def test_survey_masks_are_outlined_as_they_are_drawn(hostile, tmp_path):
    asked = {"out": tmp_path / "run", "actors": 0, "mask_mode": "survey", **SEEN, **ASKED}
    run = filterscope.audit(planted.network(), hostile.plan.data, **asked)
    yellow = [_yellow(picture).any() for picture in run.unit("1", 0).top_images]
    assert yellow == [True] * 8 + [False] * 7


def test_the_report_is_written(hostile, tmp_path):
    page = hostile.report(tmp_path / "site")
    assert page == tmp_path / "site" / "index.html"
    assert page.is_file()


def test_a_run_in_an_object_store_is_opened_there(data, bucket):
    upload(data, bucket / "data")
    run = filterscope.audit(planted.network(), str(bucket / "data"), out=str(bucket / "run"), actors=0, **SEEN, **ASKED)
    again = filterscope.open(str(bucket / "run"))
    assert again.units.collect()["concept"].to_list()[:2] == ["red", "striped"]
    assert len(again.unit("1", 0).top_images) == 12
    assert again.query("select count(*) as n from units")["n"].item() == 3
    assert again.path == run.path


def test_a_run_stays_where_it_is_when_the_working_directory_changes(hostile, tmp_path, monkeypatch):
    monkeypatch.chdir(hostile.path.parent)
    run = filterscope.open("run")
    monkeypatch.chdir(tmp_path)
    assert run.units.collect().height == 6


def test_labels_are_a_table_of_queries(hostile):
    asked = hostile.query("select unit, standing from labels where layer = '1' order by standing, unit")
    assert asked.rows() == [(1, "strong"), (0, "tentative"), (2, "no label")]  # by what they are worth
    tentative = hostile.query("select unit from labels where layer = '1' and standing = 'tentative'")
    assert tentative["unit"].to_list() == [0]
    described = hostile.query("describe labels")["column"].to_list()
    assert described == [name for name in hostile.labels.columns if name != "effective_images"]
