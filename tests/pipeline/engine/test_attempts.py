"""Work is tried a bounded number of times, and what is at work can be told."""

import json

import pytest

from filterscope.pipeline.engine.attempts import TRIES, Attempts
from filterscope.pipeline.engine.errors import RunError, is_out_of_memory
from filterscope.pipeline.engine.journal import Journal
from filterscope.pipeline.engine.keys import Fingerprint, Key
from filterscope.pipeline.engine.stage import Output, Step, Work
from filterscope.pipeline.engine.worker import Piece, Worker

KEY = Key("extract", ("net", "layer.1", "images-000004"), Fingerprint({}))
WORK = Work((KEY,), "task")


def outcome(folder, call):
    return Worker(Step(call), folder).carry_out(Piece(WORK, {})).result


def test_tries_are_counted_until_one_comes_to_an_end(tmp_path):
    attempts = Attempts(tmp_path)
    assert [attempts.begin(WORK, 0) for _ in range(3)] == [0, 1, 2]
    assert attempts.begin(WORK, 1) == 0
    assert attempts.open("extract") == [KEY.text]
    assert attempts.open("dissect") == []
    attempts.end(WORK, 0)
    attempts.end(WORK, 1)
    assert attempts.open("extract") == []
    assert attempts.begin(WORK, 0) == 0
    attempts.forget("extract")
    assert attempts.begin(WORK, 0) == 0


def test_layers_of_any_name_have_tries_of_their_own(tmp_path):
    attempts, names = Attempts(tmp_path), ["layer", "layer.step-0", "layer.step-0.step-0"]
    works = [Work((Key("extract", ("net", name), Fingerprint({})),), "task") for name in names]
    for count, work in enumerate(works, 1):
        assert [attempts.begin(work, 0) for _ in range(count)] == list(range(count))
    assert attempts.open("extract") == [work.keys[0].text for work in works]
    attempts.end(works[0], 0)
    assert attempts.open("extract") == [work.keys[0].text for work in works[1:]]


@pytest.mark.parametrize(("died", "given_up"), [(0, False), (TRIES - 1, False), (TRIES, True)])
def test_what_ended_its_worker_too_often_is_not_called_again(tmp_path, died, given_up):
    for _ in range(died):
        Attempts(tmp_path / ".attempts").begin(WORK, 0)
    called = []
    result = outcome(tmp_path, lambda task: called.append(task) or [Output(KEY)])
    assert called == ([] if given_up else ["task"])
    assert isinstance(result, RunError) == given_up
    if given_up:
        assert str(result).startswith(f"{KEY.text} crashed its worker {TRIES} times; giving up")
    assert Attempts(tmp_path / ".attempts").open("extract") == []


@pytest.mark.parametrize("error", [MemoryError("9 TiB"), type("OutOfMemoryError", (RuntimeError,), {})("9 TiB")])
@pytest.mark.parametrize("times", [1, 2])
def test_out_of_memory_is_tried_once_more_as_it_is(tmp_path, error, times):
    calls = []

    def call(task):
        calls.append(task)
        if len(calls) <= times:
            raise error
        return [Output(KEY)]

    result = outcome(tmp_path, call)
    assert calls == ["task", "task"]
    if times == 1:
        assert result == [Output(KEY)]
        assert len(list(tmp_path.rglob("*.json"))) == 1
    else:
        assert str(result).startswith(f"{KEY.text} ran out of memory, twice (9 TiB); a smaller --batch-size")
        assert not list(tmp_path.rglob("*.json"))


def test_another_error_is_not_tried_again(tmp_path):
    calls = []

    def call(task):
        calls.append(task)
        raise ValueError("odd")

    assert "failed: ValueError('odd')" in str(outcome(tmp_path, call))
    assert calls == ["task"]


def test_what_torch_says_of_a_cpu_without_memory():
    text = (
        "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
    )
    assert is_out_of_memory(RuntimeError(text))
    assert not is_out_of_memory(RuntimeError("size mismatch"))
    assert not is_out_of_memory(OSError("can't allocate memory"))


@pytest.mark.parametrize(
    ("error", "last"),
    [
        (None, {"event": "run done", "level": "info"}),
        (KeyboardInterrupt(), {"event": "run interrupted", "level": "error", "error": ""}),
        (RunError("é\n2"), {"event": "run failed", "level": "error", "error": "é\n2"}),
    ],
)
def test_the_journal_has_a_line_for_every_piece_of_work_and_every_end(tmp_path, error, last):
    for _ in range(2):
        try:
            with Journal(tmp_path) as journal:
                journal.begin("extract")
                journal.advance([Output(KEY, rows=5, images=4, rejects=1)])
                if error:
                    raise error
        except (KeyboardInterrupt, RunError):
            pass
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["event"] for line in lines[:4]] == ["run begun", "stage begun", "work done", last["event"]]
    assert len(lines) == 8
    done = {key: value for key, value in lines[2].items() if key != "time"}
    assert done == {"level": "info", "event": "work done", "stage": "extract", "key": KEY.text, "rows": 5, "images": 4,
                    "rejects": 1}  # fmt: skip
    assert {key: value for key, value in lines[3].items() if key != "time"} == last


def test_metrics_are_the_sums_of_what_was_done(monkeypatch):
    import ray.util.metrics

    from filterscope.pipeline.engine.telemetry import Telemetry

    found = {}

    class Fake:
        def __init__(self, name, description, keys):
            assert description
            assert keys == ("stage", "run")
            self.name = name

        def inc(self, value, tags):
            found[self.name, tags["stage"]] = found.get((self.name, tags["stage"]), 0) + value

        def set(self, value, tags):
            assert tags["run"] == "a"
            found[self.name, tags["stage"]] = value

    monkeypatch.setattr(ray.util.metrics, "Counter", Fake)
    monkeypatch.setattr(ray.util.metrics, "Gauge", Fake)
    metrics = Telemetry("a", {"extract": 5})
    metrics.begin("extract")
    metrics.advance([Output(KEY, images=4, rejects=1), Output(KEY, images=4, rejects=1)])
    metrics.advance([Output(KEY, images=2)])
    metrics.advance([])
    assert found.pop(("filterscope_stage_seconds", "extract")) >= 0
    assert found == {
        ("filterscope_tasks_done", "extract"): 3,
        ("filterscope_tasks_left", "extract"): 2,
        ("filterscope_images", "extract"): 6,
        ("filterscope_rejects", "extract"): 1,
    }
