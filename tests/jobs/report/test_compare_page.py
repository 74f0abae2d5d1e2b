"""The page of a comparison: what stands is headlined with pictures, signs and charts; what does not is folded away."""

import re
import shutil

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

from filterscope import schemas
from filterscope.jobs.findings.compare import said
from filterscope.jobs.report.pages.comparison import write_comparison
from filterscope.jobs.report.sections.compared import IMAGES, charts, short_names
from filterscope.jobs.report.sections.multiples import HIGH, TOP, Counted, multiples, round_top
from filterscope.jobs.report.thumbnails import Look
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.comparison.comparison import compare
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES
from tests.audits import audit_here, unpromised
from tests.jobs.report.browsing import Opened, assert_accessible
from tests.jobs.report.pages import Page, written_here
from tests.planted import PLANTED, write_dataset

#: What the units of layers 0 and 1 are made to say: label, IoU, significant, replicates.
SAID = {
    "0": [("red", 0.30, True, True), ("striped", 0.20, False, False), ("red", 0.10, True, False)],
    "1": [("red", 0.25, False, True), ("striped", 0.40, True, True), ("grey", 0.35, False, False)],
}


def judged(run):
    """Give the units of a run the labels and the evidence of `SAID`."""
    unpromised(run)
    for layer, rows in SAID.items():
        (file,) = (run / "tables" / "units" / "model=planted" / f"layer={layer}").glob("*.parquet")
        concept, iou, significant, replicates = (pl.Series(values) for values in zip(*rows, strict=True))
        units = pl.read_parquet(file).sort("unit")
        changed = units.with_columns(
            concept.alias("concept"),
            pl.lit("texture").alias("category"),
            iou.alias("iou"),
            detector=True,
            status=pl.lit("live"),
        )
        changed.select(units.columns).write_parquet(file)
        evidence = [
            {
                "model": "planted", "layer": layer, "unit": unit, "q_value": 0.5, "p_value": 0.5, "effective_groups": 9.0,
                "significant": significant[unit], "label_replicates": replicates[unit], "folds_agree": 0,
            }
            for unit in range(3)
        ]  # fmt: skip
        rows = pa.Table.from_pylist(evidence, schema=TABLES["unit_significance"])
        write_table(run, "unit_significance", ("planted", layer, "units"), [rows])
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two layers whose labels stand as `SAID` says."""
    place = tmp_path_factory.mktemp("compared")
    write_dataset(place / "data", images=12, seed=0, names=("red", "grey", "striped"), category="texture")
    settings = {"layers": "0,1", "quantile": 0.05, "min_images": 3, "unit_block": 4}
    return judged(audit_here(place / "run", data=place / "data", models=[PLANTED], **settings))


@pytest.fixture(scope="module")
def epoch2(run):
    """A run of the same name of model, as a later checkpoint."""
    return shutil.copytree(run, run.parent / "epoch2")


@pytest.fixture(scope="module")
def written(run, tmp_path_factory):
    """The page of its two layers."""
    return write_comparison(compare([run], "all"), tmp_path_factory.mktemp("page") / "compared").parent


def test_what_stands_is_told_by_sides_with_signs(run):
    found = compare([run], ["0", "1"])
    assert [side.name for side in found.members] == ["planted 0", "planted 1"]
    assert found.sides.select("strong", "tentative", "over_cutoff").rows() == [(1, 1, 3), (1, 1, 3)]
    # striped labels a unit on either side, but on the first by chance; grey by chance alone
    names = ("stands", "change", "units_1", "stand_1", "best_1", "units_2", "stand_2", "best_2")
    assert {row[0]: row[1:] for row in found.concepts.select("concept", *names).rows()} == {
        "striped": ("one side only", "kept", 1, 0, 1, 1, 1, 1),
        "red": ("every side", "kept", 2, 2, 0, 1, 1, 0),
        "grey": ("no side", "gained", 0, 0, None, 1, 0, 2),
    }
    assert found.concepts["concept"].to_list() == ["striped", "red", "grey"]
    more = {row[0]: row[1:] for row in found.concepts.select("concept", "more_units_2", "more_stand_2").rows()}
    assert more == {"striped": (0, 1), "red": (-1, -1), "grey": (1, 0)}
    assert found.concepts["more_iou_2"].to_list() == [pytest.approx(0.2), pytest.approx(-0.05), None]
    pair = found.pairs.row(0, named=True)
    assert (pair["stand_on_both"], pair["stand_gained"], pair["stand_lost"]) == (1, 1, 0)
    assert pair["stands_say"] == "1 concept stands on both sides, 1 in planted 1 only, 0 in planted 0 only"
    counted = found.verdicts.select("strong", "tentative", "few_images", "chance", "over_cutoff")
    assert counted.rows() == [(1, 1, 0, 1, 3), (1, 1, 0, 1, 3)]


def test_a_unit_that_stands_is_better_than_one_of_higher_iou_that_does_not(run, tmp_path):
    other = shutil.copytree(run, tmp_path / "other")
    (file,) = (other / "tables" / "units" / "model=planted" / "layer=0").glob("*.parquet")
    units = pl.read_parquet(file)  # unit 1 is there by chance
    units.with_columns(concept=pl.lit("red"), iou=pl.when(unit=1).then(0.9).otherwise("iou")).write_parquet(file)
    row = compare([other], "all").concepts.filter(concept="red").row(0, named=True)
    assert (row["best_1"], row["iou_1"], row["units_1"], row["stand_1"]) == (0, 0.30, 3, 2)


def test_the_page_heads_what_stands_and_folds_the_rest(written):
    page = Page(written / "index.html")
    assert "1 concept stands on both sides, 1 only in 1, 0 only in 0." in page.text
    heading, striped, red = page.sections["matched"]
    rest, grey = page.sections["nowhere"]
    assert heading == ["concept", "0", "1", "units ±", "IoU ±"]
    assert [" ".join(cell.split()) for cell in striped] == [
        "striped texture only in 1",
        "unit 1 IoU 0.200 chance",
        "unit 1 IoU 0.400 strong 1 unit stands",
        "+1",
        "+0.200",
    ]
    assert [" ".join(cell.split()) for cell in red] == [
        "red texture on both sides",
        "unit 0 IoU 0.300 strong 2 units stand",
        "unit 0 IoU 0.250 tentative 1 unit stands",
        "−1",
        "−0.050",
    ]
    assert rest[:5] == ["concept", "0: units", "best", "IoU", "standing"]
    assert [" ".join(cell.split()) for cell in grey] == [
        "grey texture", "0", "–", "–", "–", "1", "unit 2", "0.3500", "chance",
    ]  # fmt: skip
    assert "1 concept stands on no side" in page.text


def test_pictures_are_those_of_the_best_units(written, run):
    page = Page(written / "index.html")
    pictures = [attributes["href"] for tag, attributes in page.tags if tag == "image"]
    assert len(pictures) == 4 * IMAGES  # of striped and red on either side
    assert all((written / file).is_file() for file in pictures)
    side = compare([run], "all").members[1]
    look = Look.of(side.plan, side.planned)
    top = schemas.scan_layer(run, "top_images", "planted", "1").filter(unit=1).sort("rank").collect()["view"][0]
    shown = [(tag, attributes) for tag, attributes in page.tags if tag == "image"][IMAGES][1]
    sheet = np.asarray(Image.open(written / shown["href"]).convert("RGB"), float)
    x, y = -int(shown["x"]), -int(shown["y"])
    expected = look.pictures(side.plan, [top])[0].astype(float)
    assert np.abs(sheet[y : y + look.height, x : x + look.width] - expected).mean() < 6
    descriptions = [a["aria-label"] for tag, a in page.tags if tag == "svg" and a.get("class") == "thumb"]
    assert descriptions[IMAGES].endswith("where unit 1 is above its threshold")


def test_without_images_the_report_shows_them_and_without_both_the_page_says_so(run, tmp_path):
    moved = shutil.copytree(run, tmp_path / "run")
    stated, data = (moved / "run.toml").read_text(), str(RunFolder(run).plan().data)
    written_here(moved, moved / "report")
    (moved / "run.toml").write_text(stated.replace(data, str(tmp_path / "gone")))
    page = Page(write_comparison(compare([moved], "all"), tmp_path / "compared"))
    assert sum(tag == "image" for tag, _ in page.tags) == 4 * IMAGES
    assert "No pictures" not in page.text
    links = [a["href"] for tag, a in page.tags if tag == "a"]
    assert "../run/report/m/planted/1/1.html" in links
    for sprite in (moved / "report" / "thumbnails").rglob("*.webp"):
        sprite.write_bytes(b"damaged")
    page = Page(write_comparison(compare([moved], "all"), tmp_path / "compared"))
    assert not any(tag == "image" for tag, _ in page.tags)
    assert "No pictures of planted 0: its images are not where they were" in page.text
    assert not (tmp_path / "compared" / "sides").exists()


def test_where_nothing_stands_nothing_is_headlined(run, tmp_path):
    chance = shutil.copytree(run, tmp_path / "run")
    for file in (chance / "tables" / "unit_significance").rglob("*.parquet"):
        pl.read_parquet(file).with_columns(significant=False, label_replicates=False).write_parquet(file)
    page = Page(write_comparison(compare([chance], "all"), tmp_path / "compared"))
    assert "No concept stands on any side." in page.text
    assert page.sections["matched"] == []
    assert [row[0].split()[0] for row in page.sections["nowhere"]] == ["concept", "striped", "grey", "red"]
    assert "3 concepts stand on no side" in page.text
    assert "categories" not in page.sections
    assert not any(tag == "image" for tag, _ in page.tags)


def test_the_terminal_lists_what_stands_and_counts_the_rest(run):
    told = said(compare([run], "all"))
    assert re.match(r"1: planted 0\n2: planted 1\nside +images +units ", told)
    assert "1 concept stands on both sides, 1 in planted 1 only, 0 in planted 0 only\n" in told
    rows = [re.split(r" {2,}", line.strip()) for line in told.splitlines()]
    assert ["striped", "2", "0", "0.200", "1", "0.400", "+1", "+0.200"] in rows
    assert ["red", "1, 2", "2", "0.300", "1", "0.250", "-1", "-0.050"] in rows
    assert not any(row[0] == "grey" for row in rows)
    assert "1 concept stands on no side" in told


def test_layers_that_are_not_there_are_named(run):
    with pytest.raises(InputError, match="layer '9' is not in every model; layers that are: 0, 1"):
        compare([run], ["0", "9"])
    with pytest.raises(InputError, match=r"one layer of one model in one run.*--layer all"):
        compare([run], "0")


def test_charts_over_depth_and_checkpoints_show_shares_on_one_scale(run, epoch2):
    found = compare([run, epoch2], "all")
    assert short_names(found.members) == ("", [side.name for side in found.members])
    depth, concepts, time, _ = charts(found)
    assert [depth.name, concepts.name, time.name] == [
        "Categories over depth", "Concepts of most units over depth", "Categories over checkpoints",
    ]  # fmt: skip
    assert [chart.name for chart in concepts.charts] == ["red", "striped"]
    assert [name for _, _, name in depth.ticks] == ["0", "1"]
    assert [series.name for series in depth.charts[0].series] == ["run: planted", "epoch2: planted"]
    assert [name for _, _, name in time.ticks] == ["run: planted", "epoch2: planted"]
    assert [series.name for series in time.charts[0].series] == ["0", "1"]
    red = concepts.charts[0].series[0]  # two of three units, then one of three, on an axis up to 100 %
    assert [point.y for point in red.points] == [round(TOP + HIGH * (1 - share), 1) for share in (2 / 3, 1 / 3)]
    assert red.points[0].says == "0: 2 of 3 units (66.7 %)"
    assert concepts.levels == [(TOP + HIGH, "0 %"), (TOP + HIGH / 2, "50 %"), (TOP, "100 %")]
    assert charts(compare([run], "all")) == []  # two sides stand in a table


def test_a_chart_has_gaps_where_a_side_could_have_none_and_joins_neighbours_alone():
    kinds = [Counted("red", "texture", [1, None, 3, 4])]
    drawn = multiples(
        "",
        "",
        places=["a", "b", "c", "d"],
        lines=["one"],
        grid=[[0, 1, 2, 3]],
        units=[100] * 4,
        kinds=kinds,
        joined=True,
    )
    (series,) = drawn.charts[0].series
    assert [point and point.y for point in series.points] == [TOP + 0.75 * HIGH, None, TOP + 0.25 * HIGH, TOP]
    assert [[point.says[0] for point in run] for run in series.runs] == [["c", "d"]]


def test_names_below_an_axis_are_few_and_end_as_theirs():
    places = [f"a.rather.long.layer.{n}" for n in range(20)]
    drawn = multiples("", "", places=places, lines=["x"], grid=[list(range(20))], units=[1] * 20, kinds=[], joined=True)
    assert [name for _, _, name in drawn.ticks] == places[::3]
    assert all(text.startswith("…") and name.endswith(text[1:]) and len(text) == 13 for _, text, name in drawn.ticks)


@pytest.mark.parametrize(("highest", "top"), [(0, 0.2), (0.2, 0.2), (3.1, 4), (4.01, 10), (41, 100), (100, 100)])
def test_the_top_of_an_axis_is_round_and_holds_all(highest, top):
    assert round_top(highest) == top


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), pytest.param("dark", 390, marks=pytest.mark.slow)])
def test_pages_of_two_and_of_many_sides_are_accessible_and_fit(browser, written, run, epoch2, tmp_path, scheme, width):
    assert_accessible(browser, written, "index.html", scheme, width)
    many = write_comparison(compare([run, epoch2], "all"), tmp_path / "many").parent
    assert_accessible(browser, many, "index.html", scheme, width)


def test_a_reader_searches_for_what_stands_on_one_side_and_sorts_by_the_change(browser, written):
    opened = Opened(browser, written.as_uri(), viewport={"width": 1280, "height": 900})
    page = opened.goto("index.html")
    names = "rows => rows.filter(row => !row.hidden).map(row => row.cells[0].dataset.value)"
    rows = page.locator("#concept-table tbody tr")
    assert rows.evaluate_all(names) == ["striped", "red"]
    page.get_by_role("button", name="units ±").click()
    page.get_by_role("button", name="units ±").click()
    assert rows.evaluate_all(names) == ["red", "striped"]
    page.get_by_label("Search").fill("only in 1")
    assert rows.evaluate_all(names) == ["striped"]
    assert not page.locator("#rest table").is_visible()
    page.locator("#rest summary").click()
    assert page.locator("#rest table").is_visible()
    opened.assert_quiet()
    page.context.close()
