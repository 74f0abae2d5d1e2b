"""A small zoo on a cluster that loses a node every minute, in an object store: ``python -m tests.faults.rehearsal``.

The checkpoints of a CIFAR-sized network are audited on drawn images of 32 x 32, packed, on three simulated nodes and moto's
store, which refuses some requests. A calm run of the same, on a file system without workers, must have found the same, value
for value. What both took is printed as JSON.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from filterscope.jobs.runs.status import run_status
from filterscope.pipeline.datasets.packing import pack
from filterscope.pipeline.models.architectures.small_cnn import SmallCNN
from filterscope.pipeline.stores.places import path_of
from tests import planted
from tests.audits import assert_same
from tests.faults import disturbed
from tests.faults.disturbed import Driver
from tests.object_stores.flaky import Flaky
from tests.object_stores.server import new_bucket
from tests.object_stores.server import server as serving

_CPUS = "1,1,1"
#: Every so manieth request is refused.
_BUSY = 97


def network() -> nn.Module:
    """Return the network that the checkpoints are of."""
    return SmallCNN(10, planted.SIZE, planted.SIZE)


def checkpoints(folder: Path, count: int) -> None:
    """Write weights that move from one start to another, as a training's do."""
    ends = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        ends.append(network().state_dict())
    for number in range(count):
        share = number / max(count - 1, 1)
        weights = {name: _between(value, ends[1][name], share) for name, value in ends[0].items()}
        torch.save(weights, folder / f"epoch-{number:03d}.pth")


def _between(first: torch.Tensor, last: torch.Tensor, share: float) -> torch.Tensor:
    return first + share * (last - first) if first.is_floating_point() else first


@contextmanager
def _store(folder: Path) -> Iterator[str]:
    """Start moto's server, as the tests of object stores do."""

    class Folders:
        def mktemp(self, name: str) -> Path:
            (folder / name).mkdir()
            return folder / name

    started = serving.__wrapped__(Folders())  # the fixture's own function
    try:
        yield next(started)
    finally:
        next(started, None)


def _audited(run: Path, settings: dict[str, Any], seconds: float, **fault: str) -> tuple[float, str]:
    disturbed.LIMIT = seconds
    began = time.monotonic()
    code, text = Driver(run, settings, **fault).wait()
    if code:
        sys.exit(f"the audit ended with {code}:\n{text}")
    return time.monotonic() - began, text


def rehearse(folder: Path, models: int, images: int, every: float, limit: float) -> dict[str, Any]:
    """Audit calmly and on the cluster, compare, and return figures."""
    (folder / "weights").mkdir()
    checkpoints(folder / "weights", models)
    planted.write_dataset(folder / "data", images=images)
    entry = {
        "factory": "tests.faults.rehearsal:network", "checkpoints": str(folder / "weights" / "epoch-*.pth"),
        "input_size": planted.SIZE, "mean": [0.5] * 3, "std": [0.25] * 3,
    }  # fmt: skip
    settings = {
        "models": [entry], "layers": ["features.4", "features.8"], "methods": ["dissection"], "batch_size": 64,
        "unit_block": 128, "min_images": 3, "quantile": 0.01,
    }  # fmt: skip
    calm, _ = _audited(folder / "calm" / "run", {**settings, "data": str(folder / "data"), "actors": 0}, limit)
    with _store(folder) as server:
        bucket = new_bucket(server)
        shards = len(pack(folder / "data", bucket / "data", shard_bytes=4_000_000).pack.shards)
        with Flaky(server, lambda number, _: number % _BUSY == _BUSY - 1) as proxy:
            os.environ["AWS_ENDPOINT_URL"] = proxy.address
            run, place = f"{bucket}/run", folder / "cluster" / "run"
            there = {**settings, "data": f"{bucket}/data", "out": run, "actors": 3}
            took, text = _audited(place, there, limit, FAULT="tries", FAULT_NODES=_CPUS, FAULT_BREATH=str(every))
            assert_same(path_of(run), folder / "calm" / "run")
            rows = run_status(run)
    tries = [path.stat().st_size for path in (place.parent / "tries").iterdir()]
    return {
        "models": models, "images": images, "shards": shards, "pieces": sum(int(str(row["tasks"])) for row in rows),
        "seconds calm, one process": round(calm), "seconds on three nodes": round(took),
        "nodes lost": int(re.findall(r"nodes replaced: (\d+)", text)[0]), "pieces done twice": sum(tries) - len(tries),
        "requests": sum(proxy.requests.values()), "refused": proxy.failed["busy"],
        "sent again by workers": sum(int(str(row["retries"])) for row in rows), "tables": "equal",
    }  # fmt: skip


def main() -> None:
    """Rehearse."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=40, help="checkpoints")
    parser.add_argument("--images", type=int, default=10_000, help="drawn images")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two losses of a node")
    parser.add_argument("--minutes", type=float, default=60.0, help="what one audit may take")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder, pytest.MonkeyPatch.context():
        print(json.dumps(rehearse(Path(folder), asked.models, asked.images, asked.every, 60 * asked.minutes), indent=1))


if __name__ == "__main__":
    main()
