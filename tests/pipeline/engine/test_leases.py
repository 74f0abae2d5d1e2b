"""Pieces of work that travel together: how many, and what is kept of a lease that is carried out again."""

import os
from itertools import islice
from pathlib import Path

import pytest
from ray import cloudpickle

from filterscope.pipeline.engine import leases
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.engine.keys import Fingerprint, Key, Keys
from filterscope.pipeline.engine.leases import ALONE, LEASES, PIECES, Leases
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.engine.runner import Runner
from filterscope.pipeline.engine.stage import Output, Stage, Step, Work
from filterscope.pipeline.engine.worker import Worker


def key(number):
    return Key("count", ("net", f"block-{number:06d}"), Fingerprint({}))


def works(count):
    return [Work((key(number),), number) for number in range(count)]


def cut(count, workers, seconds):
    """Return the lengths of the leases of each Dataset, in which every piece takes so long; they hold all pieces in order."""
    made, found = Leases(iter(works(count)), workers), []
    parts = []
    for part in made.datasets():
        parts.append([len(lease) for lease in part])
        found += [work.task for lease in part for work in lease]
        for _ in range(sum(parts[-1])):
            made.note(seconds)
    assert found == list(range(count))
    return parts


@pytest.mark.parametrize("count", [0, 1, ALONE])
def test_the_pieces_of_a_small_stage_travel_alone(count):
    assert cut(count, 2, 1e-6) == ([[1] * count] if count else [])


def test_a_lease_holds_twenty_seconds_of_work_and_less_towards_the_end():
    alone, shared = cut(ALONE + 1000, 2, 1.0)
    assert alone == [1] * ALONE
    assert shared[:10] == [20] * 10
    assert shared[-8:] == [1] * 8
    assert shared == sorted(shared, reverse=True)


@pytest.mark.parametrize("seconds", [15.0, 20.0, 3600.0])
def test_pieces_that_take_as_long_as_a_lease_travel_alone(seconds):
    assert all(set(part) == {1} for part in cut(ALONE + 300, 2, seconds))


def test_every_worker_gets_leases_of_work_that_takes_no_time():
    _, shared = cut(ALONE + 6400, 64, 0.0)
    assert shared[0] == 25
    assert len(shared) >= 4 * 64


def test_a_dataset_has_no_more_rows_or_pieces_than_its_driver_can_hold():
    parts = cut(ALONE + 2 * PIECES + 1, 2, 1e-4)[1:]
    assert [sum(part) for part in parts] == [PIECES, PIECES, 1]
    assert all(len(part) <= LEASES for part in parts)
    assert [len(part) for part in cut(ALONE + LEASES + 7, 2, 60.0)] == [ALONE, LEASES, 7]


def test_the_size_follows_what_the_last_dataset_took(monkeypatch):
    monkeypatch.setattr(leases, "PIECES", 400)
    made = Leases(iter(works(ALONE + 800)), 1)
    sizes = []
    for part, seconds in zip(made.datasets(), (1.0, 10.0, 0.0), strict=True):
        sizes.append(len(part[0]))
        for _ in range(sum(map(len, part))):
            made.note(seconds)
    assert sizes == [1, 20, 2]


class Counting:
    """Notes what it is called for, and ends its worker the first time that it meets one number."""

    def __init__(self, folder, fatal=None):
        self.folder, self.fatal = folder, fatal

    def __call__(self, number, value=None):
        with (self.folder / "called").open("a") as file:
            file.write(f"{number}\n")
        if number == self.fatal and not (self.folder / "died").exists():
            (self.folder / "died").touch()
            os._exit(1)
        return [Output(key(number), rows=number if value is None else value, checksums={"file": f"{number:02d}"})]


def called(folder):
    return [int(line) for line in (folder / "called").read_text().split()]


def carried_out(folder, step, count):
    rows = Worker(step, folder / "ledger")({"lease": cloudpickle.dumps(works(count))})
    return [row["piece"].result for row in rows]


def test_a_lease_is_marked_piece_by_piece_and_what_is_marked_is_not_carried_out_again(tmp_path):
    step, ledger = Step(Counting(tmp_path)), Ledger(tmp_path / "ledger")
    rows = Worker(step, tmp_path / "ledger")({"lease": cloudpickle.dumps(works(5))})
    first = list(islice(rows, 3))  # then its worker dies
    assert [number for number in range(5) if ledger.path(key(number)).exists()] == [0, 1, 2]
    again = carried_out(tmp_path, step, 5)
    assert called(tmp_path) == [0, 1, 2, 3, 4]
    assert again[:3] == [row["piece"].result for row in first]
    assert again == [[Output(key(number), rows=number, checksums={"file": f"{number:02d}"})] for number in range(5)]


def test_nothing_of_a_lease_is_carried_out_after_a_failure(tmp_path):
    def fails_at_two(number):
        if number == 2:
            raise InputError("no such thing")
        return Counting(tmp_path)(number)

    results = carried_out(tmp_path, Step(fails_at_two), 5)
    assert str(results[-1]) == "no such thing"
    assert called(tmp_path) == [0, 1]


def _tens(number):
    return {"value": 10 * number}


@pytest.mark.parametrize("cpus", [1, pytest.param(0.5, marks=pytest.mark.slow)], ids=["fused", "apart"])
def test_leases_of_two_steps_whose_worker_dies_leave_what_single_pieces_leave(tmp_path, monkeypatch, cpus):
    """Where the second step is apart from the first, pieces reach it through Ray's object store."""
    monkeypatch.setattr(leases, "ALONE", 3)

    class Second(Counting):
        def __init__(self):
            super().__init__(Path(tmp_path), fatal=9)

    keys = Keys([[key(number) for number in range(40)]])
    stage = Stage("count", keys, _group, (Step(_tens), Step(Second, cpus=cpus, actors=2)))
    told = []
    runner = Runner(Ledger(tmp_path / "ledger"))
    runner.run(stage, told.extend)
    assert {output.key: output.rows for output in told} == {key(number): 10 * number for number in range(40)}
    assert len(told) == 40
    assert list(runner.missing(stage)) == []
    assert (tmp_path / "died").exists()
    repeated = len(called(tmp_path)) - 40
    assert repeated == 1  # the one at which the worker died


def _group(missing):
    return (Work((each,), int(each.place[-1][-6:])) for each in missing)
