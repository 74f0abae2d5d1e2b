"""What is wrong with the files of a run: outputs that a marker promises but are missing or damaged, and leftovers."""

import io
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from filterscope.pipeline.datasets.layout import MANIFEST, Dataset
from filterscope.pipeline.engine.errors import DamagedRecordError
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Stage
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.run.tables import model_tables, plan_table_paths, view_tables
from filterscope.pipeline.stores.artifacts import CHANGED, Artifact
from filterscope.pipeline.stores.places import StoreError, is_draft, read_regular
from filterscope.pipeline.stores.tables import table_path
from filterscope.pipeline.views.decode import altered_images
from filterscope.schemas import run as run_tables
from filterscope.schemas.columns import tables_in
from filterscope.schemas.results import TABLES

#: Tables that version 0.1 wrote without markers; where no stage of the run writes them, they are no leftovers.
_FORMERLY_UNMARKED = {"part_localization"}

#: Tables that people gave, not pieces of work: nothing computes them again, so that no repair removes them.
_GIVEN = {"answers", "debug_labels", "edit_decisions", "part_answers"}


@dataclass(frozen=True)
class Problem:
    """Something wrong.

    Attributes
    ----------
    path : Path
        The file.
    what, means : str
        What was found, and what it means.
    key : Key, optional
        The piece of work to repeat; None for a file to remove.
    ours : bool
        Whether the file is the run's own; those of its data set can be put back by their owner alone.
    """

    path: Path
    what: str
    means: str
    key: Key | None = None
    ours: bool = True


def inspect(run: RunFolder, stages: Sequence[Stage], writes: Mapping[str, Sequence[Artifact]]) -> Iterator[Problem]:
    """Yield what is wrong with an audit; reads every file once. Arguments are those of `inspect_work`."""
    yield from _plan_tables(run)
    yield from inspect_work(run, stages, writes, set(plan_table_paths(run.plan())))


def inspect_work(
    run: RunFolder, stages: Sequence[Stage], writes: Mapping[str, Sequence[Artifact]], planned: Set[Path] = frozenset()
) -> Iterator[Problem]:
    """Yield what is wrong with what pieces of work left, and with the history of a run; reads every file once.

    Parameters
    ----------
    run : RunFolder
        The run.
    stages : sequence of Stage
        All its stages.
    writes : mapping of str to sequence of Artifact
        What the pieces of work of each stage leave, by its name.
    planned : set of Path
        Tables that follow from its plan, which are looked at elsewhere.
    """
    for stage in stages:
        missing = set(run.ledger.missing(stage.keys))
        for key in stage.keys:
            if key not in missing:
                yield from _problems(run, key, writes[stage.name])
    yield from _history(run, planned)
    yield from _leftovers(run, {artifact.name for artifacts in writes.values() for artifact in artifacts})


def _problems(run: RunFolder, key: Key, artifacts: Sequence[Artifact]) -> Iterator[Problem]:
    try:
        checksums = run.ledger.record(key)["checksums"]
    except DamagedRecordError:
        damaged = run.ledger.marker(key)
        yield Problem(damaged, "the marker is damaged", "the work counts as done and may not be", key)
        return
    means = "what was computed is lost; it is computed again from what it depends on"
    for artifact in artifacts:
        try:
            found = list(artifact.problems(run.path, key.place, checksums))
        except StoreError:
            raise
        except Exception as error:  # what reads a damaged description of an array raises anything
            found = [(run.ledger.marker(key), f"the {artifact.name} cannot be read: {type(error).__name__}")]
        for path, what in found:
            yield Problem(path, what, means, key)


def _plan_tables(run: RunFolder) -> Iterator[Problem]:
    """Yield the tables without markers that are missing, cannot be read, or do not say what the plan says."""
    plan = run.plan()
    means = "what the run is about; the next audit that computes anything writes it again, and so does --repair"
    planned = dict.fromkeys(plan_table_paths(plan))
    has_data = (plan.data / MANIFEST).is_file()
    wanted = [*model_tables(plan), *(view_tables(plan) if has_data else ())]
    planned |= {table_path(run.path, table, place): rows for table, place, rows in wanted}
    for path, rows in planned.items():
        if what := _wrong(path, path.relative_to(run.path).parts[1], rows):
            yield Problem(path, what, means)


def _history(run: RunFolder, planned: Set[Path]) -> Iterator[Problem]:
    """Yield the other tables without markers that cannot be read."""
    lost = "what is in it is lost, of the history or the rejects of the run; --repair removes it"
    for path in sorted((run.path / "tables").rglob("*.parquet")):
        table = path.relative_to(run.path).parts[1]
        if table in _GIVEN and (what := _wrong(path, table)):
            given = "answers of a person, which stay as they are; put the file back, or remove it and give the answers again"
            yield Problem(path, what, given, ours=False)
        elif table in tables_in(vars(run_tables)) and path not in planned and (what := _wrong(path, table)):
            yield Problem(path, what, lost)


def _wrong(path: Path, table: str, rows: pa.Table | None = None) -> str | None:
    """Say why a part of a table cannot be read, or that it does not hold these rows."""
    try:
        content = read_regular(path)
        found = pq.read_table(io.BytesIO(content), schema=TABLES[table])
        stored = pq.read_schema(io.BytesIO(content)).names  # a column that was added since says nothing
    except StoreError:
        raise
    except FileNotFoundError:
        return "the file is missing"
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        return f"the file cannot be read: {(str(error) or type(error).__name__).splitlines()[0]}"
    return None if rows is None or found.select(stored).equals(rows.select(stored)) else CHANGED


def inspect_data(plan: Plan) -> Iterator[Problem]:
    """Yield the images, and the tables, that are not those of the data set that a run was planned on; reads every image."""
    dataset = Dataset(plan.data)
    means = "results come from the original; put it back, or import again into another folder and audit that"
    if dataset.identity != plan.data_identity:
        yield Problem(plan.data / MANIFEST, "the data set is not the one that was audited", means, ours=False)
        return
    if changed := dataset.changed:
        for path in changed:
            yield Problem(path, "the table is not the one that was audited", means, ours=False)
        return
    for path, reason in altered_images(dataset):
        yield Problem(path, reason, means, ours=False)


def _leftovers(run: RunFolder, written: set[str]) -> Iterator[Problem]:
    """Yield parts of tables without a marker, and drafts of files that a worker did not finish.

    `written` are the artifacts that the run's own stages write.
    """
    unmarked = (set(tables_in(vars(run_tables))) | _FORMERLY_UNMARKED | _GIVEN) - written
    promised = {
        table_path(run.path, name, record["key"].split("/")[1:])
        for record in run.ledger.all_records()
        for name in record["checksums"]
        if name in TABLES
    }
    for path in sorted((run.path / "tables").rglob("*.parquet")):
        table = path.relative_to(run.path / "tables").parts[0]
        if table not in unmarked and path not in promised and not path.name.startswith("."):
            means = "a worker was interrupted before it was done; it will be rewritten"
            if table in _FORMERLY_UNMARKED:
                means = "version 0.1 or an interrupted worker left it; it is rewritten when it is asked for again"
            yield Problem(path, "the file has no marker", means)
    for path in sorted(filter(is_draft, run.path.rglob("*"))):
        if path.is_file():
            yield Problem(path, "the file is a draft", "a worker was interrupted while writing it; it is useless")


__all__ = ["Problem", "inspect", "inspect_data", "inspect_work"]
