"""A worker computes on one thread: it was given one core, and float results depend on the number of threads."""

import os
import sys
import threading
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted under /proc")


def seconds_by_thread():
    """Return the processor seconds of every thread of this process, by number."""
    tick, found = os.sysconf("SC_CLK_TCK"), {}
    for folder in Path("/proc/self/task").iterdir():
        try:
            # the name in parentheses may hold spaces; user and system time follow at 11 and 12
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        found[int(folder.name)] = (int(fields[11]) + int(fields[12])) / tick
    return found


def busy_threads(plan):
    """Carry out every stage of a plan in this process; return the seconds of its own thread, and of the busiest other."""
    from tests.inprocess import carry_out

    before, own = seconds_by_thread(), threading.get_native_id()
    carry_out(plan)
    spent = {thread: seconds - before.get(thread, 0.0) for thread, seconds in seconds_by_thread().items()}
    mine = spent.pop(own)
    return mine, max(spent.values())


def test_a_worker_computes_on_one_thread(audited, coco, tmp_path):
    """Torch, Numba, Zarr's codecs and Arrow: none starts a second one."""
    import ray
    from ray import cloudpickle

    from filterscope.jobs.config.audit import load_config
    from filterscope.jobs.runs.audit import planned
    from filterscope.pipeline.engine.runner import start_ray

    start_ray()
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    plan = planned(
        load_config(data=coco, out=tmp_path / "run", models=["torchvision:resnet18@random:0"], layers="layer4")
    )
    mine, other = ray.get(ray.remote(num_cpus=1)(busy_threads).remote(plan))
    assert mine > 2
    assert other < 0.05 * mine
