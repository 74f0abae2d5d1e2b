"""The verb `explain`: from the command to the page of a prediction, and what cannot be explained."""

import re
import shutil
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import filterscope
from filterscope.jobs.cli import main as cli
from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter
from filterscope.pipeline.methods.attribution.block import compared
from filterscope.pipeline.methods.attribution.prediction import Prediction, explained
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES
from tests import planted
from tests.audits import audit_here
from tests.jobs.report.browsing import assert_accessible
from tests.jobs.report.pages import Page, written_here
from tests.planted.hostile import CONCEPT, LANDMARK
from tests.planted.squares import EMPTY, NAMES, write_squares

METHODS = "grad_cam,occlusion"
SOURCES = ("this map", "random weights", "centre", "edges", "noise")


def audited_squares(place, network="classifier", **settings):
    write_squares(place / "data")
    entry = {**planted.entry(network), **({"classes": str(place / "classes.csv")} if network == "classifier" else {})}
    asked = {"layers": "0,1", "quantile": 0.05, "min_images": 3, "methods": "dissection", **settings}
    return audit_here(place / "run", data=place / "data", models=[entry], **asked)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return audited_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture
def run(made, tmp_path):
    """A run that nobody has asked yet."""
    return shutil.copytree(made, tmp_path / "run")


def explain(capsys, run, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(["explain", str(run), *map(str, arguments)])
    out, err = capsys.readouterr()
    return stop.value.code, out.removeprefix("prediction: ").strip(), err


@pytest.fixture(scope="module")
def told(made, tmp_path_factory):
    """A run with two predictions, one of them of a map that says nothing, and its report; and where its pages lie."""
    run = shutil.copytree(made, tmp_path_factory.mktemp("told") / "run")
    for image, methods in ((1, METHODS), (EMPTY, "gradient")):
        with pytest.raises(SystemExit):
            cli.main(["explain", str(run), "--image", str(image), "--target", "1", "--methods", methods])
    written_here(run, run / "report")
    return run, {place[1]: f"p/planted/{place[1]}.html" for place in explained(run)}


def test_the_map_points_at_the_square_and_the_page_says_what_was_computed(capsys, run):
    code, page, err = explain(capsys, run, "--image", 1, "--target", NAMES[1].upper(), "--methods", METHODS)
    assert code == 0
    assert f"class 1, {NAMES[1]}, score" in err
    found = Prediction.read(run, ("planted", "1-1"))
    region = found.regions[CONCEPT]
    for method in METHODS.split(","):
        assert region.flat[found.maps[method].argmax()]
    again = filterscope.open(run).explain(1, target=1, methods=METHODS)
    rows = [row for row in Page(run.joinpath(page)).sections["maps"] if row[0] == CONCEPT]
    assert len(rows) == 2
    for method, row in zip(METHODS.split(","), rows, strict=True):
        assert row[1] == f"{100 * region.mean():.1f}"
        maps = [again.maps[method], again.controls[f"{method}, random network"]]
        maps += [again.controls[name] for name in ("centre", "edges", "random")]
        own = [compared(values, {CONCEPT: region})[0] for values in maps]
        assert row[2:] == [f"{round(one['hit'], 2):g} · {percent(one['energy'])}" for one in own]
        assert own[0]["energy"] > 3 * own[2]["energy"]
    heads = [row for row in Page(run.joinpath(page)).sections["maps"] if row[0] == "region"]
    assert [tuple(row[2:]) for row in heads] == [SOURCES] * 2


def percent(share):
    return "–" if share is None else f"{100 * share:.1f}"


def test_scores_and_ranks_are_those_of_the_network(run):
    found = filterscope.open(run).explain(1, target=0, methods="gradient")
    share = (found.pixels[..., 1] == 0).mean()
    scores = {index: score for index, _, score, _ in found.top}
    assert [scores[n] for n in (0, 1, 2)] == pytest.approx([share, 2 * share, 2 * share], abs=1e-6)
    assert [(index, name) for index, name, *_ in found.top] == [(3, "stripes"), *((n, NAMES[n]) for n in (1, 2, 0))]
    assert (found.rank, found.classes, found.name) == (4, 4, "crane")
    assert found.score == scores[0]
    powers = np.exp([scores[n] for n in range(4)])
    assert found.probability == pytest.approx(powers[0] / powers.sum(), abs=1e-6)
    assert found.maps["gradient"].dtype == np.float32


@pytest.mark.slow
def test_numbers_are_those_of_the_table_of_the_run(tmp_path):
    own = {"attribution.methods": METHODS, "attribution.target": 1, "attribution.control_views": 8}
    run = filterscope.open(audited_squares(tmp_path, methods="attribution", **own))
    found = run.explain(3, target=1, methods=METHODS)
    table = run.attribution_scores.collect()
    for one in found.found:
        (row,) = table.filter(view=3, method=one.method, network=one.network).to_dicts()
        (said,) = one.rows
        assert {name: row[name] for name in said} == said
        assert row["passes"] == one.passes
    by_default = run.explain(3, target=1).methods
    assert {"grad_cam", "gradient", "occlusion"} <= set(by_default)  # the fast ones, and those of the run
    assert not {"lime", "pda", "meaningful", "pattern_net"} & set(by_default)


def test_methods_that_are_asked_for_later_stand_beside_those_before(capsys, run):
    explain(capsys, run, "--image", 3, "--target", 1, "--methods", "gradient")
    first = Prediction.read(run, ("planted", "3-1"))
    _, page, _ = explain(capsys, run, "--image", 3, "--target", 1, "--methods", "grad_cam")
    both = Prediction.read(run, ("planted", "3-1"))
    assert both.methods == ["grad_cam", "gradient"]
    np.testing.assert_array_equal(both.maps["gradient"], first.maps["gradient"])
    assert [row for row in Page(run.joinpath(page)).sections["maps"] if row[0] == "region"] != []
    alone = replace(both, found=both.found[:2] + both.found[-3:])
    assert alone.joined(first).methods == ["grad_cam", "gradient"]
    assert alone.joined(replace(first, weights="other")).methods == ["grad_cam"]


@pytest.mark.slow
def test_a_prediction_survives_reports_and_is_linked_from_them(capsys, run):
    _, page, err = explain(capsys, run, "--image", 1, "--target", 1, "--methods", "gradient")
    assert "links it" not in err
    alone = Page(run.joinpath(page))
    assert not [tag for tag, at in alone.tags if at.get("href", "").endswith("images.html")]
    site = written_here(run, run / "report")
    links = {at.get("href") for _, at in Page(run.joinpath(page)).tags}
    assert {"../../i/1.html", "../../images.html", "../../predictions.html"} <= links
    assert "predictions.html" in {at.get("href") for _, at in Page(site / "index.html").tags}
    assert "../p/planted/1-1.html" in {at.get("href") for _, at in Page(site / "i/1.html").tags}
    assert "predictions" not in Page(site / "i/3.html").texts
    _, _, err = explain(capsys, run, "--image", 3, "--target", 1, "--methods", "gradient")
    assert "links it" in err
    assert {"p/planted/1-1.html", "p/planted/3-1.html"} <= {
        at.get("href") for _, at in Page(site / "predictions.html").tags
    }
    written_here(run, run / "report")
    assert "predictions" in Page(site / "i/3.html").texts


def test_a_report_is_written_again_where_predictions_changed(capsys, run):
    from filterscope.jobs.report.site import report_stage

    def keys():
        stage = report_stage(RunFolder(run).plan(), run / "report")
        return {key.place: key.fingerprint.digest for key in stage.keys}

    before = keys()
    explain(capsys, run, "--image", 1, "--target", 1, "--methods", "gradient")
    after = keys()
    changed = {place for place, digest in after.items() if before.get(place) != digest}
    assert {place[0] for place in changed} == {"images", "overview", "predictions"}


def test_a_map_that_says_nothing_is_told(capsys, told):
    run, pages = told
    section = Page(run / "report" / pages[f"{EMPTY}-1"]).texts["maps"]
    assert "The map says nothing: it is nowhere positive, or the same everywhere." in section
    assert "No region of this view is annotated" in section
    assert "·" not in re.sub(r"· *[0-9,.]+ forward", "", section.replace("features", ""))
    _, _, err = explain(capsys, run, "--image", EMPTY, "--target", 1, "--methods", "gradient")
    assert "the map says nothing" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--image", 8], "no such image in the data set .*; images are 0 to 7. Files that could not be imported"),
        (["--image", 1, "--view", 5], "--view 5 is no view of image 1; its views are 1"),
        (["--image", 1, "--target", "stipes"], "scores no such class. Did you mean 'stripes'?"),
        (["--image", 1, "--target", "4"], "--target 4: the network scores 4 classes, 0 to 3"),
        (["--image", 1, "--target", "Crane"], "classes 0 and 2 have this name; give a number"),
        (["--image", 1, "--target", "true"], "the true class of view 1 is not known"),
        (["--image", 1, "--methods", "gradcam"], "Did you mean 'grad_cam'?"),
        (["--image", 1, "--model", "plant"], "Did you mean 'planted'?"),
        (["--image", 1, "--layer", "2"], "--layer 2: its maps in planted are 1 x 1"),
        (["--image", 1, "--layer", "7"], "layer '7' is not in planted"),
    ],
)
def test_what_cannot_be_explained_is_said(capsys, made, arguments, said):
    code, _, err = explain(capsys, made, *arguments)
    assert code == 2
    assert re.search(re.escape(said).replace(r"\.\*", ".*"), err), err


def test_a_network_without_scores_has_nothing_to_explain(capsys, tmp_path):
    run = audited_squares(tmp_path, network="network")
    code, _, err = explain(capsys, run, "--image", 1)
    assert code == 2
    assert "planted: the network returns a tensor" in err
    assert "There is no score to explain" in err


def test_an_image_that_cannot_be_decoded_is_refused_with_its_reason(capsys, tmp_path):
    run = audited_squares(tmp_path)
    (spoiled,) = (tmp_path / "data" / "images").rglob("*-5.png")
    Image.new("RGB", (4, 4)).save(spoiled)
    code, _, err = explain(capsys, run, "--image", 5)
    assert code == 2
    assert "--image 5 cannot be decoded: the file is not the one that was imported" in err


def test_an_image_that_the_run_rejected_is_refused_with_its_reason(capsys, run):
    uri = Dataset(RunFolder(run).plan().data).images["uri"][3].as_py()
    row = {"stage": "extract", "item": uri, "reason": "OSError: image file is truncated"}
    rejects = pa.Table.from_pylist([row], schema=TABLES["rejects"])
    write_table(run, "rejects", ("extract-images-000000",), [rejects])
    code, _, err = explain(capsys, run, "--image", 3)
    assert code == 2
    assert "--image 3 was rejected by this run: OSError: image file is truncated" in err


def test_an_image_whose_class_was_rejected_is_explained_all_the_same(capsys, run):
    uri = Dataset(RunFolder(run).plan().data).images["uri"][1].as_py()
    row = {"stage": "outputs", "item": uri, "reason": "its attribute class is 'bird', which is no class"}
    rejects = pa.Table.from_pylist([row], schema=TABLES["rejects"])
    write_table(run, "rejects", ("planted", "outputs-000000"), [rejects])
    code, _, err = explain(capsys, run, "--image", 1, "--target", 1, "--methods", "grad_cam")
    assert (code, "rejected" in err) == (0, False)


def test_an_unaudited_layer_can_be_named(run):
    found = filterscope.open(run).explain(1, target=1, methods="grad_cam", layer="0")
    assert found.of("grad_cam", "trained").layer == "0"
    by_default = filterscope.open(run).explain(1, target=1, methods="grad_cam")
    assert by_default.of("grad_cam", "trained").layer == "1"


def test_what_is_slow_says_its_cost_first(capsys, run):
    _, _, err = explain(capsys, run, "--image", 1, "--target", 1, "--methods", METHODS)
    lines = err.splitlines()  # 28 x 28 windows and the whole, on two networks
    cost = next(n for n, line in enumerate(lines) if line.startswith("occlusion takes 1,570"))
    assert re.search(
        r"occlusion takes [\d,]+ forward passes, about \d+ s, half of it on the random network", lines[cost]
    )
    assert cost < next(n for n, line in enumerate(lines) if line.startswith("grad_cam:"))
    assert not [line for line in lines if line.startswith("grad_cam takes")]


def test_a_landmark_that_is_a_point_is_hit_from_near(capsys, audited_landmarks):
    run = audited_landmarks
    _, page, _ = explain(capsys, run, "--image", 1, "--target", 1, "--methods", "grad_cam")
    found = filterscope.open(run).explain(1, target=1, methods="grad_cam").beside("grad_cam")
    rows = [row for row in Page(run.joinpath(page)).sections["maps"] if row[0] == LANDMARK]
    assert rows == [[LANDMARK, "point", *(f"{round(one.row(LANDMARK)['hit15'], 2):g}" for _, one in found)]]
    assert rows[0][2] == "1"
    assert (
        filterscope.open(run).explain(1, target=1, methods="grad_cam").of("grad_cam", "trained").row(LANDMARK)["hit"]
        == 0
    )


@pytest.fixture
def audited_landmarks(tmp_path):
    """A run whose only regions are points, near a red square."""
    with DatasetWriter(tmp_path / "data", source={"reader": "test"}) as out:
        for number in range(4):
            pixels = np.full((32, 32, 3), 100, np.uint8)
            pixels[20:26, 4:10] = (255, 0, 0)
            Image.fromarray(pixels).save(tmp_path / f"{number}.png")
            out.landmark(out.image(tmp_path / f"{number}.png"), None, LANDMARK, 12.0, 22.0)
    asked = {"layers": "0,1", "methods": "attribution"}
    return audit_here(tmp_path / "run", data=tmp_path / "data", models=[planted.entry("classifier")], **asked)


def test_open_opens_the_page_and_nothing_is_opened_unasked(capsys, run, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    asked = ("--image", 1, "--target", 1, "--methods", "gradient")
    explain(capsys, run, *asked)
    assert opened == []
    _, page, _ = explain(capsys, run, *asked, "--open")
    assert opened == [run.joinpath(page.splitlines()[0]).as_uri()]


@pytest.mark.parametrize("cut", [True, False])
def test_a_damaged_prediction_is_named(capsys, run, cut):
    explain(capsys, run, "--image", 1, "--target", 1, "--methods", "gradient")
    path = run / "explained/planted/1-1.npz"
    whole = path.read_bytes()
    path.write_bytes(
        whole[:200] if cut else bytes([*whole[:300], *(255 - part for part in whole[300:400]), *whole[400:]])
    )
    with pytest.raises(filterscope.InputError, match=r"1-1\.npz is damaged .*explain the prediction again"):
        Prediction.read(run, ("planted", "1-1"))


@pytest.mark.parametrize(("scheme", "width"), [pytest.param("light", 1280, marks=pytest.mark.slow), ("dark", 390)])
@pytest.mark.parametrize("page", ["1-1", f"{EMPTY}-1", "predictions"])
def test_pages_of_predictions_are_accessible_and_fit_the_screen(browser, told, page, scheme, width):
    run, pages = told
    assert_accessible(browser, run / "report", pages.get(page, "predictions.html"), scheme, width)


def test_every_picture_of_a_page_is_there(told):
    run, pages = told
    folder = (run / "report" / pages["1-1"]).parent
    shown = {at["href"] for tag, at in Page(run / "report" / pages["1-1"]).tags if tag == "image"}
    assert len(shown) == 8  # the view; two maps of each method; centre, edges and noise
    for address in shown:
        with Image.open(folder / unquote(address)) as picture:
            assert picture.size == (448, 448)
