"""The report: its numbers are those of the tables, its names are text, and only what is missing is written."""

import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import polars as pl
import pytest
from PIL import Image

from filterscope import schemas
from filterscope.jobs.report.pages.layers import NUMBERS
from filterscope.jobs.report.pages.units import UnitBlock, write_units
from filterscope.jobs.report.place import ReportPlace
from filterscope.jobs.report.render import number, significant, slug, url
from filterscope.jobs.report.sections.cells import texts
from filterscope.jobs.report.sections.facts import units_of
from filterscope.jobs.report.sections.strips import top_images
from filterscope.jobs.report.site import write_report
from filterscope.jobs.report.thumbnails import Look, slots_of, write_slots
from filterscope.operators.dissection.masks import unpack
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.methods.dissection.anchors import survey_drawing
from filterscope.pipeline.methods.growth.findings import growth_summary
from filterscope.pipeline.methods.significance.findings import labels
from filterscope.pipeline.methods.significance.trust import STANDINGS, figure, standing, trust
from filterscope.pipeline.run.folder import RunFolder
from tests.jobs.report.pages import Page, called, filled, written_here
from tests.planted.hostile import CATEGORY, CONCEPT, LANDMARK

UNIT_PAGE = ("m", "planted", "1")


@pytest.fixture(scope="module")
def site(hostile_run):
    """The report, written by workers."""
    return write_report(hostile_run).parent


def pages(site):
    return sorted(path for path in site.rglob("*.html"))


def test_numbers_of_unit_pages_are_those_of_the_tables(hostile_run, site):
    units = schemas.scan_units(hostile_run).filter(pl.col("layer") == "1").sort("unit").collect()
    judged = schemas.scan_unit_significance(hostile_run).filter(pl.col("layer") == "1").sort("unit").collect()
    pairs = schemas.scan_unit_concept(hostile_run).filter(pl.col("layer") == "1").collect()
    assert units.height == 3
    for unit, row in zip(units.to_dicts(), judged.to_dicts(), strict=True):
        page = Page(site.joinpath(*UNIT_PAGE, f"{unit['unit']}.html"))
        assert page.ids["iou"] == number(unit["iou"])
        runner_up = unit["runner_up_iou"]
        assert page.ids["margin"] == (number(unit["iou"] - runner_up) if runner_up is not None else "–")
        assert page.ids["q"] == number(row["q_value"], 3)
        assert page.ids["heldout"] == number(row["iou_heldout"])
        assert page.ids["replicates"] == ("yes" if row["label_replicates"] else "no")
        mine = pairs.filter(pl.col("unit") == unit["unit"], pl.col("iou") > 0).sort("iou", descending=True)
        body = [cells for cells in page.rows if len(cells) == 9][1:]
        assert [cells[1] for cells in body] == [number(value) for value in mine["iou"]]
        for column, name in ((2, "intersection"), (3, "activated"), (4, "labelled")):
            assert [cells[column] for cells in body] == [f"{value:,}" for value in mine[name]]
    assert Page(site.joinpath(*UNIT_PAGE, "0.html")).ids["iou"] != "0.0000"


def test_a_layers_data_are_the_tables_in_full_precision(hostile_run, site):
    (data,) = called(site / "m" / "planted" / "1" / "units.js")
    units = units_of(hostile_run, "planted", "1")
    assert data["unit"] == [0, 1, 2]
    for name in NUMBERS:
        assert data[name] == units[name].to_list(), name
    names = [data["concepts"][c] if c >= 0 else None for c in data["concept"]]
    assert names == units["concept"].to_list()
    worth = [standing(row) for row in units.to_dicts()]
    assert [data["standings"][number] for number in data["standing"]] == worth == ["strong", "strong", "no label"]
    located = (
        schemas.scan_location_instability(hostile_run).filter(pl.col("layer") == "1", pl.col("unit") == 0).collect()
    )
    assert data["instability"][0] == pytest.approx(located["instability"].mean())


def test_the_overview_holds_the_headline_of_every_layer(hostile_run, site):
    page = Page(site / "index.html")
    table = [cells for cells in page.rows if len(cells) == 14]
    assert [cells[0] for cells in table[1:]] == ["1", "0"]  # the deepest layer first
    judged = schemas.scan_layer_significance(hostile_run).sort("layer", descending=True).collect().to_dicts()
    counted = (
        labels(hostile_run)
        .group_by("layer")
        .agg(*(pl.col("standing").eq(name).sum().alias(name) for name in STANDINGS))
    )
    strong = dict(counted.select("layer", STANDINGS[0]).iter_rows())
    for cells, row in zip(table[1:], judged, strict=True):
        worth = counted.row(by_predicate=pl.col("layer") == row["layer"], named=True)
        assert cells[2:6] == [str(worth[name]) for name in STANDINGS[:-1]]
        assert cells[6:8] == [str(row["over_cutoff"]), figure(row["expected_by_chance"])]
        # said once, on the layer's card, and not among the notes again
        assert page.text.count(trust({**row, "strong": strong[row["layer"]]})[1:]) == 1
    (model,) = (cells for cells in page.rows if len(cells) == 6 and cells[0] == "planted")
    assert model[2] == "native"
    median = (
        schemas.scan_units(hostile_run)
        .group_by("layer")
        .agg(pl.col("iou").median())
        .sort("layer", descending=True)
        .collect()
    )
    assert [cells[10] for cells in table[1:]] == [number(value) for value in median["iou"]]


def test_of_units_that_detect_a_concept_equally_well_the_first_is_best(hostile_run, site):
    """Rows of a table have no order of their own, so that ties are broken by model, layer and unit."""
    tied = schemas.scan_units(hostile_run).filter(concept=CONCEPT, detector=True).sort("layer").collect()
    assert tied["layer"].to_list() == ["0", "1"]
    assert tied["iou"][0] == tied["iou"][1]
    (best,) = (cells[-1] for cells in Page(site / "concepts.html").rows if cells[0].startswith(CONCEPT))
    assert best == "0 0"


def test_every_name_is_text(site):
    """Concept, category, landmark, image file and reject hold markup; no page holds it as such."""
    found = ""
    for path in pages(site):
        page = Page(path)
        found += page.text + "".join(str(attributes) for _, attributes in page.tags)
        assert not {tag for tag, _ in page.tags} & {"script-", "em", "i", "u", "img"}, path
        for tag, attributes in page.tags:
            assert tag != "script" or attributes.get("src"), path
            assert not [name for name in attributes if name.startswith("on")], path
    for name in (CONCEPT, CATEGORY, LANDMARK, "onerror=alert(2)", "<u>unreadable</u>", "<b>bad</b>.png"):
        assert name in found, name
    for path in site.rglob("*.js"):
        assert "</script" not in path.read_text().lower() or path.name == "units.js"


def test_no_page_asks_for_anything_outside_its_folder(site):
    for path in pages(site):
        for tag, attributes in Page(path).tags:
            for name in ("href", "src"):
                target = attributes.get(name)
                if not target or target.startswith("#") or (tag == "a" and target == ""):
                    continue
                assert not re.match(r"[a-z]+:|//|/", target), (path, target)
                file = (path.parent / unquote(target.split("#")[0])).resolve()
                assert file.is_file(), (path, target)
                assert file.is_relative_to(site.resolve()), (path, target)


def test_receptive_fields_are_drawn_in_the_input(site):
    """Layer 1 sees 3 x 3 pixels; its middle position 16 sees rows 15 to 17; the measured field is 5 wide and 1 lower."""
    boxes = {
        attributes["class"]: tuple(float(attributes[name]) for name in ("x", "y", "width", "height"))
        for tag, attributes in Page(site.joinpath(*UNIT_PAGE, "0.html")).tags
        if tag == "rect" and attributes.get("class") in ("theoretical", "empirical") and "x" in attributes
    }
    assert boxes == {"theoretical": (15, 15, 3, 3), "empirical": (14, 15, 5, 5)}


def test_a_page_says_what_the_other_anchoring_labels(hostile_run, site):
    other = schemas.scan_unit_anchorings(hostile_run).filter(layer="1", unit=0).collect().row(0, named=True)
    own = schemas.scan_units(hostile_run).filter(layer="1", unit=0).collect().row(0, named=True)
    shown = Page(site.joinpath(*UNIT_PAGE, "0.html")).sections["label-under-both-anchorings"][1:]
    assert other["concept"] == own["concept"] == CONCEPT
    assert shown == [
        ["resize", f"{CONCEPT} {CATEGORY}", number(own["iou"]), "yes"],
        ["receptive_field", f"{CONCEPT} {CATEGORY}", number(other["iou"]), "no"],
    ]


def test_a_page_says_what_the_label_is_at_other_quantiles(hostile_run, site):
    rows = schemas.scan_label_stability(hostile_run).filter(layer="1", unit=0).sort("quantile").collect()
    page = Page(site.joinpath(*UNIT_PAGE, "0.html"))
    shown = page.sections["label-at-other-thresholds"][1:]
    assert [cells[3] for cells in shown] == [number(value) for value in rows["iou"]]
    assert [cells[1] for cells in shown] == [number(value) for value in rows["threshold"]]
    assert [cells[2].split(CATEGORY)[0].strip() for cells in shown] == [
        concept or "no concept" for concept in rows["concept"]
    ]
    assert rows["concept"][3] == CONCEPT
    assert [cells[0] for cells in shown] == ["0.1", "0.5", "1.0", "5.0", "10.0"]
    assert [cells[4] for cells in shown] == ["yes" if concept == CONCEPT else "no" for concept in rows["concept"]]
    assert [cells[5] for cells in shown] == ["no", "no", "no", "no", "yes"]


def test_a_page_says_which_method_would_label_at_other_quantiles(hostile_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(hostile_run, run, ignore=shutil.ignore_patterns("activations.zarr", "report", "label_stability"))
    plan = RunFolder.existing(run).plan()
    where = ReportPlace(plan, tmp_path / "site", ((Look.of(plan, plan.models[0]).key, "all"),))
    write_slots(tmp_path / "site", slots_of(plan, Look.of(plan, plan.models[0])))
    write_units(where, UnitBlock(plan.models[0], plan.models[0].layers[1], 0, 1))
    text = Page(tmp_path.joinpath("site", *UNIT_PAGE, "0.html")).text
    assert "stability among its --methods" in text
    assert "location among its --methods" not in text


def test_detectors_against_the_number_of_images_are_those_of_the_table(hostile_run, site):
    """The figure's accessible name and its table hold the counts; the overview has it for every layer, a layer its own."""
    found = growth_summary(hostile_run)
    assert found["images"].unique().sort().to_list() == [3, 6, 12, 24]
    for place, layers, section in (
        ("index.html", ["0", "1"], "units-over-0-04-on-samples-of-the-images-observed-and-by-chance"),
        ("m/planted/1/index.html", ["1"], "detectors-against-the-number-of-images"),
    ):
        page = Page(site / place)
        drawn = [attributes for tag, attributes in page.tags if attributes.get("class") == "plot lines"]
        assert len(drawn) == len(layers)
        for chart, layer in zip(drawn, layers, strict=True):
            rows = found.filter(layer=layer)
            live = schemas.scan_units(hostile_run).filter(pl.col("detector"), pl.col("status") == "live", layer=layer)
            assert rows["over_cutoff"][3] == live.collect().height
            over, chance = (", ".join(texts(rows[name])) for name in ("over_cutoff", "expected_by_chance"))
            said = f"images (log) 3, 6, 12, 24; over cutoff {over}; expected by chance {chance}"
            assert chart["aria-label"].endswith(said), chart["aria-label"]
        shown = [float(cells[-1]) for cells in page.sections[section][1:]]
        assert shown == pytest.approx(found.filter(pl.col("layer").is_in(layers))["expected_by_chance"].to_list())


def test_the_histogram_of_a_page_is_the_tables(hostile_run, site):
    row = schemas.scan_activation_histograms(hostile_run).filter(layer="1", unit=0).collect().row(0, named=True)
    unit = schemas.scan_units(hostile_run).filter(layer="1", unit=0).collect().row(0, named=True)
    assert (row["low"], row["high"]) == (unit["minimum"], unit["maximum"])
    assert sum(row["counts"]) == 24 * 32 * 32
    drawn = re.findall(
        r"<rect class=\"(?:above|below)\".*?<title>[^<]*: ([\d,]+)</title>",
        site.joinpath(*UNIT_PAGE, "0.html").read_text(),
    )
    assert drawn == [f"{count:,}" for count in row["counts"] if count]


def test_strips_draw_the_region_above_the_threshold(hostile_run, site):
    """Unit 0 fires on red: pixels inside its outline are those whose upsampled activation is above T."""
    from filterscope.operators.dissection.anchoring import resize_axis, upsample

    (key, block) = called(site / "m" / "planted" / "1" / "strips-000000.js")
    assert key == "m/planted/1/strips-000000.js"
    top = schemas.scan_top_images(hostile_run).filter(layer="1", unit=0, rank=0).collect().row(0, named=True)
    threshold = schemas.scan_thresholds(hostile_run).filter(layer="1", unit=0).collect()["threshold"][0]
    plan = RunFolder.existing(hostile_run).plan()
    slots = slots_of(plan, Look.of(plan, plan.models[0]))
    slot, path, image, view = block["units"][0][0]
    assert slots.view[slot] == view == top["view"]
    assert image == top["image"]
    assert (block["width"], block["height"], block["first"]) == (160, 160, 0)
    above = (
        upsample(np.frombuffer(top["map"], "<f2").reshape(32, 32), resize_axis(32, 160), resize_axis(32, 160))
        > threshold
    )
    drawn = filled(path, 160)
    assert above.any()
    assert (above != drawn).mean() < 0.02


def test_strips_draw_receptive_fields_where_the_run_did(hostile_run):
    """In the survey's mode a region is a union of fields: 3 x 3 input pixels here, on masks of 16 x 16."""
    plan = RunFolder.existing(hostile_run).plan()
    survey = plan.with_options(mask_mode="survey")
    model, layer = survey.models[0], survey.models[0].layers[1]
    top = top_images(survey, model, layer, Look.of(survey, model), 0, 1).row(0, named=True)
    stored = schemas.scan_top_images(hostile_run).filter(layer="1", unit=0, rank=0).collect()["map"][0]
    threshold = schemas.scan_thresholds(hostile_run).filter(layer="1", unit=0).collect()["threshold"].to_numpy()
    activation = np.frombuffer(stored, "<f2").reshape(1, 1, 32, 32).copy()
    drawn = survey_drawing(survey, model, layer)(activation, activation.max(axis=(2, 3)).astype(np.float32), threshold)
    mask = unpack(drawn.words, 16)[0]
    assert mask.any()
    assert (np.kron(mask, np.ones((10, 10), bool)) != filled(top["path"], 160)).mean() < 0.02


def test_thumbnails_are_the_images_as_the_network_sees_them(hostile_run, site):
    plan = RunFolder.existing(hostile_run).plan()
    slots = slots_of(plan, Look.of(plan, plan.models[0]))
    dataset, slot = Dataset(plan.data), len(slots.view) - 1
    view = int(slots.view[slot])
    sheet = np.asarray(
        Image.open(site / "thumbnails" / "squash-160x160" / f"{slot // 16:06d}.webp").convert("RGB"), float
    )
    top, left = slot % 16 // 4 * 160, slot % 4 * 160
    image = Image.open(dataset.path(dataset.images["uri"][view].as_py())).resize((160, 160), Image.Resampling.BICUBIC)
    assert np.abs(sheet[top : top + 160, left : left + 160] - np.asarray(image, float)).mean() < 6


def test_a_finished_report_is_left_alone_and_a_lost_unit_is_written_again(hostile_run, site):
    before = {path: path.stat().st_mtime_ns for path in site.rglob("*.html")}
    write_report(hostile_run)
    assert {path: path.stat().st_mtime_ns for path in site.rglob("*.html")} == before
    (marker,) = (site / "ledger" / "report" / "units" / "planted" / "0").glob("units-000002.*.json")
    marker.unlink()
    write_report(hostile_run)
    written = {path.relative_to(site) for path in site.rglob("*.html") if path.stat().st_mtime_ns != before[path]}
    assert written == {Path("m/planted/0/2.html")}
    assert len(list(Ledger(site / "ledger").records("report"))) == 13


def test_units_of_work_need_neither_each_other_nor_an_order(hostile_run, site, tmp_path):
    """Written one after the other from the last to the first, the pages are those that workers wrote, byte for byte."""
    alone = written_here(hostile_run, tmp_path / "site", last_first=True)
    files = [path.relative_to(site) for path in site.rglob("*") if path.is_file() and "ledger" not in path.parts]
    assert len([path for path in files if path.suffix == ".html"]) >= 13
    for file in files:
        assert (alone / file).read_bytes() == (site / file).read_bytes(), file


def test_a_report_needs_no_images(hostile_run, tmp_path, monkeypatch):
    """Where the data set is gone, the pages stand without pictures."""
    moved = tmp_path / "run"
    shutil.copytree(hostile_run, moved, ignore=shutil.ignore_patterns("activations.zarr", "report"))
    stated = (moved / "run.toml").read_text()
    data = str(RunFolder.existing(hostile_run).plan().data)
    (moved / "run.toml").write_text(stated.replace(data, str(tmp_path / "gone")))
    page = Page(write_report(moved).parent / "m" / "planted" / "1" / "0.html")
    assert "image" not in {tag for tag, _ in page.tags}
    assert page.ids["iou"] != "0.0000"


def test_what_is_no_run_and_what_is_no_report_are_refused(hostile_run, tmp_path):
    with pytest.raises(InputError, match="no run at"):
        write_report(tmp_path / "nothing")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(InputError, match="exists and is no report; choose another --out"):
        write_report(hostile_run, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_a_concepts_address_is_its_name_where_that_is_safe():
    assert slug("wheel") == "wheel"
    assert slug("<b>") != slug("<c>")
    assert slug("Red") != slug("red")
    assert re.fullmatch(r"[a-z0-9-]+", slug("../../étoile"))
    assert slug("☃") != slug("☂") != ""


def test_no_two_of_a_hundred_thousand_names_share_a_page():
    letters = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
    names = {
        letters[n // 1024 % 32] + letters[n // 32 % 32] + letters[n % 32] + "я" * (n // 32768) for n in range(98_000)
    }
    names |= {f"{form} {number}" for number in range(500) for form in ("Cat", "cat", "CAT")}
    names |= {f"cat-{number}" for number in range(500)}
    # names that are the file names of others
    names |= {slug(name) for name in list(names)[:1000]}
    files = {slug(name) for name in names}
    assert len(names) >= 100_000
    assert len(files) == len(names) == len({file.casefold() for file in files})
    assert max(map(len, files)) <= 100
    assert url("m", "a/b#c?d", "0.html") == "m/a%2Fb%23c%3Fd/0.html"


def test_numbers_are_written_alike():
    assert [number(value) for value in (0.12345, None, 0.0)] == ["0.1235", "–", "0.0000"]
    assert [significant(value) for value in (6.0, 11.25, 123456.0, None, -0.5)] == [
        "6.00",
        "11.2",
        "123,456",
        "–",
        "-0.500",
    ]
