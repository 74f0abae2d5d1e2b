"""Stages run in one process: the same bookkeeping as over Ray."""

import pytest

from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.engine.keys import Fingerprint, Key, Keys
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.engine.runner import LocalRunner
from filterscope.pipeline.engine.stage import Output, Stage, Step, Work

KEYS = Keys([[Key("double", ("net", f"block-{number}"), Fingerprint({})) for number in range(3)]])


def works(keys):
    return (Work((key,), key) for key in keys)


def number(key):
    return {"value": int(key.place[-1][-1])}


class Double:
    """Holds state, as a network would be held: how many works one instance has seen."""

    def __init__(self):
        self.seen = 0

    def __call__(self, key, value):
        self.seen += 1
        return [Output(key, rows=2 * value, images=self.seen)]


def test_steps_hand_over_arrays_and_an_instance_is_made_once(tmp_path):
    heard, runner = [], LocalRunner(Ledger(tmp_path))
    stage = Stage("double", KEYS, works, (Step(number), Step(Double, actors=2)))
    runner.run(stage, heard.extend)
    assert [(output.rows, output.images) for output in heard] == [(0, 1), (2, 2), (4, 3)]
    assert list(runner.missing(stage)) == []


@pytest.mark.parametrize(
    ("error", "raised"), [(ValueError("no such thing"), RunError), (InputError("bad"), InputError)]
)
def test_a_failure_names_its_key_and_keeps_what_was_finished(tmp_path, error, raised):
    def fail_at_one(key, value):
        if value == 1:
            raise error
        return [Output(key)]

    runner = LocalRunner(Ledger(tmp_path))
    stage = Stage("double", KEYS, works, (Step(number), Step(fail_at_one)))
    with pytest.raises(raised, match="bad" if raised is InputError else "double/net/block-1 failed.*no such thing"):
        runner.run(stage)
    assert list(runner.missing(stage)) == KEYS[1:]
    runner.run(Stage("double", KEYS, works, (Step(number), Step(Double))))
    assert list(runner.missing(stage)) == []


def test_an_error_of_an_early_step_goes_to_no_later_one(tmp_path):
    def fail(key):
        raise InputError("unreadable")

    def never(key, **arrays):
        raise AssertionError

    with pytest.raises(InputError, match="unreadable"):
        LocalRunner(Ledger(tmp_path)).run(Stage("double", KEYS, works, (Step(fail), Step(never))))
