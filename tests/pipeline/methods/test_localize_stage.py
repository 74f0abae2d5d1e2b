"""Localising a part is work of the run: marked, resumed, repaired, and the same whether the verb or an audit does it."""

import json
import shutil

import pytest

from filterscope import schemas
from filterscope.jobs.config.audit import load_config
from filterscope.jobs.findings.localize import localize
from filterscope.jobs.runs.audit import audit
from filterscope.jobs.runs.doctor import examine, repair
from filterscope.jobs.runs.status import run_status
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.methods.localize import stage
from filterscope.pipeline.methods.localize.findings import best_shares
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here
from tests.planted.dots import GRAPH, write_birds

SETTINGS = {**GRAPH, "models": [planted.entry("two_layers")], "graph_iterations": 2}
ASKED = {"shots": 2, "shares": [0.5], "draws": 3}
OPTIONS = {"localize.part": "above", **{f"localize.{name}": value for name, value in ASKED.items()}}
TABLE = "part_localization"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("birds") / "data"
    write_birds(folder)
    return folder


@pytest.fixture(scope="module")
def learned(data, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("run") / "run", data=data, **SETTINGS)


@pytest.fixture
def run(learned, tmp_path):
    """A run with graphs, of the test's own."""
    return shutil.copytree(learned, tmp_path / "run")


def files(run):
    return {path.name: path.read_bytes() for path in (run / "tables" / TABLE).rglob("*.parquet")}


def markers(run):
    return {path.name: path.read_bytes() for path in (run / "ledger" / "localize").rglob("*.json")}


def _fail(task):
    raise AssertionError("it is computed again")


def test_the_same_question_is_computed_once(run, monkeypatch):
    found = localize(run, "above", **ASKED)
    before = files(run), markers(run), (run / "run.toml").read_bytes()
    (marker,) = markers(run).values()
    assert json.loads(marker)["checksums"].keys() == {TABLE}
    monkeypatch.setattr(stage, "find_part", _fail)
    assert localize(run, "above", **ASKED).equals(found)
    assert (files(run), markers(run), (run / "run.toml").read_bytes()) == before
    with pytest.raises(RunError, match="it is computed again"):
        localize(run, "above", **ASKED | {"shots": 1})


def test_results_of_other_questions_stay_and_other_draws_replace_those_of_before(run):
    localize(run, "above", **ASKED)
    first = files(run)
    localize(run, "above", **ASKED | {"shots": 1})
    assert len(markers(run)) == 2
    assert first.items() <= files(run).items()
    found = localize(run, "above", **ASKED | {"draws": 4})
    assert len(markers(run)) == len(files(run)) == 2
    assert first.keys() <= files(run).keys()
    assert not first.items() <= files(run).items()
    assert set(found["draws"]) == {4}
    assert localize(run, "above", **ASKED)["draws"].unique().to_list() == [3]
    assert first.items() <= files(run).items()


def test_a_killed_call_keeps_what_it_had_and_resumes(data, tmp_path, monkeypatch):
    models = [planted.entry("two_layers") | {"name": name} for name in ("a", "b")]
    run = audit_here(tmp_path / "run", data=data, **SETTINGS | {"models": models})
    whole = shutil.copytree(run, tmp_path / "whole")
    expected, done, find = localize(whole, "above", **ASKED), [], stage.find_part

    def killed(task):
        if done:
            raise KeyboardInterrupt
        return follow(task)

    def follow(task):
        done.append(task.model.name)
        return find(task)

    monkeypatch.setattr(stage, "find_part", killed)
    with pytest.raises(KeyboardInterrupt):
        localize(run, "above", **ASKED)
    (row,) = (row for row in run_status(run) if row["stage"] == "localize")
    assert (row["done"], row["left"]) == (1, 1)
    monkeypatch.setattr(stage, "find_part", follow)
    assert localize(run, "above", **ASKED).equals(expected)
    assert done == ["a", "b"]
    assert files(run) == files(whole)


def test_the_audit_of_before_finds_nothing_to_do_and_keeps_the_part(data, tmp_path):
    run = audit_here(tmp_path / "run", data=data, **SETTINGS)
    localize(run, "above", **ASKED)
    assert not audit(load_config(out=run, data=data, **SETTINGS, actors=0))
    assert "localize" in RunFolder(run).plan().options.methods
    assert [row["left"] for row in run_status(run) if row["stage"] == "localize"] == [0]


def test_the_doctor_knows_the_table_and_repairs_it(run):
    localize(run, "above", **ASKED)
    before = files(run)
    assert examine(run) == []
    (path,) = (run / "tables" / TABLE).rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    (problem,) = examine(run)
    assert problem.path == path
    assert problem.what == "the file is not the one that was written"
    repair(run, [problem])
    assert files(run) == before
    path.unlink()
    with pytest.raises(RunError, match="--repair` computes it again"):
        localize(run, "above", **ASKED)
    repair(run, examine(run))
    assert files(run) == before


def test_what_version_0_1_left_without_a_marker_is_no_damage_and_is_marked_when_asked_again(learned, run):
    localize(run, "above", **ASKED)
    before = files(run)
    shutil.rmtree(run / "ledger" / "localize")
    shutil.copy(learned / "run.toml", run / "run.toml")
    assert examine(run) == []
    localize(run, "above", **ASKED | {"shots": 1})
    (problem,) = examine(run)
    assert problem.what == "the file has no marker"
    assert "when it is asked for again" in problem.means
    localize(run, "above", **ASKED)
    assert before.items() <= files(run).items()
    assert examine(run) == []


def test_an_audit_that_names_the_part_gives_the_same_bytes(data, run, tmp_path):
    found = localize(run, "above", **ASKED)
    audited = audit_here(tmp_path / "audited", data=data, **SETTINGS | {"metrics": "graph,localize"}, **OPTIONS)
    assert files(audited) == files(run)
    assert markers(audited).keys() == markers(run).keys()
    assert examine(audited) == []
    nearest = best_shares(audited)
    assert nearest["method"].n_unique() == nearest.height == 8
    assert nearest["distance"].to_list() == sorted(nearest["distance"])
    assert nearest["distance"][0] == found["distance"].min()
    with pytest.raises(InputError, match=r"draws is 4 and was 3.*--redo localize"):
        audit_here(audited, data=data, **SETTINGS | {"metrics": "graph,localize"}, **OPTIONS | {"localize.draws": 4})


def test_activations_that_were_removed_are_made_again_for_an_audit_and_missed_by_the_verb(data, run, tmp_path):
    localize(run, "above", **ASKED)
    settings = SETTINGS | {"keep_activations": False}
    short = audit_here(tmp_path / "short", data=data, **settings)
    with pytest.raises(InputError, match=r"were removed .* and baselines need them"):
        localize(short, "above", **ASKED)
    assert "localize" not in RunFolder(short).plan().options.methods
    audit_here(short, data=data, **settings | {"metrics": "graph,localize"}, **OPTIONS)
    assert files(short) == files(run)
    assert localize(short, "above", **ASKED).equals(schemas.scan_part_localization(run).collect())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"localize.part": None}, "name it with --localize.part; parts are above, rare"),
        ({"localize.part": "abov"}, "--localize.part abov: no crop of bird has it. Did you mean 'above'"),
        ({"localize.part": "rare"}, "only [01] images that the graph of bird was learned from show its rare once"),
        ({"localize.shots": 100}, "--localize.shots 100: only"),
        ({"localize.shots": 0}, "localize.shots: received 0; expected greater than or equal to 1"),
        ({"localize.shares": "0.5,2"}, r"localize.shares.*less than or equal to 1"),
        ({"localize.shares": "half"}, "numbers separated by commas"),
        ({"localize.model": "other"}, "--localize.model other: .* has planted"),
        ({"localize.layers": "5"}, "--localize.layers 5: planted has graphs of 3, 1"),
        ({"localize.category": "brid"}, "--localize.category brid: .* Did you mean 'bird'"),
        ({"graph_heldout": 0.0}, "a larger --graph-heldout"),
    ],
)
def test_an_audit_is_refused_before_anything_runs(data, tmp_path, wrong, message):
    with pytest.raises(InputError, match=message):
        audit_here(tmp_path / "run", data=data, **SETTINGS | {"metrics": "localize"} | OPTIONS | wrong)
    assert not (tmp_path / "run").exists()


def test_shares_and_layers_may_be_text(data, tmp_path):
    given = {"localize.shares": "0.1,0.5", "localize.layers": "3,1"}
    run = audit_here(tmp_path / "run", data=data, **SETTINGS | {"metrics": "localize"} | OPTIONS | given)
    rows = schemas.scan_part_localization(run).collect()
    assert rows["share"].drop_nulls().unique().sort().to_list() == [0.1, 0.5]
    assert localize(run, "above", **ASKED | {"shares": [0.1, 0.5]}, layers=["1", "3"]).equals(rows)
