"""What more nodes bring: the dissect stage on Ray nodes of one CPU each, beside plain processes with the same kernel."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.dataflow import repeated, source
from tests.bench.row import Row

#: So many images and layers that one process has a minute of work.
_IMAGES = 4096
_LAYERS = ",".join(f"features.{number}" for number in range(2, 19))
_ROUNDS = 3


def _started(what: str, **settings: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.bench.alone", what, json.dumps(settings)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _finished(process: subprocess.Popen[str]) -> float:
    printed, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{process.args} failed")
    return float(json.loads(printed.splitlines()[-1])["seconds"])


def _on_nodes(run: Path, nodes: int, thirds: int = 3) -> float:
    """Return the time of some thirds of the units on a cluster of nodes."""
    shutil.rmtree(run / "ledger" / "dissect", ignore_errors=True)
    return _finished(_started("dissect_on_nodes", run=str(run), nodes=nodes, thirds=thirds))


def _plain(run: Path, processes: int, thirds: int = 3) -> float:
    """Return the time of the slowest of the processes, which share the units of work."""
    parts = {"parts": processes, "thirds": thirds}
    started = [_started("dissect_plain", run=str(run), part=part, **parts) for part in range(processes)]
    return max([_finished(process) for process in started])


@contextmanager
def _audited() -> Iterator[Path]:
    """Audit once and give the run, whose dissect stage is then repeated."""
    with TemporaryDirectory(prefix="filterscope-bench-") as name:
        run, data = Path(name) / "run", repeated(Path(name) / "data", _IMAGES)
        flags = {"--model": source("mobilenet_v2"), "--layers": _LAYERS, "--metrics": "dissection", "--unit-block": 64}
        flags |= {"--data": data, "--out": run, "--min-images": 1}
        command = [
            sys.executable,
            "-m",
            "filterscope",
            "audit",
            "--no-report",
            *(str(part) for pair in flags.items() for part in pair),
        ]
        subprocess.run(command, check=True, capture_output=True)
        yield run


def two_nodes() -> Iterator[Row]:
    """Compare the speed-up by a second node with that by a second process; the four take turns."""
    with _audited() as run:
        rounds = []
        for _ in range(_ROUNDS):
            times = _on_nodes(run, 1), _plain(run, 1), _on_nodes(run, 2), _plain(run, 2)
            rounds.append((times[0] / times[2], times[1] / times[3], *times))
        nodes, processes, *times = sorted(rounds, key=lambda r: r[0] / r[1])[len(rounds) // 2]
        one, alone, two, both = times
        peer = f"two processes {processes:.2f} ({alone:.0f} -> {both:.0f} s); nodes {one:.0f} -> {two:.0f} s"
        yield Row("two_nodes", nodes, "speed-up", peer, nodes / processes, ">= 0.9")


def scaling() -> Iterator[Row]:
    """Time one, two and three nodes with all units (strong scaling), and with a third of them for each node (weak).

    Where a machine has fewer cores than nodes, plain processes show what it can give.
    """
    with _audited() as run:
        for name, share in (("strong", lambda nodes: 3), ("weak", lambda nodes: nodes)):
            for nodes in (1, 2, 3):
                seconds, plain = _on_nodes(run, nodes, share(nodes)), _plain(run, nodes, share(nodes))
                yield Row(
                    f"scaling.{name}.{nodes}", seconds, "s", f"{nodes} plain processes {plain:.1f} s", plain / seconds
                )
