"""Sections of pages: every table is shown, by what its method declares; a page that shows it depends on it."""

import math
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs.report.declared import declared, shown_beside
from filterscope.jobs.report.pages import concepts, graph, layers, overview, training, units
from filterscope.jobs.report.place import layer_place, unit_place
from filterscope.jobs.report.sections.facts import eligible_concepts
from filterscope.jobs.report.sections.section import anchor
from filterscope.jobs.report.site import carry_out, depends, report_stage, write_report
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods import registry, stability
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.options import RunOptions
from filterscope.pipeline.stores.artifacts import Table
from filterscope.schemas.results import TABLES
from tests.audits import unpromised
from tests.jobs.report.pages import Page, written_here
from tests.planted.hostile import CATEGORY

PAGES = (overview, layers, units, graph, concepts, training)
OWN = {name for page in PAGES for name in page.OWN}


def test_every_table_is_shown_by_a_finding_or_by_a_page():
    declared_tables = {
        name for per in ("run", "layer", "unit", "category") for _, f in declared(per) for name in f.tables
    }
    assert declared_tables | OWN == set(TABLES)


def unshown(method):
    """Return the tables of a method's stages, but those of methods before it, that neither it nor a page itself shows."""
    before = registry.METHODS[: registry.names().index(method.name)]
    written = set()
    for options in (RunOptions(), RunOptions(store="none")):
        others = {kind.name for other in before for kind in other.stages(options)}
        kinds = [kind for kind in method.stages(options) if kind.name not in others]
        written |= {found.name for kind in kinds for found in kind.writes if isinstance(found, Table)}
    return written - OWN - {name for finding in method.findings() for name in finding.tables}


def test_a_method_shows_the_tables_that_it_writes():
    assert {method.name: unshown(method) for method in registry.METHODS if unshown(method)} == {}
    assert unshown(replace(stability.METHOD, findings=tuple)) == {"label_stability"}


def test_titles_of_findings_are_anchors_of_their_own():
    for per in ("run", "layer", "unit", "category"):
        anchors = [anchor(finding.title.partition(": ")[0]) for _, finding in declared(per)]
        assert len(set(anchors)) == len(anchors)


def pages_of(run, site):
    """Yield what a page is about, the part of it that is its own, its findings' arguments and the page."""
    plan = RunFolder(run).plan()
    yield "run", overview.OWN, (), site / "index.html", {}
    for model in plan.models:
        for layer in model.layers:
            names = (model.name, layer.name)
            yield "layer", layers.OWN, names, site.joinpath(*layer_place(*names)), {}
            for unit in range(layer.channels):
                yield "unit", units.OWN, names, site.joinpath(*unit_place(*names, unit)), {"unit": unit}
    for path in sorted((site / "g").rglob("*.html")):
        yield "category", graph.OWN, (path.parent.name, CATEGORY), path, {}


def absent(frame, row, text):
    """Return the columns of numbers whose value in a row does not stand in a text, to four digits of the largest one."""
    numbers = [float(found.replace(",", "")) for found in re.findall(r"-?\d[\d,]*\.?\d*", text)]
    found = []
    for name in frame.columns:
        value = row[name]
        if name != "unit" and frame[name].dtype.is_numeric() and value is not None and math.isfinite(value):
            largest = max(abs(v) for v in frame[name] if v is not None and math.isfinite(v))
            tolerance = max(6e-5, 6e-4 * largest)
            if not any(math.isclose(value, number, abs_tol=tolerance) for number in numbers):
                found.append(name)
    return found


@pytest.mark.parametrize("fixtures", [("hostile_run", "site"), ("graph_run", "graph_site")])
def test_what_was_found_stands_on_its_page(fixtures, request):
    """Of every finding with rows, the title and each number of its first and last row stand in its section."""
    run, site = (request.getfixturevalue(name) for name in fixtures)
    met = set()
    for per, own, names, path, only in pages_of(run, site):
        page = Page(path)
        ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
        assert len(set(ids)) == len(ids), path
        for _, finding in declared(per):
            frame = finding.frame(run, *names)
            frame = frame.filter(**only) if only and frame.height else frame
            title = finding.title.partition(": ")[0]
            shown = frame.height > 0 and not set(own).issuperset(finding.tables)
            assert (anchor(title) in page.texts) == shown, (path, title)
            if shown:
                met |= set(finding.tables)
                text = page.texts[anchor(title)]
                assert title in text
                text += " ".join(cell for cells in page.sections[anchor(title)] for cell in cells)
                for row in (frame.row(0, named=True), frame.row(-1, named=True)):
                    assert absent(frame, row, text) == [], (path, title)
    wanted = {"hostile_run": {"part_interpretability", "patterns", "unit_patterns", "label_stability", "unit_image"}}
    wanted["graph_run"] = {
        "pattern_positions",
        "node_instability",
        "part_localization",
        "edited_localization",
        "edit_decisions",
        "graph_edges",
        "graph_candidates",
    }
    assert wanted[fixtures[0]] <= met


@pytest.mark.parametrize("fixture", ["hostile_run", "graph_run"])
def test_a_page_reads_no_table_that_it_does_not_depend_on(fixture, request, tmp_path, monkeypatch):
    """Whatever is read while a page is written decides whether it is written anew."""
    stage = report_stage(RunFolder(request.getfixturevalue(fixture)).plan(), tmp_path / "site")
    concepts.detectors.cache_clear()
    eligible_concepts.cache_clear()
    read, stored = set(), schemas._stored

    def recorded(run, name, *folders):
        read.add(name)
        return stored(run, name, *folders)

    monkeypatch.setattr(schemas, "_stored", recorded)
    kinds = set()
    for work in stage.group(stage.keys):
        kind = work.keys[0].place[0]
        if kind != "thumbnails":
            kinds.add(kind)
            read.clear()
            carry_out(work.task)
            if kind == "grid":  # of the data set alone
                assert not read, kind
            else:
                assert read, kind
                assert read <= {*depends(kind), *schemas.results.JOINED}, kind
    assert kinds >= {"units", "layers", "concepts", "overview"}


def test_a_changed_table_is_a_reason_to_write_the_pages_that_show_it_and_no_others(hostile_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(hostile_run, run, ignore=shutil.ignore_patterns("activations.zarr", "report"))

    def digests():
        keys = report_stage(RunFolder(run).plan(), tmp_path / "site").keys
        return {key.text: key.fingerprint.digest for key in keys}

    before = digests()
    (changed,) = (run / "tables" / "patterns" / "model=planted" / "layer=1").glob("units-000000.parquet")
    os.utime(changed, (0, 0))
    after = digests()
    wanted = {"report/units/planted/1/units-000000", "report/units/planted/1/units-000002"}
    wanted |= {"report/layers/planted/1/layer", "report/overview"}
    assert {key for key in before if before[key] != after[key]} == wanted


def only(run: Path, folder: Path, *tables: str) -> Path:
    """Copy a run with some of its tables alone."""
    kept = {"models", "layers", "views", "runs", *tables}
    dropped = [path.name for path in (run / "tables").iterdir() if path.name not in kept]
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("activations.zarr", "report", *dropped))
    return unpromised(folder)


def test_a_run_of_patterns_alone_has_a_report(graph_run, tmp_path):
    run = only(graph_run, tmp_path / "run", "patterns", "unit_patterns")
    site = written_here(run, tmp_path / "site")
    rows = schemas.scan_patterns(run).filter(layer="3", unit=0).sort("pattern").collect()
    assert rows.height == 2
    page = Page(site / "m" / "planted" / "3" / "0.html")
    assert [text for text in page.texts if text] == ["patterns", "peaks"]
    rings = [attributes for tag, attributes in page.tags if attributes.get("class") == "ring"]
    assert len(rings) == 12
    peak = rows["top_images"][0][0]
    assert float(rings[0]["cx"]) == pytest.approx(5 * (peak["x"] + 0.5))  # 160 pixels show 32
    assert float(rings[0]["cy"]) == pytest.approx(5 * (peak["y"] + 0.5))
    assert {tag for tag, _ in page.tags} >= {"svg", "image"}
    assert Page(site / "index.html").sections["patterns"][1][0] == "1"
    links = [attributes.get("href") for _, attributes in Page(site / "index.html").tags]
    assert "m/planted/3/index.html" in links


def test_a_run_of_location_alone_has_a_report(hostile_run, tmp_path):
    run = only(hostile_run, tmp_path / "run", "location_instability")
    site = written_here(run, tmp_path / "site")
    steady = schemas.scan_location_instability(run).filter(layer="1", unit=1).collect().row(0, named=True)
    head, row = Page(site / "m" / "planted" / "1" / "1.html").sections["where-it-looks"]
    assert head[1:5] == ["displacement", "of a constant", "tracking", "instability"]
    for at, name in enumerate(("displacement", "constant", "tracking", "instability"), 1):
        assert float(row[at]) == pytest.approx(steady[name], abs=5e-5)


def test_a_run_without_findings_is_refused_by_what_is_missing(hostile_run, tmp_path):
    run = only(hostile_run, tmp_path / "run")
    with pytest.raises(
        InputError, match=r"holds nothing to show yet: its methods \(dissection, .*patterns.*finish `filt"
    ):
        write_report(run)
    assert not (run / "report").exists()


def test_findings_of_tables_that_a_page_shows_itself_are_not_repeated():
    titles = [finding.title for _, finding in shown_beside("run", overview.OWN)]
    assert "Strongest units of each layer" not in titles
    assert "Detectors under both anchorings" in titles


def test_frames_of_layers_read_no_other_layer(hostile_run, graph_run, monkeypatch):
    stored, read = schemas._stored, []

    def recorded(run, name, *place):
        read.append((name, place))
        return stored(run, name, *place)

    monkeypatch.setattr(schemas, "_stored", recorded)
    for run, layer in ((hostile_run, "1"), (graph_run, "3")):
        for per in ("layer", "unit"):
            for _, finding in declared(per):
                read.clear()
                assert isinstance(finding.frame(run, "planted", layer), pl.DataFrame)
                elsewhere = {name for name, place in read if place != ("planted", layer)}
                assert elsewhere <= {"models", "concepts"}, finding.title
