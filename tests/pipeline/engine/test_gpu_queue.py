"""Stages that want the only GPU run one after the other: none waits, until Ray gives it up, for what the other holds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

#: Two stages of actors that take one GPU, run from two threads of one `Runner` on a cluster that has one. Ray gives up a stage
#: that makes no progress for half an hour; here for half a minute, which the first stage takes longer than.
SCRIPT = """
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import ray

from filterscope.pipeline.engine.keys import Fingerprint, Key, Keys
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.engine.runner import Runner, start_ray
from filterscope.pipeline.engine.stage import Output, Stage, Step, Work

folder, locked = Path(sys.argv[1]), sys.argv[2] == "locked"


class Busy:
    \"\"\"Holds the GPU as a network does, and notes when it works.\"\"\"

    def __call__(self, key, seconds=9):
        began = time.time()
        (folder / "begun").touch()
        time.sleep(seconds)
        (folder / f"{key.stage}-{key.place[-1]}.json").write_text(json.dumps([began, time.time()]))
        return [Output(key)]


class Brief(Busy):
    def __call__(self, key):
        return super().__call__(key, 0.1)


def stage(name, call, pieces):
    keys = [Key(name, ("net", f"block-{number}"), Fingerprint({})) for number in range(pieces)]
    return Stage(name, Keys([keys]), lambda missing: (Work((key,), key) for key in missing),
                 (Step(call, cpus=1, gpus=1, actors=1),))


ray.init(address="local", num_cpus=4, num_gpus=1, include_dashboard=False, log_to_driver=False, logging_level="error")
start_ray()
ray.data.DataContext.get_current().execution_no_progress_timeout_s = 30
runner = Runner(Ledger(folder / "ledger"))
if not locked:
    runner._gpus = nullcontext()
stages = [stage("first", Busy, 4), stage("second", Brief, 1)]
with ThreadPoolExecutor(2) as threads:
    first = threads.submit(runner.run, stages[0])
    while not (folder / "begun").exists() and not first.done():
        time.sleep(0.05)
    second = threads.submit(runner.run, stages[1])
    second.result()
    first.result()
print([runner.count_missing(each) for each in stages])
"""


def both(folder, lock, seconds):
    """Run the two stages in a process of its own, and return what it printed."""
    environment = {**os.environ, "RAY_ADDRESS": "", "RAY_AUTH_MODE": "disabled"}
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), lock],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr[-2000:]
    return found.stdout


def times(folder, name):
    return sorted(json.loads(path.read_text()) for path in folder.glob(f"{name}-*.json"))


@pytest.mark.slow
def test_two_stages_share_one_gpu_in_turn(tmp_path):
    assert both(tmp_path, "locked", 240).splitlines()[-1] == "[0, 0]"
    first, second = times(tmp_path, "first"), times(tmp_path, "second")
    assert (len(first), len(second)) == (4, 1)
    assert first[-1][1] <= second[0][0]
