"""On a cluster: what a stage may plan with beside others, where pools start, and what their workers are made from."""

import pytest
import ray
from ray import cloudpickle

from filterscope.pipeline.engine import runner, worker
from filterscope.pipeline.engine.keys import Keys
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.engine.runner import Runner, _pool
from filterscope.pipeline.engine.stage import Stage, Step
from filterscope.pipeline.methods.stages import Stages
from tests.pipeline.methods.test_fingerprints import plan_with


def call(task):
    return []


def stage(name, *steps):
    return Stage(name, Keys([]), lambda missing: iter(()), steps)


@pytest.fixture
def run(tmp_path):
    return Runner(Ledger(tmp_path))


def test_a_stage_plans_with_what_the_pools_of_others_leave(run):
    forward = stage("extract", Step(call), Step(call, cpus=2, gpus=1, actors=5))
    analysis = stage("dissect", Step(call))
    assert run._budget(analysis, 16) == {"gpu": 0}
    with run._holding(forward):
        assert run._budget(forward, 16) == {}
        assert run._budget(analysis, 16) == {"cpu": 6, "gpu": 0}
        assert run._budget(analysis, 8) == {"cpu": 1, "gpu": 0}
        with run._holding(analysis):
            assert run._budget(forward, 16) == {}
    assert run._budget(analysis, 16) == {"gpu": 0}


def test_a_pool_starts_where_there_are_nodes_of_its_label_and_grows_to_its_size(monkeypatch):
    nodes = [
        {"Alive": alive, "Labels": {"kind": kind}, "Resources": {"GPU": 4.0, "CPU": 8.0}}
        for alive, kind in ((True, "A100"), (True, "T4"), (True, "A100"), (False, "A100"))
    ]
    monkeypatch.setattr(runner, "cluster_named", lambda: True)
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    for labels, most, first in (({}, 20, 12), ({"kind": "A100"}, 20, 8), ({"kind": "H100"}, 20, 1), ({}, 3, 3)):
        pool = _pool(Step(call, gpus=1, actors=most, labels=labels), most)
        assert (pool.min_size, pool.max_size, pool.initial_size) == (1, most, first)


@pytest.mark.slow
def test_workers_are_made_from_a_path_and_names_and_load_the_rest_themselves():
    """What travels to the maker of a worker is small, so that Ray can make it again wherever it went."""
    settings = {"actors": 2, "methods": ("dissection", "anchorings", "significance", "influence")}
    for one in Stages(plan_with(**settings)).all():
        for step in one.steps:
            assert len(cloudpickle.dumps(step)) < 1024, one.name


def test_a_worker_ends_on_a_node_that_is_to_go_and_nowhere_else(monkeypatch):
    class Here:
        def get_node_id(self):
            return "here"

    draining, ended = {"there": 0}, []
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "get_runtime_context", Here)
    monkeypatch.setattr(ray._private.state.state, "get_draining_nodes", lambda: draining)
    monkeypatch.setattr(worker.os, "_exit", ended.append)
    monkeypatch.setattr(worker, "_LOOK", 0.0)
    worker.leave_if_draining()
    assert not ended
    draining["here"] = 0
    worker.leave_if_draining()
    assert ended == [1]
    monkeypatch.setattr(ray._private.state.state, "get_draining_nodes", lambda: 1 / 0)
    worker.leave_if_draining()
    assert ended == [1]
