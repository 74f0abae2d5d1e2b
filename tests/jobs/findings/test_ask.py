"""Questions go to views that nobody labelled, and answers are kept, replayed and never asked again."""

import csv
import importlib
import io
import shutil

import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs.cli.main import main
from filterscope.jobs.findings.ask import answer, ask, said
from filterscope.jobs.report.thumbnails import Look, slots_of
from filterscope.jobs.runs.doctor import examine, repair
from filterscope.operators.blind_spots.discovery import POLICIES
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.blind_spots.asking import _written
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here
from tests.planted.spots import EACH, is_wrong, write_spots

shown = importlib.import_module("filterscope.pipeline.methods.blind_spots.findings")


def audited(folder, labelled, **more):
    model = {**planted.entry("classifier"), "classes": str(folder / "classes.csv")}
    (folder / "classes.csv").write_text("index,name\n0,grey\n1,red\n2,crane\n3,crane\n")
    asked = {"blind-spots.confidence": 0.2, "blind-spots.clusters": 4, **more}
    data = write_spots(folder, labelled=labelled)
    return audit_here(
        folder / "run", data=data, models=[model], layers="1", methods="blind-spots", image_block=32, **asked
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run in which the first five images of each group have a true class on file."""
    return audited(tmp_path_factory.mktemp("ask"), lambda number: number % EACH < 5)


@pytest.fixture
def run(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def written(path, frame, answers):
    """Write questions with answers: a function of the view's number, or one text for all."""
    given = [answers(view) if callable(answers) else answers for view in frame["view"]]
    frame.with_columns(pl.Series("answer", given, pl.String)).write_csv(path)
    return path


def truly(view):
    return "wrong" if is_wrong(view) else "right"


@pytest.mark.parametrize("policy", POLICIES)
def test_questions_are_about_views_without_a_true_class(run, policy):
    asked = ask(run, budget=30, policy=policy)
    assert asked.columns == ["model", "view", "file", "predicted", "name", "confidence", "answer"]
    assert len(set(asked["view"])) == 30
    assert all(view % EACH >= 5 for view in asked["view"])
    assert set(asked["predicted"]) == {1}
    assert set(asked["name"]) == {"red"}
    assert set(asked["answer"]) == {""}
    assert asked["file"].to_list() == [f"images/spot-{view:03d}.png" for view in asked["view"]]
    assert asked.equals(ask(run, budget=30, policy=policy))
    assert len(ask(run, budget=1000, policy=policy)) == 80


def test_the_least_confident_are_asked_first(run):
    confidence = ask(run, budget=80, policy="least-confident")["confidence"]
    assert confidence.to_list() == sorted(confidence)


@pytest.mark.parametrize("policy", POLICIES)
def test_what_was_answered_is_never_asked_again(run, tmp_path, policy):
    seen = set()
    for _ in range(4):
        asked = ask(run, budget=20, policy=policy)
        assert not seen & set(asked["view"])
        seen |= set(asked["view"])
        kept = answer(run, written(tmp_path / "questions.csv", asked, truly))
        assert (kept.new, kept.wrong) == (20, sum(is_wrong(view) for view in asked["view"]))
    with pytest.raises(InputError, match="nothing is left to ask of planted: each of its 100 confident views"):
        ask(run, budget=20, policy=policy)
    rows = schemas.scan_answers(run).sort("number").collect()
    assert rows["number"].to_list() == list(range(1, 81))
    assert rows["wrong"].to_list() == [is_wrong(view) for view in rows["view"]]


def test_a_bandit_goes_where_answers_were_wrong(run, tmp_path):
    """Files say that the third group is wrong five times of five: its views come first."""
    asked = ask(run, budget=10, policy="greedy")
    assert set(asked["view"] // EACH) == {2}
    answer(run, written(tmp_path / "questions.csv", asked, "right"))
    share = {policy: (ask(run, budget=20, policy=policy)["view"] // EACH == 2).mean() for policy in ("greedy", "ucb1")}
    assert share["greedy"] == 0.5  # the ten that are left, as good as a third of the time
    assert share["ucb1"] <= share["greedy"]


def test_answers_are_kept_apart_from_true_classes_on_file(run, tmp_path):
    before = schemas.scan_partitions(run).collect()
    answer(run, written(tmp_path / "questions.csv", ask(run, budget=40, policy="uub"), truly))
    assert schemas.scan_partitions(run).collect().equals(before)
    members = schemas.scan_partition_members(run).filter(method="clusters").collect()
    assert members["asked"].sum() == 40
    assert members.filter("asked")["wrong"].null_count() == 40
    known = members.filter("asked")
    assert known["answered_wrong"].to_list() == [is_wrong(view) for view in known["view"]]
    assert examine(run) == []


def test_an_answer_is_right_wrong_or_a_class(run, tmp_path):
    asked = ask(run, budget=5, policy="uub")
    answers = dict(zip(asked["view"], ["Right", " wrong ", "red", "1", "3"], strict=True))
    kept = answer(run, written(tmp_path / "questions.csv", asked, answers.get))
    assert (kept.new, kept.wrong, kept.unsure, kept.known, kept.blank) == (5, 2, 0, 0, 0)
    rows = schemas.scan_answers(run).sort("number").collect()
    assert rows["answer"].to_list() == ["Right", "wrong", "red", "1", "3"]
    assert rows["wrong"].to_list() == [False, True, False, False, True]
    assert rows["source"][1] == "questions.csv, row 3"


@pytest.mark.parametrize("policy", POLICIES)
def test_who_is_unsure_is_not_asked_again_and_counts_neither_way(run, tmp_path, policy):
    asked = ask(run, budget=20, policy=policy)
    doubted = asked["view"].to_list()[:6]
    path = written(tmp_path / "questions.csv", asked, lambda view: " Unsure" if view in doubted else truly(view))
    kept = answer(run, path)
    wrong = sum(is_wrong(view) for view in asked["view"] if view not in doubted)
    assert (kept.new, kept.wrong, kept.unsure) == (20, wrong, 6)
    assert said(kept) == f"20 answers kept, {wrong} of them wrong, 6 unsure"
    rest = ask(run, budget=80, policy=policy)["view"]
    assert len(rest) == 60
    assert not set(rest) & set(asked["view"])
    (row,) = shown.answered(run).to_dicts()
    assert (row["answers"], row["unsure"], row["wrong"], row["share wrong"]) == (20, 6, wrong, wrong / 14)
    members = schemas.scan_partition_members(run).filter(method="clusters").collect()
    assert members["asked"].sum() == 20
    assert members.filter("asked")["answered_wrong"].null_count() == 6
    counted = shown.answered_curves(run)
    assert counted.is_empty() if wrong in (0, 14) else counted["question"][-1] == 14
    assert examine(run) == []


def test_where_all_are_unsure_there_is_no_share(run, tmp_path):
    answer(run, written(tmp_path / "questions.csv", ask(run, budget=3, policy="uub"), "unsure"))
    (row,) = shown.answered(run).to_dicts()
    assert (row["answers"], row["unsure"], row["wrong"], row["share wrong"]) == (3, 3, 0, None)
    assert shown.partitions(run)["answered"].sum() == 3 * 2  # clusters, and patterns
    assert shown.partitions(run)["answered wrong"].sum() == 0


def test_who_was_unsure_may_be_sure_later_and_never_the_other_way(run, tmp_path):
    asked = ask(run, budget=2, policy="uub")
    first, second = asked["view"]
    answer(run, written(tmp_path / "one.csv", asked, lambda view: "unsure" if view == first else "wrong"))
    kept = answer(run, written(tmp_path / "two.csv", asked, lambda view: "wrong" if view == first else "unsure"))
    assert (kept.new, kept.wrong, kept.known) == (1, 1, 1)
    assert schemas.scan_answers(run).collect()["number"].sort().to_list() == [1, 2, 3]
    members = schemas.scan_partition_members(run).filter(pl.col("asked"), method="clusters").collect()
    assert dict(members.select("view", "answered_wrong").iter_rows()) == {first: True, second: True}
    assert shown.answered(run)["answers"].to_list() == [2]
    with pytest.raises(InputError, match=r"is answered 'right', but two\.csv, row 2 answers 'wrong'"):
        answer(run, written(tmp_path / "three.csv", asked.head(1), "right"))
    assert len(ask(run, budget=100, policy="random")) == 78


def test_names_may_stand_as_a_safe_csv_writes_them(run, tmp_path):
    """A ' before a name is one of two things: what `--safe` writes, or the name's own."""
    asked = ask(run, budget=2, policy="uub").with_columns(pl.format("'{}", "file").alias("file"))
    assert answer(run, written(tmp_path / "safe.csv", asked, "right")).new == 2
    assert _written("'a.png") == ("'a.png", "''a.png")


def test_blank_rows_and_answers_given_again_change_nothing(run, tmp_path):
    asked = ask(run, budget=6, policy="uub")
    first = asked["view"].to_list()[:4]
    path = written(tmp_path / "questions.csv", asked, lambda view: "red" if view in first else "")
    assert said(answer(run, path)) == "4 answers kept, 0 of them wrong, 2 left blank"
    again = written(tmp_path / "again.csv", asked, "right")
    assert said(answer(run, again)) == "2 answers kept, 0 of them wrong, 4 known already"
    assert schemas.scan_answers(run).collect().height == 6


def test_an_answer_that_contradicts_is_refused_with_both_named(run, tmp_path):
    asked = ask(run, budget=3, policy="uub")
    answer(run, written(tmp_path / "first.csv", asked.head(1), "right"))
    view = asked["view"][0]
    path = written(tmp_path / "second.csv", asked, lambda number: "wrong" if number == view else "right")
    with pytest.raises(InputError) as refusal:
        answer(run, path)
    words = str(refusal.value)
    assert f"second.csv, row 2: view {view} (images/spot-{view:03d}.png) is answered 'wrong'" in words
    assert "but first.csv, row 2 answers 'right'" in words
    assert schemas.scan_answers(run).collect().height == 1


def test_one_file_may_not_contradict_itself(run, tmp_path):
    asked = ask(run, budget=1, policy="uub")
    twice = pl.concat([asked, asked]).with_columns(answer=pl.Series(["2", "3"]))
    twice.write_csv(tmp_path / "twice.csv")
    with pytest.raises(InputError, match=r"row 3: .* is answered '3', but twice.csv, row 2 answers '2'"):
        answer(run, tmp_path / "twice.csv")
    twice.with_columns(answer=pl.Series(["wrong", "3"])).write_csv(tmp_path / "twice.csv")
    assert answer(run, tmp_path / "twice.csv").known == 1


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("answer", "purple", "the answer is 'purple', which is neither the name of a class nor an index from 0 to 3"),
        ("answer", "crane", "the answer is 'crane', the name of classes 2 and 3: state the index"),
        ("answer", "9", "write right, wrong, unsure, or the true class by index or name"),
        ("view", "0", "has a true class on file, 1, by which the prediction is right"),
        ("view", "999", "'999' is the number of no view that `filterscope ask` asks about"),
        ("view", "-1", "'-1' is the number of no view"),
        ("view", "٣", "is the number of no view"),
        ("file", "other.png", "not other.png: the file is of another run"),
        ("predicted", "2", "is predicted as class 1, not 2; ask again"),
        ("model", "other", "the run has no model 'other'; it has planted"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_kept(run, tmp_path, column, value, words):
    asked = ask(run, budget=3, policy="uub").with_columns(pl.col("view").cast(pl.String), answer=pl.lit("right"))
    changed = asked.with_columns(
        pl.when(pl.int_range(pl.len()) == 1).then(pl.lit(value)).otherwise(pl.col(column).cast(pl.String)).alias(column)
    )
    if column == "view" and value == "0":
        changed = changed.with_columns(
            file=pl.when(pl.col("view") == "0").then(pl.lit("images/spot-000.png")).otherwise("file")
        )
    changed.write_csv(tmp_path / "questions.csv")
    with pytest.raises(InputError) as refusal:
        answer(run, tmp_path / "questions.csv")
    assert words in str(refusal.value)
    assert "questions.csv, row 3" in str(refusal.value)
    assert "No answer was kept" in str(refusal.value)
    assert schemas.scan_answers(run).collect().is_empty()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no column model"),
        (b"model,view\nplanted,1\n", "has no column file and none predicted"),
        (b"\xff\xfe\x00", "cannot be read as CSV in UTF-8"),
        (b"model,view,file,predicted,answer\nplanted,1\n", ""),
        (b'model,view,file,predicted,answer\n"planted,1,a,1,right', "cannot be read as CSV"),
    ],
)
def test_what_is_no_csv_of_answers_is_refused(run, tmp_path, content, words):
    (tmp_path / "questions.csv").write_bytes(content)
    if not words:
        assert answer(run, tmp_path / "questions.csv").blank == 1
        return
    with pytest.raises(InputError, match=words):
        answer(run, tmp_path / "questions.csv")


def test_a_file_that_is_not_there_is_refused(run, tmp_path):
    with pytest.raises(InputError, match=r"none\.csv cannot be read"):
        answer(run, tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"budget": 0, "policy": "uub"}, "--budget 0: at least 1"),
        ({"budget": 5, "policy": "ucb"}, "--policy ucb: no such policy. Did you mean 'ucb1'"),
        ({"budget": 5, "policy": "uub", "model": "plant"}, "--model plant: .* has planted"),
    ],
)
def test_what_cannot_be_asked_is_refused(run, asked, words):
    with pytest.raises(InputError, match=words):
        ask(run, **asked)


def test_a_run_without_blind_spots_says_how_to_get_them(tmp_path):
    data = write_spots(tmp_path)
    run = audit_here(tmp_path / "run", data=data, models=[planted.entry("classifier")], layers="1", methods="outputs")
    with pytest.raises(InputError, match="has no blind spots; add blind-spots to the --methods"):
        ask(run, budget=5, policy="uub")


def test_the_command_line_asks_and_takes_answers(run, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["ask", str(run), "--budget", "7"])
    assert end.value.code == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 7
    for row in rows:
        row["answer"] = truly(int(row["view"]))
    with (tmp_path / "questions.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(SystemExit) as end:
        main(["answer", str(run), str(tmp_path / "questions.csv")])
    assert end.value.code == 0
    assert "7 answers kept" in capsys.readouterr().out
    assert schemas.scan_answers(run).collect().height == 7
    assert examine(run) == []


def test_the_doctor_never_removes_answers(run, tmp_path):
    answer(run, written(tmp_path / "questions.csv", ask(run, budget=4, policy="uub"), "right"))
    (path,) = (run / "tables" / "answers").rglob("*.parquet")
    held = path.read_bytes()
    repair(run, examine(run))
    assert path.read_bytes() == held
    path.write_bytes(held[: len(held) // 2])
    (problem,) = examine(run)
    assert (problem.path, problem.ours) == (path, False)
    repair(run, [problem])
    assert path.read_bytes() == held[: len(held) // 2]


def test_policies_are_compared_on_the_answers(run, tmp_path):
    """Where no true class is on file the answers are the oracle: of the views that were answered, and of these alone."""
    assert shown.answered_curves(run).is_empty()
    asked = ask(run, budget=80, policy="random")
    answer(run, written(tmp_path / "questions.csv", asked, truly))
    wrong = sum(is_wrong(view) for view in asked["view"])
    found = shown.answered_curves(run)
    assert found["question"][-1] == 80
    assert {found[policy][-1] for policy in POLICIES} == {wrong}
    middle = found.filter(question=38)
    assert middle["uub"][0] > middle["random"][0] + 1
    (row,) = shown.answered(run).to_dicts()
    assert (row["answers"], row["wrong"], row["share wrong"]) == (80, wrong, wrong / 80)
    assert row["low"] < wrong / 80 < row["high"]


def test_classes_are_shown_by_name_and_members_as_pictures(run):
    frame = shown.partitions(run)
    assert frame["class"].unique().to_list() == ["1 red"]
    plan = RunFolder.existing(run).plan()
    slots = slots_of(plan, Look.of(plan, plan.models[0]))
    assert all(slots.slot[view] >= 0 for views in frame["views"] for view in views)
