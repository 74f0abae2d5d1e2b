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


def busy_threads(out, settings):
    """Audit in this process; return the seconds of its own thread, and of the busiest other."""
    from tests.audits import audit_here

    before, own = seconds_by_thread(), threading.get_native_id()
    audit_here(out, **settings)
    spent = {thread: seconds - before.get(thread, 0.0) for thread, seconds in seconds_by_thread().items()}
    mine = spent.pop(own)
    return mine, max(spent.values())


@pytest.mark.slow
def test_a_worker_computes_on_one_thread(audited, coco, tmp_path):
    """Torch, Numba, Zarr's codecs and Arrow: none starts a second one."""
    import ray
    from ray import cloudpickle

    from filterscope.pipeline.engine.runner import start_ray

    start_ray()
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    settings = {"data": coco, "models": ["torchvision:resnet18@random:0"], "layers": "layer4", "batch_size": 4}
    mine, other = ray.get(ray.remote(num_cpus=1)(busy_threads).remote(tmp_path / "run", settings))
    assert mine > 3
    assert other < 0.04 * mine
