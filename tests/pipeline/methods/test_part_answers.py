"""Answers of a person about a part: replayed, in the fingerprint, refused whole where a row is wrong, and what they teach."""

import csv
import shutil

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs.findings.ask_parts import COLUMNS, PartAsking, answer_parts, csv_of
from filterscope.jobs.runs.doctor import examine, repair
from filterscope.operators.localization.measures import normalised_distance
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.and_or.answers import MEAN, PERSON, RANDOM
from filterscope.pipeline.methods.and_or.drawn import (
    after_answers,
    answer_verdict,
    answered_graph,
    answered_parses,
    error_against_answers,
)
from filterscope.pipeline.methods.and_or.grown import Grown
from filterscope.pipeline.methods.and_or.person import TABLE, About, keep_told
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here
from tests.planted.dots import write_birds


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("told")
    (folder / "data").mkdir()
    write_birds(folder / "data" / "birds", birds=36)
    settings = {"models": [planted.entry("two_layers")], "layers": "3", "metrics": "location", "views": "objects:bird"}
    return audit_here(folder / "run", data=folder / "data" / "birds", **settings)


def told(run, file, budget, **changes):
    """Write a CSV that answers questions by the landmarks, all in one template; `changes` of its rows by number."""
    asking = PartAsking(run, "above")
    questions, parts = asking.questions(budget), asking.pool.parts
    first = next((one.view for one in asking.told if one.said == "new"), questions[0].view)
    rows = []
    for number, (one, row) in enumerate(zip(questions, csv_of(asking, questions).to_dicts(), strict=True)):
        at = parts.views.view.tolist().index(one.view)
        said = "place" if one.found else "other" if number else "new"
        numbers = (first if said == "other" else "", *parts.centre[at], *parts.size[at])
        rows.append(
            {**row, "answer": said, **dict(zip(COLUMNS[-5:], numbers, strict=True)), **changes.get(f"row{number}", {})}
        )
    with file.open("w", newline="") as opened:
        out = csv.DictWriter(opened, COLUMNS)
        out.writeheader()
        out.writerows(rows)
    return [one.view for one in questions]


@pytest.fixture(scope="module")
def answered(finished, tmp_path_factory):
    """A run in which a person answered twice, and the views they were asked about."""
    folder = tmp_path_factory.mktemp("answered")
    run = shutil.copytree(finished, folder / "run")
    absent = {"answer": "absent", **dict.fromkeys(COLUMNS[-5:], "")}
    seen = told(run, folder / "one.csv", 3, row2=absent)
    answer_parts(run, folder / "one.csv")
    seen += told(run, folder / "two.csv", 2, row1={"answer": "right", **dict.fromkeys(COLUMNS[-5:], "")})
    answer_parts(run, folder / "two.csv")
    return run, seen, folder


def test_answers_are_kept_in_order_and_nothing_is_asked_twice(answered):
    run, seen, _ = answered
    kept = schemas.scan_part_answers(run).sort("number").collect()
    assert kept["number"].to_list() == [1, 2, 3, 4, 5]
    assert kept["view"].to_list() == seen
    assert kept["answer"].to_list() == ["new", "other", "absent", "place", "right"]
    assert kept["template"].to_list() == [seen[0], seen[0], None, seen[0], seen[0]]
    assert kept["predicted_gain"].is_null().to_list() == [True, True, True, False, False]
    asking = PartAsking(run, "above")
    left = len(asking.pool.views) - 5
    everything = [one.view for one in asking.questions(left + 10)]
    assert sorted([*everything, *seen]) == asking.pool.views.tolist()
    held = schemas.scan_answered_places(run).filter(pl.col("parse") != "annotated").collect()["view"]
    assert not {*seen, *everything} & set(held)


def test_the_curve_is_that_of_the_answers_replayed(answered):
    run, *_ = answered
    asking = PartAsking(run, "above")
    pool = asking.pool
    grown = Grown.of(asking.plan, asking.model, asking.about, pool, heldout=True)
    truth = pool.parts.centre[pool.parts.heldout]
    rows = schemas.scan_answered_localization(run).collect()
    mine, marked = rows.filter(method=PERSON), []
    for number, one in enumerate(asking.told, 1):
        grown.take(one)
        marked += [one.part] if one.said not in ("right", "absent") else []
        centre, _, _ = grown.inquiry.parsed(grown.held)
        row = mine.filter(answers=number).row(0, named=True)
        assert row["distance"] == normalised_distance(centre, truth, grown.inquiry.extent).mean()
        assert row["annotated"] == len(marked)
        mean = normalised_distance(np.broadcast_to(np.mean(marked, axis=0), truth.shape), truth, grown.inquiry.extent)
        assert rows.filter(method=MEAN, answers=number)["distance"][0] == pytest.approx(mean.mean())
    assert (mine["less"][0], mine["less_low"][0], mine["less_high"][0]) == (0, 0, 0)
    assert mine["less"][-1] == pytest.approx(1 - mine["distance"][-1] / mine["distance"][0])
    chance = rows.filter(method=RANDOM)
    # the third answer says that the part is absent: it marks no crop
    assert chance.select("answers", "annotated").rows() == [(1, 1), (2, 2), (4, 3), (5, 4)]


def test_findings_show_before_after_and_the_graph(answered):
    run, seen, _ = answered
    assert after_answers(run)["method"].to_list().count(PERSON) == 2
    assert error_against_answers(run)["answers"].to_list() == [1, 2, 4, 5]
    (row,) = answered_parses(run).rows(named=True)
    assert (row["template"], row["views"][0]["view"], row["views"][0]["says"]) == (str(seen[0]), seen[0], "annotated")
    scores = [float(one["says"].split()[1]) for one in row["views"][1:]]
    assert scores == sorted(scores, reverse=True)
    assert all(one["marks"] for one in row["views"][:2])
    ties = answered_graph(run)
    assert ties["from"].to_list()[:2] == ["above of bird", f"above as on view {seen[0]}"]
    text = answer_verdict(run, PartAsking(run, "above").about)
    assert text.startswith("above of bird, 5 answers, 1 templates: ")
    assert "4 random crops" not in text.partition(";")[0]


def test_an_answer_is_in_the_fingerprint_and_of_no_other_stage(answered, finished):
    prints = [
        Stages(RunFolder(run).plan().with_options(methods=("location", "and-or"))) for run in (finished, answered[0])
    ]
    for name, same in (("and-or-answers", False), ("and-or-units", True), ("and-or-parse", True)):
        one, other = (stages.prints.of(name, stages.plan.models[0]).digest for stages in prints)
        assert (one == other) == same, name


def test_a_call_that_is_killed_keeps_its_answers_and_ends_with_the_same_bytes(
    answered, finished, tmp_path, monkeypatch
):
    from filterscope.pipeline.methods.and_or import answers as stage

    run = shutil.copytree(finished, tmp_path / "run")
    answer_parts(run, answered[2] / "one.csv")
    monkeypatch.setattr(stage, "write_table", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        answer_parts(run, answered[2] / "two.csv")
    monkeypatch.undo()
    assert len(PartAsking(run, "above").told) == 5
    again = answer_parts(run, answered[2] / "two.csv")
    assert (again.new, again.known) == (0, 2)
    for table in ("part_answers", "answered_localization", "answered_places"):
        mine, other = (
            {path.name: path.read_bytes() for path in (folder / "tables" / table).rglob("*.parquet")}
            for folder in (run, answered[0])
        )
        assert mine == other


def test_the_doctor_repairs_what_is_computed_and_leaves_what_was_given(answered, tmp_path):
    run = shutil.copytree(answered[0], tmp_path / "run")
    assert examine(run) == []
    (computed,) = (run / "tables" / "answered_localization").rglob("*.parquet")
    before = computed.read_bytes()
    computed.write_bytes(before[:-20])
    problems = examine(run)
    assert [problem.path for problem in problems] == [computed]
    repair(run, problems)
    assert computed.read_bytes() == before
    given = max((run / "tables" / "part_answers").rglob("*.parquet"))
    given.write_bytes(b"damaged")
    assert [problem.ours for problem in examine(run) if problem.path == given] == [False]
    assert given.read_bytes() == b"damaged"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"answer": "maybe"}, r"bad.csv, row 3: the answer 'maybe'; write right, place, other, new, absent"),
        ({"answer": "right"}, "row 3: 'right' of a crop on which nothing was found"),
        ({"template": "99"}, "row 3: no template began with view 99; templates began with"),
        ({"template": ""}, "row 3: write into the column template"),
        ({"y": "=1+1"}, r"row 3: y '=1\+1'; expected pixels of the crop, 0 to 32"),
        ({"x": "nan"}, "row 3: x 'nan'"),
        ({"y": "1e9"}, "row 3: y '1e9'"),
        ({"height": "-3"}, "row 3: height '-3'"),
        ({"height": "0"}, "row 3: a box has a height and a width above 0"),
        ({"view": "7000"}, "row 3: '7000' is the number of no view"),
        ({"file": "other.png"}, "row 3: view .* not other.png: the file is of another run"),
        ({"part": "wheel"}, "row 3: --part wheel: no crop has it"),
        ({"layers": "9"}, "row 3: --layers 9"),
    ],
)
def test_a_wrong_row_is_named_and_none_is_kept(finished, tmp_path, change, words):
    told(finished, tmp_path / "bad.csv", 2, row1=change)
    with pytest.raises(InputError, match=words) as error:
        answer_parts(finished, tmp_path / "bad.csv")
    assert "No answer was kept" in str(error.value)
    assert not (finished / "tables" / "part_answers").exists()


def test_an_answer_that_contradicts_one_that_is_kept_is_refused(answered, tmp_path):
    run = answered[0]
    text = (answered[2] / "two.csv").read_text()
    (tmp_path / "again.csv").write_text(text.replace(",right,", ",absent,"))
    with pytest.raises(InputError, match=r"row 3: view .* is answered 'absent', but two.csv, row 3 answers 'right'"):
        answer_parts(run, tmp_path / "again.csv")


def test_no_two_questions_share_a_name_and_none_is_too_long():
    asked = [("a-b", "c", "1"), ("a", "b-c", "1"), ("a", "b", "c-1"), ("a", "%" * 300, ",".join(map(str, range(99))))]
    names = [About("planted", *one).block for one in asked]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) < 80


def test_answers_that_cannot_be_read_are_not_written_over(answered, tmp_path):
    run = shutil.copytree(answered[0], tmp_path / "run")
    plan, asking = RunFolder(run).plan(), PartAsking(run, "above")
    (first,) = (run / "tables" / TABLE).rglob("*-000000.parquet")
    first.write_bytes(b"damaged")
    with pytest.raises(InputError, match="holds answers that cannot be read; move it away"):
        keep_told(plan, asking.about, {one.view: 0 for one in asking.told}, 0, asking.told)
    assert first.read_bytes() == b"damaged"
