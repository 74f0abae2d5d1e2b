"""What a stage declares to read is all that it needs, and it needs all of it: tried by taking things away."""

import shutil
from functools import cache

import pytest

from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.engine.runner import LocalRunner
from filterscope.pipeline.methods.extraction.artifacts import DECODED, MAPS, MAXIMA
from filterscope.pipeline.methods.stages import Stages, all_kinds
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.options import RunOptions
from tests.audits import audit_here
from tests.pipeline.methods import every

pytestmark = pytest.mark.slow

UNSTORED = ["dissection", "significance"]

#: They write nothing without the decisions or answers of a person: see test_edit.py and test_part_answers.py.
ASK_A_PERSON = ("edit", "and-or-answers")
STORED_KINDS = [kind.name for kind in all_kinds(RunOptions()) if kind.reads and kind.name not in ASK_A_PERSON]
#: What a stage reads of some networks alone: the values of a choice among the codes, which no code here is.
OF_SOME = {"codes": {"coded"}}
UNSTORED_KINDS = ["thresholds", "tallies", "dissect"]


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """Return a function that gives a finished run which has a stage."""
    place = tmp_path_factory.mktemp("reads")
    data = every.write_data(place / "data")

    @cache
    def finished(name):
        if name != "unstored":
            return audit_here(place / name, **every.settings(every.groups()[name], data))
        with pytest.MonkeyPatch.context() as patch:
            # what passes without a store leave stays, to be tried
            patch.setattr("filterscope.pipeline.methods.retention.remove_passes", lambda plan: None)
            return audit_here(place / name, **every.settings(UNSTORED, data, store="none"))

    def with_stage(stage, store):
        if store == "none":
            return finished("unstored")
        for name in ("images", "crops"):
            if stage in {kind.name for kind in Stages(RunFolder(finished(name)).plan()).kinds}:
                return finished(name)
        raise AssertionError(f"no run has a stage {stage}; see tests/pipeline/methods/every.py")

    return with_stage


def files_of(run, stages, artifact):
    """Return the files of an artifact in a run, as its markers list them."""
    if artifact in (MAPS, MAXIMA, DECODED):
        root = "activations.zarr" if artifact == MAPS else "maxima.zarr"
        return {path for path in (run.path / root).rglob("*") if path.is_file() and path.name != "zarr.json"}
    return {
        path
        for kind in stages.kinds
        if artifact.name in {written.name for written in kind.writes}
        for stage in stages.all()
        if stage.name == kind.name
        for key in stage.keys
        for path in artifact.files(run.path, key.place, run.ledger.record(key)["checksums"]).values()
    }


def carried_out(run, stages, kind):
    """Carry out a stage anew, and return what it wrote; None where it could not."""
    runner = LocalRunner(run.ledger)
    try:
        again = [stage for stage in stages.all() if stage.name == kind.name]
        for stage in again:
            run.ledger.forget(stage.keys)
        for stage in again:
            runner.run(stage)
    except (InputError, RunError):
        return None
    return contents(run, stages, kind)


def contents(run, stages, kind):
    return {
        path.relative_to(run.path): path.read_bytes()
        for artifact in kind.writes
        for path in files_of(run, stages, artifact)
    }


def without(run, copy, kept, dropped):
    """Copy a run without some files."""
    shutil.copytree(run.path, copy, ignore=shutil.ignore_patterns("report"))
    for path in dropped - kept:
        (copy / path.relative_to(run.path)).unlink(missing_ok=True)
    return RunFolder(copy)


@pytest.mark.parametrize(
    ("name", "store"),
    [
        *((name, "zarr") for name in STORED_KINDS),
        *((name, "none") for name in UNSTORED_KINDS),
    ],
)
def test_a_stage_needs_what_it_declares_to_read_and_no_more(run_of, tmp_path, name, store):
    run = RunFolder(run_of(name, store))
    stages = Stages(run.plan())
    kind = next(kind for kind in stages.kinds if kind.name == name)
    expected = contents(run, stages, kind)
    assert expected
    own = {artifact.name for artifact in kind.writes}
    files = {a.name: files_of(run, stages, a) for known in stages.kinds for a in known.writes if a.name not in own}
    read = {artifact.name for artifact in kind.reads}
    kept = set().union(*(files[artifact] for artifact in read))
    results = {path for artifact in kind.writes for path in files_of(run, stages, artifact)}

    alone = without(run, tmp_path / "alone", kept, results.union(*files.values()))
    assert carried_out(alone, Stages(alone.plan()), kind) == expected, "it needs something that it does not declare"

    for artifact in read - OF_SOME.get(name, set()):
        lacking = without(run, tmp_path / artifact, set(), results | files[artifact])
        found = carried_out(lacking, Stages(lacking.plan()), kind)
        assert found != expected, f"it does the same without {artifact}, which it declares to read"
        shutil.rmtree(lacking.path)
