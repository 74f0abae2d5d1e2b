"""Questions that a policy has for a person, and answers, which the run keeps."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from filterscope import schemas
from filterscope.operators.blind_spots.discovery import POLICIES, UNKNOWN, questions
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.methods.blind_spots.discovery import order_of
from filterscope.pipeline.methods.outputs.truth import class_of, indexes_of
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.tables import write_table
from filterscope.pipeline.views.decode import view_files
from filterscope.schemas.blind_spots import latest_answers
from filterscope.schemas.results import TABLES

#: Columns of the CSV of questions; the last is for the person.
COLUMNS = ("model", "view", "file", "predicted", "name", "confidence", "answer")
RIGHT, WRONG, UNSURE = "right", "wrong", "unsure"
#: Problems of a CSV that are told at once, and its size at most.
_TOLD, _LARGEST = 20, 64 * 2**20


def to_ask(plan: Plan, model: str, policy: str, budget: int) -> pl.DataFrame:
    """Return the views to label next, in order: columns as of `COLUMNS`, without answers.

    Parameters
    ----------
    plan : Plan
        A run whose views are partitioned.
    model : str
        Its model that is asked about.
    policy : str
        One of `POLICIES`; what is on file and what was answered is replayed to it, and never asked.
    budget : int
        Views at most.

    Raises
    ------
    InputError
        If there is no such policy, or nothing is left to ask.
    """
    asked = _chosen(plan, model, policy, budget)
    names = schemas.scan_classes(plan.run).filter(model=model).select("name", predicted="index").collect()
    files = view_files(Dataset(plan.data), asked["image"].to_numpy())
    found = asked.with_columns(pl.Series("file", files, pl.String), answer=pl.lit(""))
    return found.join(names, on="predicted", how="left", maintain_order="left").select(COLUMNS)


def _chosen(plan: Plan, model: str, policy: str, budget: int) -> pl.DataFrame:
    """Return the members that a policy asks about, in order; those that a person was unsure of are never among them."""
    if policy not in POLICIES:
        hint = did_you_mean(policy, POLICIES) or f" Policies are: {', '.join(POLICIES)}."
        raise InputError(f"--policy {policy}: no such policy.{hint}")
    every = _members(plan, model).sort("view")
    members = every.filter(~pl.col("asked") | pl.col("answered_wrong").is_not_null() | pl.col("wrong").is_not_null())
    outcome = members.select(pl.coalesce("wrong", "answered_wrong").cast(pl.Int8).fill_null(UNKNOWN)).to_series()
    if (outcome != UNKNOWN).all():
        raise InputError(
            f"nothing is left to ask of {model}: each of its {len(every)} confident views has a true class on file or was "
            "answered; lower --blind-spots.confidence, or audit more images"
        )
    history = members.with_row_index("row").filter(pl.col("wrong").is_not_null() | pl.col("asked")).sort(
        pl.col("number").fill_null(0), "view"
    )  # fmt: skip
    arms = members.select(pl.struct("class", "partition").rank("dense")).to_series().to_numpy().astype(np.int64)
    seed, past = seed_of("ask", plan.model(model).weights_sha256), history["row"].to_numpy().astype(np.int64)
    return members[questions(policy, arms, outcome.to_numpy(), order_of(policy, members), budget, seed, past)]


def _members(plan: Plan, model: str) -> pl.DataFrame:
    """Return the confident views of a model, each once, with what is known of them."""
    rows = schemas.scan_partition_members(plan.run).filter(method="clusters", model=model)
    numbers = latest_answers(schemas.scan_answers(plan.run)).select("model", "view", "number")
    return rows.join(numbers, on=["model", "view"], how="left").collect()


@dataclass(frozen=True)
class _Answer:
    """What a row of a CSV says of a view, or the run's own answers do: `source` is where."""

    view: int
    wrong: bool | None
    text: str
    source: str

    def contradicts(self, other: "_Answer", names: Mapping[str, list[int]], count: int) -> bool:
        """Tell whether another answer about the same view says something else; right or wrong alone names no class."""
        if self.wrong is None or other.wrong is None:
            return False
        if self.wrong != other.wrong:
            return True
        classes = [_class(answer.text, names, count) for answer in (self, other)]
        return None not in classes and classes[0] != classes[1]


def _class(text: str, names: Mapping[str, list[int]], count: int) -> int | None:
    """Return the class that an answer names, None where it says right or wrong alone."""
    if text.lower() in (RIGHT, WRONG, UNSURE):
        return None
    found = class_of([text], dict(names), count)
    return found if isinstance(found, int) else None


@dataclass(frozen=True)
class Kept:
    """What became of the rows of a CSV: new answers, how many of these say wrong or unsure, known already, and left blank."""

    new: int
    wrong: int
    unsure: int
    known: int
    blank: int


def keep_answers(plan: Plan, file: Path) -> Kept:
    """Check every row of a CSV of answers and keep those that are new; the caller holds the run's lock.

    Raises
    ------
    InputError
        With every row that is wrong; then none is kept.
    """
    rows = _rows(file)
    models = [model.name for model in plan.models]
    problems: list[str] = []
    checks = {name: _Checks(plan, name) for name in {row.get("model", "") for row in rows} & set(models)}
    blank = known = 0
    for number, row in enumerate(rows, 2):
        where = f"{file.name}, row {number}"
        if not (row["answer"] or "").strip():
            blank += 1
            continue
        if row["model"] not in checks:
            problems.append(f"{where}: the run has no model {row['model']!r}; it has {', '.join(models)}")
            continue
        try:
            known += not checks[row["model"]].take(row, where)
        except InputError as error:
            problems.append(str(error))
    if problems:
        told = [*problems[:_TOLD], *([f"and {len(problems) - _TOLD} more"] if len(problems) > _TOLD else [])]
        raise InputError("\n".join([*told, "No answer was kept: correct these rows and give the file again."]))
    new = [answer for check in checks.values() for answer in check.new]
    for check in checks.values():
        check.write()
    said = [answer.wrong for answer in new]
    return Kept(len(new), said.count(True), said.count(None), known, blank)


def _rows(file: Path) -> list[dict[str, str]]:
    """Read a CSV of answers, all of it as text."""
    try:
        if file.stat().st_size > _LARGEST:
            raise InputError(f"{file} has {file.stat().st_size:,} bytes, more than answers have")
        with file.open(newline="", encoding="utf-8-sig") as opened:
            reader = csv.DictReader(opened, strict=True)
            lacking = [
                name
                for name in ("model", "view", "file", "predicted", "answer")
                if name not in (reader.fieldnames or ())
            ]
            if lacking:
                raise InputError(
                    f"{file} has no column {' and none '.join(lacking)}; fill in the CSV that `filterscope ask` prints"
                )
            return [{key: value or "" for key, value in row.items() if isinstance(key, str)} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file} cannot be read as CSV in UTF-8: {error}") from None


def _written(name: str) -> tuple[str, str]:
    """Return how a CSV may write a name: as it is, or with the ' that stands before what a spreadsheet takes for a formula."""
    return name, f"'{name}"


class _Checks:
    """What the answers about one model are checked against, and those that are new."""

    def __init__(self, plan: Plan, model: str) -> None:
        self._plan, self._model = plan, model
        members = _members(plan, model)
        files = view_files(Dataset(plan.data), members["image"].to_numpy())
        self._members = {
            row["view"]: {**row, "file": name} for row, name in zip(members.to_dicts(), files, strict=True)
        }
        names = schemas.scan_classes(plan.run).filter(model=model).sort("index").collect()["name"].to_list()
        self._names, self._count = indexes_of(names), len(names)
        kept = schemas.scan_answers(plan.run).filter(model=model).collect()
        self._answers = {
            row["view"]: _Answer(row["view"], row["wrong"], row["answer"], row["source"])
            for row in latest_answers(kept.lazy()).collect().iter_rows(named=True)
        }
        self._before, self.new = len(kept), list[_Answer]()

    def take(self, row: Mapping[str, str], where: str) -> bool:
        """Take the answer of a row; return False where it was given before.

        Raises
        ------
        InputError
            If the row is no answer about a view of this run, or contradicts another.
        """
        member = self._member(row, where)
        view, text = member["view"], row["answer"].strip()
        answer = _Answer(view, self._wrong(text, member["predicted"], where), text, where)
        if member["wrong"] is not None:
            said = "wrong" if member["wrong"] else "right"
            raise InputError(
                f"{where}: view {view} has a true class on file, {member['true_class']}, by which the prediction is {said}; "
                "only views without one are asked about"
            )
        other = self._answers.get(view)
        if other is None or (other.wrong is None and answer.wrong is not None):  # who was unsure may be sure later
            self._answers[view] = answer
            self.new.append(answer)
            return True
        if answer.contradicts(other, self._names, self._count):
            raise InputError(
                f"{where}: view {view} ({member['file']}) is answered {text!r}, but {other.source} answers {other.text!r}; "
                "keep one of the two"
            )
        return False

    def _member(self, row: Mapping[str, str], where: str) -> Mapping[str, Any]:
        """Return the view that a row is about."""
        text = row["view"].strip()
        view = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
        if view not in self._members:
            raise InputError(f"{where}: {row['view']!r} is the number of no view that `filterscope ask` asks about")
        member = self._members[view]
        if row["file"] not in _written(member["file"]):
            raise InputError(
                f"{where}: view {view} of this run is of {member['file']}, not {row['file']}: the file is of another run"
            )
        if row["predicted"].strip() != str(member["predicted"]):
            raise InputError(
                f"{where}: view {view} is predicted as class {member['predicted']}, not {row['predicted']}; ask again"
            )
        return member

    def _wrong(self, text: str, predicted: int, where: str) -> bool | None:
        """Tell whether an answer calls a prediction wrong; None where the person was unsure."""
        if text.lower() == UNSURE:
            return None
        if text.lower() in (RIGHT, WRONG):
            return text.lower() == WRONG
        found = class_of([text], self._names, self._count)
        if not isinstance(found, int):
            raise InputError(
                f"{where}: the answer {found}; write right, wrong, unsure, or the true class by index or name"
            )
        return found != predicted

    def write(self) -> None:
        """Keep the new answers, in a file of their own."""
        if self.new:
            table = pa.Table.from_pylist(list(self._table()), schema=TABLES["answers"])
            write_table(self._plan.run, "answers", (self._model, f"answers-{self._before:06d}"), [table])

    def _table(self) -> Iterator[dict[str, object]]:
        for number, answer in enumerate(self.new, self._before + 1):
            member = self._members[answer.view]
            yield {
                "model": self._model,
                "image": member["image"],
                "view": answer.view,
                "number": number,
                "predicted": member["predicted"],
                "answer": answer.text,
                "wrong": answer.wrong,
                "source": answer.source,
            }


__all__ = ["COLUMNS", "RIGHT", "UNSURE", "WRONG", "Kept", "keep_answers", "to_ask"]
