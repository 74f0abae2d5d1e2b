"""Labels that a person checks: which images are asked about, and what was answered, which the run keeps."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from filterscope import schemas
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.debugging.choose import losses
from filterscope.pipeline.debugging.material import Material
from filterscope.pipeline.debugging.problem import LABEL_ERRORS, Problem
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.stores.places import write_atomically
from filterscope.pipeline.stores.tables import write_table
from filterscope.pipeline.training.fine_tune import Trained
from filterscope.pipeline.views.decode import view_files
from filterscope.schemas.results import TABLES

#: Columns of the CSV of questions; the last is for the person.
COLUMNS = ("file", "view", "what", "given", "label")
#: Wrong rows that are told at once, and size of a CSV at most.
_TOLD, _LARGEST = 20, 64 << 20


@dataclass(frozen=True)
class Corrections:
    """Suspicious training views, others drawn at random, and what is true of all of them.

    Attributes
    ----------
    suspects, drawn : int64 ndarray
        Views, most suspicious first; and as many at random.
    target : ndarray
        Truth of every view of the side, with what the person said put in.
    """

    suspects: np.ndarray
    drawn: np.ndarray
    target: np.ndarray

    def of(self, count: int, *, control: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return the views that are checked and what is true of them."""
        views = (self.drawn if control else self.suspects)[:count]
        return views, self.target[views]


def _what(material: Material, problem: Problem) -> str:
    """Return the attribute whose labels are checked; empty for classes."""
    if not material.old.lesson.several:
        return ""
    if problem.pair is None:
        raise InputError(
            "relabel: the network learned several attributes; in --pair, name first the one whose labels are checked"
        )
    return problem.pair[0]


def ranked(material: Material, problem: Problem, by: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the learned views, most suspicious first, and the same in random order.

    Parameters
    ----------
    by : str
        influence: as the audit ranks them; anything else: by the loss of the network.
    """
    views, what = material.learned, _what(material, problem)
    order = np.random.default_rng(seed_of("debug", "relabel", material.old.identity)).permutation(len(views))
    if by == "influence" and problem.kind == LABEL_ERRORS:
        return np.array(problem.members, np.int64), views[order]
    pixels, good = material.old.images.take(views)
    target, scores = material.old.lesson.target[views[good]], Trained.open(material.source).scores(pixels[good])
    if what:
        place = material.names.index(what)
        target, scores = target[:, [place]], scores[:, [place]]
    return views[good][np.argsort(-losses(scores, target), kind="stable")], views[order]


def corrections_of(run: Path, model: str, material: Material, problem: Problem, count: int, by: str) -> Corrections:
    """Return what is known of as many suspicious views as are asked for, and of as many at random.

    Raises
    ------
    InputError
        If labels of some are missing: a CSV to fill in is then written, whose place it tells.
    """
    suspects, drawn = ranked(material, problem, by)
    if len(suspects) < count:
        raise InputError(
            f"relabel:{count}: {len(suspects):,} training images are known to be suspicious; ask for fewer"
        )
    what, target = _what(material, problem), material.old.lesson.target.copy()
    answers = schemas.scan_debug_labels(run).filter(model=model).collect()
    mine = answers.filter((pl.col("what") == what) if what else pl.col("what").is_null())
    known = dict(zip(mine["view"].to_list(), mine["label"].to_list(), strict=True))
    wanted = np.unique(np.concatenate([suspects[:count], drawn[:count]]))
    if missing := [view for view in wanted.tolist() if view not in known]:
        file = run / "debug" / f"relabel-{count}.csv"
        _ask(file, material, what, missing)
        raise InputError(
            f"relabel:{count} needs the labels of {len(missing):,} images that were trained on, suspicious ones and as many "
            f"drawn at random, in an order that does not tell which is which: fill in the column label of {file} and give "
            "it with --labels"
        )
    for view in wanted.tolist():
        if what:
            target[view, material.names.index(what)] = int(known[view])
        else:
            target[view] = material.names.index(known[view])
    return Corrections(suspects[:count], drawn[:count], target)


def _given(material: Material, what: str, view: int) -> str:
    target = material.old.lesson.target[view]
    return str(int(target[material.names.index(what)])) if what else material.names[int(target)]


def _ask(file: Path, material: Material, what: str, views: list[int]) -> None:
    names = view_files(Dataset(material.old.folder), material.old.views.image[np.array(views)])
    order = np.random.default_rng(seed_of("debug", "ask", material.old.identity)).permutation(len(views))
    lines = [",".join(COLUMNS)]
    for place in order.tolist():
        view = views[place]
        cells = (names[place], str(view), what or "class", _given(material, what, view), "")
        lines.append(",".join(f'"{cell}"' if "," in cell or '"' in cell else cell for cell in cells))
    write_atomically(file, ("\n".join(lines) + "\n").encode())


def keep_labels(run: Path, model: str, material: Material, file: Path) -> int:
    """Check every row of a CSV of labels and keep those that are new; the caller holds the run's lock. Returns how many.

    Raises
    ------
    InputError
        With every row that is wrong; then none is kept.
    """
    kept = schemas.scan_debug_labels(run).filter(model=model).collect()
    before = {(row["what"] or "class", row["view"]): row for row in kept.iter_rows(named=True)}
    problems: list[str] = []
    new: dict[tuple[object, object], dict[str, object]] = {}
    for number, row in enumerate(_rows(file), 2):
        if not row["label"].strip():
            continue
        try:
            answer = _checked(row, material)
            key = (answer["what"] or "class", answer["view"])
            other = before.get(key) or new.get(key)
            if other is not None and other["label"] != answer["label"]:
                raise InputError(
                    f"view {answer['view']} is {answer['label']!r} here and {other['label']!r} in {other['source']}"
                )
            if other is None:
                new[key] = {**answer, "model": model, "source": f"{file.name}, row {number}"}
        except InputError as error:
            problems.append(f"{file.name}, row {number}: {error}")
    if problems:
        more = [f"and {len(problems) - _TOLD} more"] if len(problems) > _TOLD else []
        raise InputError(
            "\n".join([*problems[:_TOLD], *more, "No label was kept: correct these rows and give the file again."])
        )
    if new:
        table = pa.Table.from_pylist(list(new.values()), schema=TABLES["debug_labels"])
        write_table(run, "debug_labels", (model, f"labels-{len(kept):06d}"), [table])
    return len(new)


def _checked(row: dict[str, str], material: Material) -> dict[str, object]:
    side, text = material.old, row["view"].strip()
    view = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
    if not 0 <= view < len(side.views) or view not in set(material.learned.tolist()):
        raise InputError(f"{row['view']!r} is the number of no view that the network was trained on")
    image = int(side.views.image[view])
    (name,) = view_files(Dataset(side.folder), np.array([image]))
    if row["file"].removeprefix("'") != name:
        raise InputError(f"view {view} is of {name}, not {row['file']}: the file is of another training")
    what, label = row["what"].strip(), row["label"].strip()
    if side.lesson.several:
        if what not in side.lesson.names:
            raise InputError(f"the network has no attribute {what!r}.{did_you_mean(what, side.lesson.names)}")
        if label not in ("0", "1"):
            raise InputError(f"the label {label!r}; write 1 where the image has {what}, 0 where it has not")
    elif label not in side.lesson.names:
        raise InputError(f"the label {label!r} is no class that was learned.{did_you_mean(label, side.lesson.names)}")
    return {"what": what if side.lesson.several else None, "image": image, "view": view, "label": label}


def _rows(file: Path) -> Iterator[dict[str, str]]:
    try:
        if file.stat().st_size > _LARGEST:
            raise InputError(f"{file} has {file.stat().st_size:,} bytes, more than labels have")
        with file.open(newline="", encoding="utf-8-sig") as opened:
            reader = csv.DictReader(opened, strict=True)
            lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if lacking:
                raise InputError(
                    f"{file} has no column {', '.join(lacking)}; fill in the CSV that `filterscope debug` wrote"
                )
            rows = [{key: value or "" for key, value in row.items() if isinstance(key, str)} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file} cannot be read as CSV in UTF-8: {error}") from None
    yield from rows


__all__ = ["COLUMNS", "Corrections", "corrections_of", "keep_labels", "ranked"]
