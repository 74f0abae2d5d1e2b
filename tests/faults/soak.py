"""Audits again and again, each with faults drawn by seed: ``python -m tests.faults.soak --minutes 30``.

Every run is finished by the same command, and must then have the tables and the files of an undisturbed one. What is left
behind, processes and files, and the memory of the drivers are printed at the end.
"""

import argparse
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from filterscope.pipeline.stores.places import is_draft
from tests.audits import assert_same
from tests.faults.disturbed import Driver, arm, settings_of, until

FAULTS = (
    "none", "shard", "table", "marker", "memory", "full", "kill", "interrupt", "terminate", "hang up", "stop", "bit",
    "image", "skew",
)  # fmt: skip
_SIGNALS = {"kill": signal.SIGKILL, "interrupt": signal.SIGINT, "terminate": signal.SIGTERM, "hang up": signal.SIGHUP}

#: The distribution's library that moves a process's clock; without it the fault "skew" is none.
_FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)

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
        print("clocks were moved" if _FAKETIME else "no libfaketime in /usr/lib: no clock was moved")
        print(f"files left in {_SHARED}: {len(set(_SHARED.iterdir()) - shared)}")


def finish(run: Path, settings: dict[str, Any], dice: random.Random, faults: Counter[str], codes: Counter[int]) -> None:
    """Audit with drawn faults, and finish with the same command."""
    for number in range(_ROUNDS):
        fault = dice.choice(FAULTS) if number < _ROUNDS - 1 else "none"
        code, text = disturbed(run, settings, fault, dice)
        faults[fault] += 1
        codes[code] += 1
        assert code in (0, 1, 129, 130, 143, -signal.SIGKILL), text
        assert "Traceback" not in text, text
        if fault == "bit" and code:
            repaired = subprocess.run([sys.executable, "-m", "filterscope", "doctor", run, "--repair"], check=False)
            assert repaired.returncode == 0
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
    if fault == "bit":
        _flip(run, dice)
    image = dice.choice(sorted((Path(settings["data"]) / "images").iterdir()))
    pixels = image.read_bytes()
    if fault == "image":
        image.write_bytes(dice.choice([pixels[::-1], pixels + b"x", b""]))
    moved = {}
    if fault == "skew" and _FAKETIME is not None:
        # the monotonic clock is moved by as much: left alone, libfaketime 0.9.10 refuses every time.sleep of Python 3.11
        moved = {"LD_PRELOAD": str(_FAKETIME), "FAKETIME": dice.choice(["-90", "+90", "-400d", "+400d"])}
    lock = run / "lock.json"
    before = _text(lock)  # of a run that was killed
    driver = Driver(run, settings, FAULT=fault, FAULT_DELAY="0.1", **moved)
    if fault in (*_SIGNALS, "stop"):
        until(driver, lambda: _text(lock) not in ("", before))
        time.sleep(dice.uniform(0, 9))
        driver.process.send_signal(_SIGNALS.get(fault, signal.SIGSTOP))
    if fault == "stop":
        time.sleep(dice.uniform(0, 9))
        driver.process.send_signal(signal.SIGCONT)
    try:
        return driver.wait()
    finally:
        image.write_bytes(pixels)


def _flip(run: Path, dice: random.Random) -> None:
    """Flip a bit of a file that the run has promised, if it has one."""
    files = sorted(
        path for folder in ("activations.zarr", "masks") for path in (run / folder).rglob("*") if path.is_file()
    )
    if files:
        path = dice.choice(files)
        content = bytearray(path.read_bytes())
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        path.write_bytes(content)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def names(run: Path) -> set[str]:
    """Return the files of a run, but what has the time in its name, or is a draft of a worker that was killed."""
    files = (path.relative_to(run) for path in run.rglob("*") if path.is_file())
    return {str(name) for name in files if name.parts[:2] != ("tables", "runs") and not is_draft(name)}


if __name__ == "__main__":
    main()
