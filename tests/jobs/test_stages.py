"""What a stage reads decides what a recomputed stage takes with it."""

import shutil

import pytest

from filterscope.jobs.runs.stages import DEPENDS, METRICS, READ_MAPS, STAGES, dependents, stages_of
from filterscope.pipeline.run.folder import RunFolder
from tests.jobs.test_parts_run import SETTINGS, write_parts


def test_every_stage_comes_after_what_it_reads():
    assert set(DEPENDS) == set(STAGES) >= READ_MAPS | {name for names in METRICS.values() for name in names}
    for stage, parents in DEPENDS.items():
        assert all(STAGES.index(parent) < STAGES.index(stage) for parent in parents)


@pytest.mark.parametrize(
    ("stage", "outdated"),
    [
        ("occlude", {"occlude", "fields"}),
        ("locate", {"locate"}),
        ("null", {"null", "significance"}),
        (
            "masks",
            {"masks", "concepts", "tallies", "dissect", "annotations", "null", "significance", "parts", "anchorings"}
            | {"stability", "growth"},
        ),
        ("extract", set(STAGES) - {"masks"}),
    ],
)
def test_dependents(stage, outdated):
    assert dependents(stage) == outdated


def test_a_run_recomputes_what_depends_on_a_stage_and_reads_no_maps_for_the_rest(audited, tmp_path):
    settings = {**SETTINGS, "metrics": "parts,receptive-field", "occluder": 8, "occluder_step": 8, "actors": 0}
    data = write_parts(tmp_path / "data")
    run = audited(data=data, **settings, keep_activations=False, out=tmp_path / "run")
    for stage in stages_of(RunFolder(run).plan()):
        for unit in stage.units:  # what a fingerprint holds is declared
            assert set(unit.fingerprint.inputs) <= set(DEPENDS[stage.name])
    kept = {path: path.stat().st_mtime_ns for path in (run / "ledger").rglob("*.json")}
    occlusion = {path for path in kept if path.relative_to(run / "ledger").parts[0] in ("occlude", "fields")}
    audited(data=data, **settings, keep_activations=False, out=run, redo="occlude")
    now = {path: path.stat().st_mtime_ns for path in kept}
    assert {path for path in kept if now[path] != kept[path]} == occlusion
    shutil.rmtree(run)
