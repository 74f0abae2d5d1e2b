"""The one runner: runs any stage over Ray Data and knows no science."""

import gc
import os
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from filterscope.pipeline.engine.attempts import TRIES, Attempts
from filterscope.pipeline.engine.cluster import own_signals, refuse_silent, starting, watch
from filterscope.pipeline.engine.errors import InputError, RunError, is_full, is_out_of_memory
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.engine.stage import Output, Stage, Step, Work
from filterscope.pipeline.stores.places import durable
from filterscope.pipeline.stores.promises import DamagedError

#: Logical CPUs beyond the machine's own, so that an actor pool on every core leaves the reads a place to run.
_SPARE_CPUS = 2
_OBJECT_STORE_BYTES = 1 << 30
#: Bytes of a folder under which Ray's sockets have names that the system takes, and the folder to take instead.
_LONGEST_FOLDER, _SHORT_FOLDER = 36, "/tmp"

#: Pieces of work of one Ray Dataset, which keeps statistics of each for its lifetime; then the next begins.
ROWS = 20_000

#: Pieces of work that are named when a stage makes no progress.
_NAMED = 5


def start_ray(address: str | None = None, tell: Callable[[str], None] | None = None) -> None:
    """Join a Ray cluster, or start one on this machine, quietly.

    Parameters
    ----------
    address : str, optional
        Address of a cluster; by default RAY_ADDRESS, else a cluster on this machine alone.
    tell : callable, optional
        Receives a line before the seconds that it takes; nothing where this process has joined one already.

    Raises
    ------
    InputError
        If no cluster answers at the address within 30 s.
    RunError
        If Ray does not start.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    if tell and not ("ray" in sys.modules and sys.modules["ray"].is_initialized()):
        tell(f"joining the Ray cluster at {address}..." if address else "starting Ray...")
    if not address:
        # a local cluster would leave a token in the home folder; one that is joined states its own mode
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_DATA_LOG_LEVEL", "ERROR")
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import warnings

    import ray

    warnings.filterwarnings("ignore", module="ray")
    if not ray.is_initialized():
        refuse_silent(address)
        local: dict[str, Any] = {}
        if not address:
            local = {
                "_temp_dir": session_folder(),
                "num_cpus": cores() + _SPARE_CPUS,
                "object_store_memory": _OBJECT_STORE_BYTES,
            }
        # not a cluster that someone else may have started on this machine: that one is joined only when named
        with own_signals(), starting():
            ray.init(
                address=address or "local", include_dashboard=False, log_to_driver=False, logging_level="error", **local
            )
        if head := ray.get_runtime_context().gcs_address:
            Thread(target=watch, args=(head, ray.is_initialized), name="head", daemon=True).start()
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.enable_rich_progress_bars = False
    context.print_on_execution_start = False


def session_folder() -> str | None:
    """Return where Ray keeps the sockets of a local cluster, whose names the system limits to 107 bytes; None for its default.

    The folder for temporary files, which batch systems make long, is left for /tmp where sockets would not fit below it.

    Raises
    ------
    InputError
        If it is too long and /tmp cannot be written to.
    """
    name = "RAY_TMPDIR" if "RAY_TMPDIR" in os.environ else "TMPDIR"
    if len(os.fsencode(os.environ.get(name, ""))) <= _LONGEST_FOLDER:
        return None
    if not os.access(_SHORT_FOLDER, os.W_OK | os.X_OK):
        raise InputError(
            f"{name} is {os.environ[name]!r}, too long for the sockets of Ray, and {_SHORT_FOLDER} cannot be written to; set "
            f"RAY_TMPDIR to a folder of at most {_LONGEST_FOLDER} bytes"
        )
    return f"{_SHORT_FOLDER}/ray"


def cluster_named() -> bool:
    """Return whether the environment names a cluster to join."""
    return bool(os.environ.get("RAY_ADDRESS"))


def cores() -> int:
    """Return the CPUs this process may use."""
    return len(os.sched_getaffinity(0))


class Runner:
    """Runs stages; a finished piece of work is marked by the worker that finished it.

    Parameters
    ----------
    ledger : Ledger
        Where finished pieces of work are recorded.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._attempts = _attempts(ledger.folder)
        self._gpus = Lock()

    def missing(self, stage: Stage) -> Iterator[Key]:
        """Yield the keys of a stage that are not done."""
        return self._ledger.missing(stage.keys)

    def count_missing(self, stage: Stage) -> int:
        """Return how many keys of a stage are not done."""
        return self._ledger.count_missing(stage.keys)

    def run(self, stage: Stage, advance: Callable[[list[Output]], None] = lambda outputs: None) -> None:
        """Compute the keys of a stage that are missing.

        Parameters
        ----------
        stage : Stage
            What to run.
        advance : callable
            Called with a list of `Output` whenever a piece of work is done.

        Raises
        ------
        InputError, RunError
            As a step raised it, or with the key for any other failure. What was finished stays finished.
        """
        works = stage.group(self.missing(stage))
        # stages that want the same GPUs run one after the other: each would wait for what the other holds
        with self._gpus if stage.on_gpu else nullcontext():
            self._attempts.forget(stage.name)
            for outcome in self._outcomes(stage, works):
                if isinstance(outcome, Exception):
                    raise outcome
                advance(outcome)
            self._attempts.forget(stage.name)

    def _outcomes(self, stage: Stage, works: Iterable[Work]) -> Iterator[list[Output] | Exception]:
        """Yield the outputs of each work, or its error.

        Errors of Ray itself, as after half an hour without progress, name what is not done.
        """
        from ray.data.exceptions import ExecutionTimeoutError
        from ray.exceptions import RayError

        try:
            works = iter(works)
            while part := list(islice(works, ROWS)):
                for receipt in self._receipts(stage, part):
                    yield pickle.loads(receipt["outcome"])
        except (RayError, ExecutionTimeoutError) as error:
            left, begun = list(self.missing(stage)), self._attempts.open(stage.name)
            where = ", ".join(begun[:_NAMED]) if begun else left[0].text if left else stage.name
            more = f" and {len(begun) - _NAMED} more" if len(begun) > _NAMED else ""
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise RunError(
                f"the workers of {stage.name} died or were stuck at {where}{more}; not done: {len(left)} of "
                f"{len(stage.keys)} pieces of work: {reason}"
            ) from error

    def _receipts(self, stage: Stage, works: list[Work]) -> Iterator[dict[str, Any]]:
        import ray
        from ray import cloudpickle
        from ray.data import ActorPoolStrategy, TaskPoolStrategy

        start_ray()
        rows = [{"work": cloudpickle.dumps(work)} for work in works]
        dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
        for number, step in enumerate(stage.steps):
            made = (step, self._ledger.folder, number, number == len(stage.steps) - 1)
            resources = {"num_cpus": step.cpus, "num_gpus": step.gpus or None}
            if step.actors:
                pool = ActorPoolStrategy(size=min(step.actors, len(works)))
                # Ray fuses it with the tasks before it where both want the same resources, as on a CPU: nothing is copied.
                dataset = dataset.map(_StepRunner, fn_constructor_args=made, compute=pool, **resources)
            else:
                tasks = TaskPoolStrategy(size=None if cluster_named() else min(cores(), len(works)))
                dataset = dataset.map(_run_step, fn_args=made, compute=tasks, **resources)
        yield from dataset.iter_rows()


class LocalRunner(Runner):
    """Carries out stages in this process, without Ray, where that is done before workers would have started."""

    def _outcomes(self, stage: Stage, works: Iterable[Work]) -> Iterator[list[Output] | Exception]:
        last = len(stage.steps) - 1
        steps = [
            _StepRunner(step, self._ledger.folder, number, number == last) for number, step in enumerate(stage.steps)
        ]
        for work in works:
            result: Any = {}
            for step in steps:
                if isinstance(result, dict):
                    result = step.carry_out(work, result)
            yield result


class _StepRunner:
    """Runs one step on rows: builds its function once, turns failures into data, marks keys after the last step."""

    def __init__(self, step: Step, ledger: Path, number: int = 0, last: bool = True) -> None:
        self._step, self._ledger, self._number, self._last = step, ledger, number, last
        self._attempts = _attempts(ledger)
        self._call: Callable[..., Any] | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        if "outcome" in row:
            return {"work": row["work"], "outcome": row["outcome"]}
        arrays = {key: value for key, value in row.items() if key != "work"}
        result = self.carry_out(pickle.loads(row["work"]), arrays)
        if isinstance(result, dict):
            return {"work": row["work"], **result}
        return {"work": row["work"], "outcome": pickle.dumps(result)}

    def carry_out(self, work: Work, arrays: dict[str, Any]) -> Any:
        """Return the arrays for the next step, or after the last one the outputs; or the error that the step met."""
        try:
            before = self._attempts.begin(work, self._number)
            result = _given_up(work.keys, before) if before >= TRIES else self._tried_twice(work, arrays)
            self._attempts.end(work, self._number)
        except OSError as error:
            return _failure(work.keys, error)
        return result

    def _tried_twice(self, work: Work, arrays: dict[str, Any]) -> Any:
        """Return what a step gives, or its error; a step that runs out of memory is tried once more, unchanged."""
        result = self._tried(work, arrays)
        if isinstance(result, _NoMemoryError):
            _free_memory()
            result = self._tried(work, arrays)
        return result

    def _tried(self, work: Work, arrays: dict[str, Any]) -> Any:
        began, began_cpu = time.perf_counter(), time.thread_time()
        try:
            if self._call is None:
                call = self._step.call
                self._call = call() if isinstance(call, type) else call
            with durable():
                result = self._call(work.task, **arrays)
            if self._last:
                self._mark(result, time.perf_counter() - began, time.thread_time() - began_cpu)
        except (InputError, RunError) as error:
            return error
        except Exception as error:
            return _failure(work.keys, error)
        return result

    def _mark(self, outputs: list[Output], seconds: float, core_seconds: float) -> None:
        for output in outputs:
            Ledger(self._ledger).mark(output, seconds, core_seconds)


def _run_step(row: dict[str, Any], step: Step, ledger: Path, number: int = 0, last: bool = True) -> dict[str, Any]:
    """Run a step without state, as a task."""
    return _StepRunner(step, ledger, number, last)(row)


def _attempts(ledger: Path) -> Attempts:
    return Attempts(ledger / ".attempts")


class _NoMemoryError(RunError):
    """There was not enough memory."""


def _free_memory() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _failure(keys: tuple[Key, ...], error: Exception) -> RunError:
    """Return the message for an unexpected error."""
    if is_full(error):
        return _full_disk(keys, error)
    if isinstance(error, DamagedError):
        return RunError(f"{_names(keys)} stopped: {error}")
    if is_out_of_memory(error):
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return _NoMemoryError(
            f"{_names(keys)} ran out of memory, twice ({reason}); a smaller --batch-size needs less of it, a smaller "
            "--image-block or --unit-block too, and so do fewer --actors. filterscope never changes these on its own: results "
            "record the values they were computed with"
        )
    return RunError(f"{_names(keys)} failed: {error!r}\n{traceback.format_exc()}")


def _given_up(keys: tuple[Key, ...], tries: int) -> RunError:
    return RunError(
        f"{_names(keys)} crashed its worker {tries} times; giving up. If the system killed it for lack of memory (see its "
        "log), lower --batch-size or --actors; if a library crashed, ray.log of the run may say more"
    )


def _full_disk(keys: tuple[Key, ...], error: Exception) -> RunError:
    place = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
    return RunError(f"no space left on the disk or in the quota{place} while writing {_names(keys)}; free some space")


def _names(keys: tuple[Key, ...]) -> str:
    more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    return keys[0].text + more
