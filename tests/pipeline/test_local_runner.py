"""Stages carried out in one process: the same bookkeeping as over Ray."""

import pytest

from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.engine.runner import LocalRunner
from filterscope.pipeline.engine.stage import Fingerprint, Output, Stage, Step, Unit, Work

UNITS = tuple(Unit("double", ("net", f"block-{number}"), Fingerprint({})) for number in range(3))


def works(units):
    return [Work((unit,), unit) for unit in units]


def number(unit):
    return {"value": int(unit.place[-1][-1])}


class Double:
    """Holds state, as a network would be held: how many works one instance has seen."""

    def __init__(self):
        self.seen = 0

    def __call__(self, unit, value):
        self.seen += 1
        return [Output(unit, rows=2 * value, images=self.seen)]


def test_steps_hand_over_arrays_and_an_instance_is_made_once(tmp_path):
    heard, runner = [], LocalRunner(Ledger(tmp_path))
    stage = Stage("double", UNITS, works, (Step(number), Step(Double, actors=2)))
    runner.run(stage, heard.extend)
    assert [(output.rows, output.images) for output in heard] == [(0, 1), (2, 2), (4, 3)]
    assert runner.missing(stage) == []


@pytest.mark.parametrize(
    ("error", "raised"), [(ValueError("no such thing"), RunError), (InputError("bad"), InputError)]
)
def test_a_failure_names_its_unit_and_keeps_what_was_finished(tmp_path, error, raised):
    def fail_at_one(unit, value):
        if value == 1:
            raise error
        return [Output(unit)]

    runner = LocalRunner(Ledger(tmp_path))
    stage = Stage("double", UNITS, works, (Step(number), Step(fail_at_one)))
    with pytest.raises(raised, match="bad" if raised is InputError else "double/net/block-1 failed.*no such thing"):
        runner.run(stage)
    assert runner.missing(stage) == list(UNITS[1:])
    runner.run(Stage("double", UNITS, works, (Step(number), Step(Double))))
    assert runner.missing(stage) == []


def test_an_error_of_an_early_step_goes_to_no_later_one(tmp_path):
    def fail(unit):
        raise InputError("unreadable")

    def never(unit, **arrays):
        raise AssertionError

    with pytest.raises(InputError, match="unreadable"):
        LocalRunner(Ledger(tmp_path)).run(Stage("double", UNITS, works, (Step(fail), Step(never))))
