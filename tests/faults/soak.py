"""Audits again and again, each with faults drawn by seed: ``python -m tests.faults.soak --minutes 30``.

Every run is finished by the same command, and must then have the tables and the files of an undisturbed one. What is left
behind, processes and files, and the memory of the drivers are printed at the end.
"""

import argparse
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.audits import assert_same
from tests.faults.disturbed import Driver, arm, settings_of, until

FAULTS = ("none", "shard", "table", "marker", "memory", "full", "kill", "interrupt")

#: Where Ray keeps its objects.
_SHARED = Path("/dev/shm")

#: Runs of one audit, of which each but the last may be disturbed.
_ROUNDS = 4


def main() -> None:
    """Soak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    dice, until_then = random.Random(options.seed), time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        settings = settings_of(Path(folder) / "data")
        undisturbed = Path(folder) / "undisturbed" / "run"
        code, text = Driver(undisturbed, settings).wait()
        assert code == 0, text
        expected, shared = names(undisturbed), set(_SHARED.iterdir())
        audits, faults, codes, memory = 0, Counter[str](), Counter[int](), []
        while time.monotonic() < until_then:
            run = Path(folder) / f"audit-{audits}" / "run"
            finish(run, settings, dice, faults, codes)
            assert_same(run, undisturbed)
            assert names(run) == expected, names(run) ^ expected
            shutil.rmtree(run.parent)
            audits += 1
            memory.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
            sys.stderr.write(f"audit {audits}: {dict(faults)}\n")
        print(f"{audits} audits of {options.minutes:.0f} minutes, seed {options.seed}: tables and files as undisturbed")
        print(f"faults: {dict(faults)}; exit codes: {dict(codes)}; processes left: 0")
        print(f"largest process: {memory[0]:.0f} MB after the first audit, {memory[-1]:.0f} MB after the last")
        print(f"files left in {_SHARED}: {len(set(_SHARED.iterdir()) - shared)}")


def finish(run: Path, settings: dict[str, Any], dice: random.Random, faults: Counter[str], codes: Counter[int]) -> None:
    """Audit with drawn faults, and finish with the same command."""
    for number in range(_ROUNDS):
        fault = dice.choice(FAULTS) if number < _ROUNDS - 1 else "none"
        code, text = disturbed(run, settings, fault, dice)
        faults[fault] += 1
        codes[code] += 1
        assert code in (0, 1, 130, -signal.SIGKILL), text
        assert "Traceback" not in text, text
        if code == 0:
            return
    raise AssertionError(f"{run} is not finished:\n{text}")


def disturbed(run: Path, settings: dict[str, Any], fault: str, dice: random.Random) -> tuple[int, str]:
    """Run once with a fault; `Driver.wait` makes sure that no process is left."""
    run.parent.mkdir(exist_ok=True)
    for path in run.parent.glob("*-*"):
        path.unlink()
    (run.parent / "full").unlink(missing_ok=True)
    if fault in ("shard", "table", "marker", "memory"):
        arm(run.parent, fault, times=dice.randint(1, 3))
    if fault == "full":
        (run.parent / "full").touch()
    lock = run / "lock.json"
    before = _text(lock)  # of a run that was killed
    driver = Driver(run, settings, FAULT=fault, FAULT_DELAY="0.1")
    if fault in ("kill", "interrupt"):
        until(driver, lambda: _text(lock) not in ("", before))
        time.sleep(dice.uniform(0, 9))
        driver.process.send_signal(signal.SIGKILL if fault == "kill" else signal.SIGINT)
    return driver.wait()


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def names(run: Path) -> set[str]:
    """Return the files of a run, but what has the time in its name, or is a draft of a worker that was killed."""
    files = (path.relative_to(run) for path in run.rglob("*") if path.is_file())
    return {str(name) for name in files if name.parts[:2] != ("tables", "runs") and not name.name.startswith(".")}


if __name__ == "__main__":
    main()
