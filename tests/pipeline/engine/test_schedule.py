"""In which order analyses follow the forward passes of single networks and of panels."""

import pytest

from filterscope.pipeline.engine.keys import Fingerprint, Key, Keys
from filterscope.pipeline.engine.schedule import Schedule
from filterscope.pipeline.engine.stage import Output, Stage, Work

PANELS = {"a": 0, "b": 0, "c": 1}


def stage(name, model, count):
    keys = Keys([[Key(name, (model, "x", str(number)), Fingerprint({})) for number in range(count)]])
    return Stage(name, keys, lambda missing: (Work((key,), key.text) for key in missing), ())


class Ran:
    """Runs nothing and writes down what it was given: of a forward pass, whose outputs, as they are told."""

    def __init__(self, done=()):
        self.done, self.lines = set(done), []

    def begin(self, name):
        pass

    def advance(self, outputs):
        pass

    def count_missing(self, stage):
        return sum(key.text not in self.done for key in stage.keys)

    def run(self, stage, advance):
        for key in stage.keys:
            if key.text not in self.done:
                self.done.add(key.text)
                self.lines.append(key.text)
                advance([Output(key)])


def ran(jointly, done=()):
    """Return the forward passes, and what was analysed together, in order, of three networks of two pieces each."""
    runner, calls = Ran(done), []

    def analyses(*models):
        calls.append(models)
        return [stage("label", model, 1) for model in models]

    Schedule(runner, runner).run(
        before=[],
        forward=[stage("extract", model, 2) for model in "abc"],
        analyses=analyses,
        finished=lambda model: calls.append(f"{model} finished"),
        together=PANELS.__getitem__,
        jointly=jointly,
    )
    return [line for line in runner.lines if line.startswith("extract")], calls


def test_a_network_is_analysed_when_its_own_passes_are_done():
    assert ran(False)[1] == [("a",), "a finished", ("b",), "b finished", ("c",), "c finished"]


@pytest.mark.parametrize(
    ("done", "passes"),
    [
        ([], 6),
        (["extract/b/x/0", "extract/b/x/1"], 4),  # one of the panel is done before the run begins
        (["extract/a/x/0", "extract/a/x/1", "extract/b/x/0", "extract/b/x/1"], 2),
        ([f"extract/{model}/x/{number}" for model in "abc" for number in range(2)], 0),
    ],
)
def test_a_panel_is_analysed_once_and_together_when_the_passes_of_all_are_done(done, passes):
    forward, calls = ran(True, done)
    assert len(forward) == passes
    panels = [("a", "b"), "a finished", "b finished"], [("c",), "c finished"]
    assert calls in ([*panels[0], *panels[1]], [*panels[1], *panels[0]])
