"""And-Or graphs of a run: a planted dot is found from a few annotated crops, on the sets that `localize` draws."""

import shutil

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs.findings.localize import localization_report, localize
from filterscope.jobs.runs.doctor import examine, repair
from filterscope.operators.and_or.growing import grow
from filterscope.operators.and_or.parsing import parse
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.and_or.findings import (
    error_against_answers,
    found_by_templates,
    strategies,
    templates,
)
from filterscope.pipeline.methods.and_or.units import read_responses
from filterscope.pipeline.methods.graph.part_views import PartViews
from filterscope.pipeline.methods.localize.trial import BASELINES
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here
from tests.planted.dots import GRAPH, write_birds

SETTINGS = {**GRAPH, "models": [planted.entry("two_layers")], "graph_iterations": 2}
ASKED = {"shots": 2, "draws": 3}
TABLES = ("aog_units", "aog_patterns", "aog_parse", "aog_summary")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("birds") / "data"
    write_birds(folder)
    return folder


@pytest.fixture(scope="module")
def asked(data, tmp_path_factory):
    """A run that was asked for And-Or graphs and for nodes, and what it said of each."""
    run = audit_here(tmp_path_factory.mktemp("run") / "run", data=data, **SETTINGS)
    nodes = localize(run, "above", shares=[0.5], **ASKED)
    return run, localize(run, "above", method="and-or", **ASKED), nodes


def files(run):
    return {path: path.read_bytes() for table in TABLES for path in (run / "tables" / table).rglob("*.parquet")}


def test_baselines_are_those_of_localize_on_the_same_sets(asked):
    _, found, nodes = asked
    assert found["method"].to_list() == [*BASELINES, "And-Or", "And-Or mixed"]
    shared = [name for name in found.columns if name not in ("patterns", "less", "less_low", "less_high")]
    mine, others = (rows.filter(pl.col("method").is_in(BASELINES)).select(shared) for rows in (found, nodes))
    assert mine.equals(others)
    assert found["patterns"].null_count() == len(BASELINES)


def test_the_planted_place_is_found_where_its_mean_is_not(asked):
    _, found, _ = asked
    error = dict(found.select("method", "distance").iter_rows())
    assert error["And-Or"] < error["mean position"] / 2
    (less,) = found.filter(method="And-Or")["less"]
    assert less == pytest.approx(1 - error["And-Or"] / min(error[name] for name in BASELINES))


def test_what_is_stored_is_what_the_operators_give(asked):
    run = asked[0]
    plan = RunFolder(run).plan()
    (model,) = plan.models
    parts = PartViews.of(plan, model, "bird", "above", extracted=True)
    layers = [read_responses(plan, model, model.layer(name), parts.views) for name in ("3", "1")]
    extent = model.geometry(plan.options.geometry).size
    stored = schemas.scan_aog_patterns(run).collect()
    parses = schemas.scan_aog_parse(run).collect()
    row_of = {int(view): row for row, view in enumerate(parts.views.view)}
    assert set(stored["draw"]) == {0, 1, 2}
    for (view,), rows in stored.filter(draw=1).group_by("template", maintain_order=True):
        row = row_of[view]
        template = grow(layers, np.array([row]), parts.centre[[row]], float(max(extent)))
        for name, patterns in zip(("3", "1"), template.layers, strict=True):
            mine = rows.filter(layer=name).sort("pattern")
            assert mine["unit"].to_list() == patterns.unit.tolist()
            np.testing.assert_array_equal(mine["score"], patterns.score)
            assert mine["parents"].to_list() == patterns.parents.tolist()
        centre, score = parse(template, layers, parts.heldout, extent)
        mine = parses.filter(draw=1, template=view)
        assert mine["view"].to_list() == parts.views.view[parts.heldout].tolist()
        np.testing.assert_array_equal(mine.select("y", "x").to_numpy(), centre)
        np.testing.assert_array_equal(mine["score"], score)


def test_annotated_crops_are_learned_from_and_parsed_ones_held_out(asked):
    run = asked[0]
    held = set(schemas.scan_node_positions(run).filter("heldout").select("view").unique().collect()["view"])
    assert set(schemas.scan_aog_parse(run).collect()["view"]) <= held
    drawn = schemas.scan_aog_patterns(run).select("draw", "template").unique().collect()
    assert not set(drawn["template"]) & held
    # two crops and their mirror images
    assert drawn.group_by("draw").len()["len"].to_list() == [4, 4, 4]


def test_the_same_question_is_computed_once_and_more_draws_keep_the_first(asked, tmp_path):
    run = shutil.copytree(asked[0], tmp_path / "run")
    before = files(run)
    assert localize(run, "above", method="and-or", **ASKED).equals(asked[1])
    assert files(run) == before
    found = localize(run, "above", method="and-or", shots=2, draws=4)
    assert set(found["draws"]) == {4}
    after = files(run)
    kept = {path for path in before if "aog_summary" not in str(path)}
    assert all(after[path] == before[path] for path in kept)
    assert examine(run) == []


def test_a_killed_call_resumes_to_the_same_bytes(asked, data, tmp_path, monkeypatch):
    run = audit_here(tmp_path / "run", data=data, **SETTINGS)
    from filterscope.pipeline.methods.and_or import grow as stage

    done, grow_templates = [], stage.grow_templates

    def killed(task):
        if len(done) == 4:  # in the second layer
            raise KeyboardInterrupt
        done.append(task.key)
        return grow_templates(task)

    monkeypatch.setattr(stage, "grow_templates", killed)
    with pytest.raises(KeyboardInterrupt):
        localize(run, "above", method="and-or", **ASKED)
    monkeypatch.undo()
    assert localize(run, "above", method="and-or", **ASKED).equals(asked[1])
    by_name = {path.relative_to(run): content for path, content in files(run).items()}
    assert by_name == {path.relative_to(asked[0]): content for path, content in files(asked[0]).items()}


def test_the_doctor_repairs_each_table(asked, tmp_path):
    run = shutil.copytree(asked[0], tmp_path / "run")
    before = files(run)
    for table in TABLES:
        path = min((run / "tables" / table).rglob("*.parquet"))
        path.write_bytes(path.read_bytes()[:-20])
    problems = examine(run)
    assert len(problems) == len(TABLES)
    repair(run, problems)
    assert files(run) == before


def test_an_audit_without_a_graph_gives_the_same(asked, data, tmp_path):
    settings = SETTINGS | {"metrics": "and-or", "localize.part": "above", "localize.shots": 2, "localize.draws": 3}
    run = audit_here(tmp_path / "run", data=data, **settings)
    assert schemas.scan_aog_summary(run).collect().equals(asked[1])
    assert "graph" not in {kind.name for kind in Stages(RunFolder(run).plan()).kinds}
    assert localize(run, "above", method="and-or", **ASKED).equals(asked[1])


def test_findings_show_the_nearest_first_and_what_templates_parse(asked):
    run, found, _ = asked
    nearest = found_by_templates(run)
    assert nearest["distance"].to_list() == sorted(found["distance"])
    shown = templates(run)
    assert shown.height == 3
    for row in shown.iter_rows(named=True):
        assert str(row["views"][0]["view"]) == row["template"]
        assert row["views"][0]["says"] == "annotated"
        assert float(row["views"][1]["says"]) == pytest.approx(row["score"], abs=0.05)


def test_the_report_says_what_templates_lose_or_save(asked):
    text = localization_report(asked[1])
    assert "above of bird, planted 3,1: 2 annotated images in 3 random sets" in text
    assert "And-Or mixed" in text.partition("best baseline")[0]
    assert "And-Or: 0." in text


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"method": "or-and"}, "--method or-and: .*nodes or and-or"),
        ({"part": "abov"}, "--part abov: no crop of bird has it. Did you mean 'above'"),
        ({"shots": 100}, "--shots 100: only"),
        ({"layers": ["5"]}, "--layers 5: planted has graphs of 3, 1"),
    ],
)
def test_wrong_questions_are_refused(asked, wrong, message):
    before = files(asked[0])
    with pytest.raises(InputError, match=message):
        localize(asked[0], **{"part": "above", "method": "and-or", **ASKED, **wrong})
    assert files(asked[0]) == before


def test_a_run_of_whole_images_is_refused(data, tmp_path):
    whole = {"models": [planted.entry("two_layers")], "layers": "1", "metrics": "location"}
    run = audit_here(tmp_path / "run", data=data, **whole)
    with pytest.raises(InputError, match="object crops"):
        localize(run, "above", method="and-or")


@pytest.fixture(scope="module")
def inquired(data, tmp_path_factory):
    """A run in which a simulated person answered four questions by each strategy, about two pools of eight crops."""
    asked = {"localize.part": "above", "localize.shots": 2, "localize.draws": 1, "localize.layers": "3"}
    asked |= {"and-or.questions": 4, "and-or.pool": 8, "and-or.seeds": 2}
    return audit_here(tmp_path_factory.mktemp("asked") / "run", data=data, **SETTINGS | {"metrics": "and-or"} | asked)


def test_strategies_ask_about_the_same_pools_and_nothing_twice(inquired):
    rows = schemas.scan_questions(inquired).sort("seed", "strategy", "question").collect()
    assert rows.height == 2 * 4 * 4
    learned = set(schemas.scan_aog_parse(inquired).collect()["view"])
    assert not set(rows["view"]) & learned
    for (_, _), mine in rows.group_by("seed", "strategy"):
        assert mine["view"].n_unique() == 4
        assert mine["answer"][0] == "new"
        assert mine["templates"].to_list() == (mine["answer"] == "new").cum_sum().to_list()
    first = rows.filter(question=1)
    # before the first answer no strategy knows anything: they begin alike
    assert first.group_by("seed").agg(pl.col("view", "distance").n_unique()).drop("seed").rows() == [(1, 1)] * 2


def test_the_curve_and_the_strategies_are_means_of_the_answers(inquired):
    rows = schemas.scan_questions(inquired).collect()
    curve = error_against_answers(inquired)
    assert curve["answers"].to_list() == [1, 2, 3, 4]
    mine = rows.filter(strategy="lowest score", question=3)
    assert curve.row(2, named=True)["lowest score"] == pytest.approx(mine["distance"].mean())
    table = {row["strategy"]: row for row in strategies(inquired).iter_rows(named=True)}
    error = {name: rows.filter(strategy=name)["distance"].mean() for name in table}
    assert table["gain"]["error"] == pytest.approx(error["gain"])
    assert table["gain"]["less"] == pytest.approx(1 - error["gain"] / error["random"])
    assert table["random"]["less"] is None
    for row in table.values():
        assert sum(row[kind] for kind in ("right", "place", "other", "new")) == pytest.approx(1)
