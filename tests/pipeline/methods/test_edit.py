"""Removing wrong nodes: planted ones by a simulated user, and decisions of a file, which may hold anything."""

import json
import shutil
from dataclasses import asdict

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs.findings.edit import apply, asked_of, edits_report, shown_nodes
from filterscope.jobs.runs.doctor import examine
from filterscope.jobs.runs.status import run_status
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.localize import edited
from filterscope.pipeline.methods.localize.edited import (
    AFTER,
    BEFORE,
    RANDOM,
    RANDOM_SIMULATED,
    SIMULATED,
    rows_of,
    simulated,
)
from filterscope.pipeline.methods.localize.edits import LARGEST, read_edits
from filterscope.pipeline.methods.localize.retrieved import Retrieved
from filterscope.pipeline.methods.localize.trial import annotated
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here
from tests.planted.dots import GRAPH, write_birds
from tests.planted.pruned import retrieved

GOOD, WRONG = 42, 18


@pytest.mark.parametrize("seed", range(5))
def test_a_simulated_user_removes_nine_in_ten_wrong_nodes_and_the_error_is_that_of_the_clean_graph(seed):
    mixed = retrieved(seed, good=GOOD, wrong=WRONG)
    removed = simulated(mixed, mixed.parts.annotatable)
    assert removed[GOOD:].mean() >= 0.9
    only_wrong = np.arange(GOOD + WRONG) >= GOOD
    truth = mixed.parts.centre[mixed.parts.heldout]
    error = {
        name: np.hypot(*(mixed.locate(mixed.parts.heldout, gone) - truth).T).mean()
        for name, gone in (("before", ~only_wrong & only_wrong), ("after", removed), ("clean", only_wrong))
    }
    assert error["after"] < error["clean"] + 1  # pixel
    assert error["after"] < error["before"] / 5


def test_rows_hold_before_after_and_controls_on_the_same_images():
    mixed = retrieved(0, good=GOOD, wrong=WRONG)
    wrong = [(name, "remove", 2.0) for name in mixed.names[GOOD:]]
    kept = [(name, word, 1.0) for name, word in zip(mixed.names[:4], ("keep", "unsure", "keep", "keep"), strict=True)]
    rows = pl.DataFrame(list(rows_of(mixed, [*kept, *wrong])), infer_schema_length=None)
    by = {
        name: rows.filter(method=name).row(-1, named=True)
        for name in (BEFORE, AFTER, RANDOM, SIMULATED, RANDOM_SIMULATED)
    }
    assert rows.filter(method=AFTER)["decisions"].to_list() == [5, 10, 15, 20, 22]
    assert rows.filter(method=AFTER)["removed"].to_list() == [1, 6, 11, 16, 18]
    assert rows.filter(method=AFTER)["seconds"].to_list() == [6, 16, 26, 36, 40]
    assert (by[BEFORE]["less"], by[BEFORE]["less_low"], by[BEFORE]["less_high"]) == (0, 0, 0)
    assert by[AFTER]["less"] == pytest.approx(1 - by[AFTER]["distance"] / by[BEFORE]["distance"])
    assert 0 < by[AFTER]["less_low"] <= by[AFTER]["less"] <= by[AFTER]["less_high"]
    assert by[RANDOM]["removed"] == by[AFTER]["removed"] == WRONG
    assert by[RANDOM_SIMULATED]["removed"] == by[SIMULATED]["removed"]
    assert by[AFTER]["distance"] < by[RANDOM]["distance"]
    everything = [(name, "remove", 1.0) for name in mixed.names]
    assert np.isfinite([row["distance"] for row in rows_of(mixed, everything)]).all()


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edited")
    (folder / "data").mkdir()
    write_birds(folder / "data" / "birds", birds=36)
    models = [planted.entry("two_layers")]
    return audit_here(
        folder / "run", data=folder / "data" / "birds", **{**GRAPH, "models": models, "graph_iterations": 1}
    )


@pytest.fixture
def run(learned, tmp_path):
    return shutil.copytree(learned, tmp_path / "run")


def held(run, decide=lambda number: "remove" if number == 0 else "keep", draw=0):
    """Return edits as the page gives them."""
    plan = RunFolder(run).plan()
    asked = asked_of(plan, "above", shots=2, share=0.3, draw=draw)
    model = plan.model(asked.model)
    nodes = shown_nodes(plan, model, asked)
    decisions = [{"node": node, "decision": decide(n), "seconds": 1.5} for n, node in enumerate(nodes)]
    print_ = asked.fingerprint(plan, model, Stages(plan).prints)
    head = {"format": "filterscope edits 1", "run": run.name, "fingerprint": print_, **asdict(asked)}
    return {**head, "decisions": decisions}


def given(run, stated, tmp_path):
    file = tmp_path / "edits.json"
    file.write_text(stated if isinstance(stated, str) else json.dumps(stated))
    return apply(run, file)


def test_decisions_are_kept_computed_once_and_replaced_by_later_ones(run, tmp_path, monkeypatch):
    stated = held(run)
    found = given(run, stated, tmp_path)
    assert found.filter(method=AFTER)["removed"].unique().to_list() == [1]
    rows = schemas.scan_edit_decisions(run).collect()
    assert rows["node"].to_list() == [one["node"] for one in stated["decisions"]]
    assert rows["order"].to_list() == list(range(1, len(rows) + 1))
    assert examine(run) == []
    with monkeypatch.context() as patched:
        patched.setattr(edited, "find_again", lambda task: pytest.fail("it is computed again"))
        assert given(run, stated, tmp_path).equals(found)
    later = given(run, held(run, lambda n: "remove"), tmp_path)
    assert later.filter(method=AFTER)["removed"].max() == len(rows)
    assert [row["left"] for row in run_status(run) if row["stage"] == "edit"] == [0]
    assert "1 of" in edits_report(found)
    assert f"{len(rows)} of {len(rows)} nodes removed" in edits_report(later)


def test_a_call_that_is_killed_keeps_its_decisions_and_ends_with_the_same_bytes(run, tmp_path, monkeypatch):
    undisturbed = shutil.copytree(run, tmp_path / "undisturbed")
    given(undisturbed, held(undisturbed), tmp_path)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(edited, "write_table", killed)
        with pytest.raises(KeyboardInterrupt):
            given(run, held(undisturbed), tmp_path)
    assert list((run / "tables" / "edit_decisions").rglob("*.parquet"))
    assert not list((run / "tables" / "edited_localization").rglob("*.parquet"))
    given(run, held(undisturbed), tmp_path)
    for table in ("edit_decisions", "edited_localization"):
        mine, other = (
            {path.name: path.read_bytes() for path in (folder / "tables" / table).rglob("*.parquet")}
            for folder in (run, undisturbed)
        )
        assert mine == other, table
    assert examine(run) == []


def test_sets_of_annotated_crops_are_those_of_localize_and_edited_side_by_side(run, tmp_path):
    plan = RunFolder(run).plan()
    model, sets = plan.model("planted"), []
    for draw in (0, 1, 2):
        mixed = Retrieved.of(plan, model, asked_of(plan, "above", shots=2, share=0.3, draw=draw))
        assert mixed.annotated.tolist() == annotated(mixed.parts, 2, draw).tolist()
        sets.append(tuple(mixed.annotated.tolist()))
    assert len(set(sets)) > 1
    first, second = (given(run, held(run, draw=draw), tmp_path) for draw in (0, 1))
    assert (first["draw"].unique().to_list(), second["draw"].unique().to_list()) == ([0], [1])
    kept = schemas.scan_edited_localization(run).sort("draw").collect()
    assert kept.height == first.height + second.height
    assert kept.filter(draw=0)["distance"].sort().to_list() == first["distance"].sort().to_list()


@pytest.mark.parametrize("draw", [-1, 10_000])
def test_a_number_of_no_set_is_refused(learned, draw):
    with pytest.raises(InputError, match=f"--draw {draw}: the number of a set of annotated images, from 0 to 9,999"):
        asked_of(RunFolder(learned).plan(), "above", shots=2, share=0.3, draw=draw)


def test_decisions_of_before_are_computed_again_where_they_were_changed_by_hand(run, tmp_path):
    given(run, held(run), tmp_path)
    (file,) = (run / "tables" / "edit_decisions").rglob("*.parquet")
    file.write_bytes(b"not parquet")
    assert [problem.path for problem in examine(run)][:1] == [file]
    assert given(run, held(run), tmp_path).height
    assert examine(run) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("[]", "holds no edits of a page"),
        ("null", "holds no edits of a page"),
        ({"format": "filterscope edits 2"}, "format"),
        ({"fingerprint": "0" * 16}, "another graph or data set"),
        ({"fingerprint": "../../etc"}, "fingerprint"),
        ({"model": "other"}, "the run has planted"),
        ({"category": "cat"}, "--category cat"),
        ({"part": "wheel"}, "no crop has it"),
        ({"layers": "7"}, "--layers 7"),
        ({"layers": "../x"}, "--layers"),
        ({"shots": 1e9}, "shots"),
        ({"shots": True}, "shots"),
        ({"share": 0}, "share"),
        ({"draw": -1}, "draw"),
        ({"draw": 10_000}, "draw"),
        ({"draw": True}, "draw"),
        ({"share": float("nan")}, "share"),
        ({"extra": 1}, "extra"),
        ({"decisions": {}}, "decisions"),
        ({"decisions": []}, "holds no decision"),
        ({"decisions": [{"node": "3/0/0", "decision": "delete", "seconds": 1}]}, "decisions.0.decision"),
        ({"decisions": [{"node": "3/0/0", "decision": "keep", "seconds": -1}]}, "decisions.0.seconds"),
        ({"decisions": [{"node": "3/0/0", "decision": "keep", "seconds": float("inf")}]}, "decisions.0.seconds"),
        ({"decisions": [{"node": 3, "decision": "keep", "seconds": 1}]}, "decisions.0.node"),
        ({"decisions": [{"node": "9/9/9", "decision": "keep", "seconds": 1.0}]}, "'9/9/9' is no node that the page shows"),
        ({"decisions": "twice"}, "is decided twice"),
        ({"decisions": "many"}, "decisions"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_edits_of_this_run_is_refused_and_changes_nothing(learned, tmp_path, change, message):
    stated = change
    if isinstance(change, dict):
        stated = held(learned)
        if change.get("decisions") in ("twice", "many"):
            change = {"decisions": stated["decisions"][:1] * (2 if change["decisions"] == "twice" else 5001)}
        stated |= change
    before = (learned / "run.toml").read_bytes()
    with pytest.raises(InputError, match=message):
        given(learned, stated, tmp_path)
    assert (learned / "run.toml").read_bytes() == before
    assert not (learned / "tables" / "edit_decisions").exists()


def test_a_file_that_is_too_large_or_not_there_is_refused(tmp_path):
    (tmp_path / "large.json").write_bytes(b" " * (LARGEST + 1))
    with pytest.raises(InputError, match="edits have 1,048,576 at most"):
        read_edits(tmp_path / "large.json")
    with pytest.raises(InputError, match="no such file"):
        read_edits(tmp_path / "none.json")
    with pytest.raises(InputError, match="no such file"):
        read_edits(tmp_path)
