"""The one runner: runs any stage over Ray Data and knows no science."""

import os
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from threading import Lock, Thread
from typing import Any

from filterscope.pipeline.engine.cluster import own_signals, refuse_silent, starting, watch
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.leases import Lease, Leases, sharers
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.engine.sharing import sharing
from filterscope.pipeline.engine.stage import Output, Stage, Step, Work
from filterscope.pipeline.engine.worker import Piece, Worker, attempts_of, carry_out_row

#: Logical CPUs beyond the machine's own, so that an actor pool on every core leaves the reads a place to run.
_SPARE_CPUS = 2
_OBJECT_STORE_BYTES = 1 << 30
#: Bytes of a folder under which Ray's sockets have names that the system takes, and the folder to take instead.
_LONGEST_FOLDER, _SHORT_FOLDER = 36, "/tmp"

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
        self._attempts = attempts_of(ledger.folder)
        self._gpus = Lock()
        self._held: dict[str, float] = {}

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
        with self._gpus if stage.on_gpu else nullcontext(), self._holding(stage):
            self._attempts.forget(stage.name)
            for outcome in self._outcomes(stage, works):
                if isinstance(outcome, Exception):
                    raise outcome
                advance(outcome)
            self._attempts.forget(stage.name)

    @contextmanager
    def _holding(self, stage: Stage) -> Iterator[None]:
        """Take note of the CPUs that the pools of a stage hold while it runs."""
        self._held[stage.name] = sum(step.cpus * step.actors for step in stage.steps)
        try:
            yield
        finally:
            self._held.pop(stage.name, None)

    def _budget(self, stage: Stage, cpus: float) -> dict[str, float]:
        """Return what a stage may plan with, of the CPUs of a cluster; Ray would let each stage plan with all of it."""
        beside = sum(held for name, held in list(self._held.items()) if name != stage.name)
        least = sum(step.cpus for step in stage.steps)
        limits = {"cpu": max(cpus - beside, least)} if beside else {}
        return limits if stage.on_gpu else {**limits, "gpu": 0}

    def _outcomes(self, stage: Stage, works: Iterable[Work]) -> Iterator[list[Output] | Exception]:
        """Yield the outputs of each work, or its error.

        Errors of Ray itself, as after half an hour without progress, name what is not done.
        """
        from ray.data.exceptions import ExecutionTimeoutError
        from ray.exceptions import RayError

        try:
            start_ray()
            leases = Leases(works, _workers(stage))
            for part in leases.datasets():
                for piece in self._pieces(stage, part):
                    leases.note(piece.seconds)
                    yield piece.result
        except (RayError, ExecutionTimeoutError) as error:
            left, begun = list(self.missing(stage)), self._attempts.open(stage.name)
            where = ", ".join(begun[:_NAMED]) if begun else left[0].text if left else stage.name
            more = f" and {len(begun) - _NAMED} more" if len(begun) > _NAMED else ""
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise RunError(
                f"the workers of {stage.name} died or were stuck at {where}{more}; not done: {len(left)} of "
                f"{len(stage.keys)} pieces of work: {reason}"
            ) from error

    def _pieces(self, stage: Stage, leases: Sequence[Lease]) -> Iterator[Piece]:
        import ray
        from ray import cloudpickle
        from ray.data import TaskPoolStrategy

        rows = [{"lease": cloudpickle.dumps(lease)} for lease in leases]
        dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
        if cluster_named():
            limits = self._budget(stage, ray.cluster_resources().get("CPU", 1.0))
            dataset.context.execution_options.resource_limits = ray.data.ExecutionResources.for_limits(**limits)
        for number, step in enumerate(stage.steps):
            made = (step, self._ledger.folder, number, number == len(stage.steps) - 1)
            resources: dict[str, Any] = {"num_cpus": step.cpus, "num_gpus": step.gpus or None}
            if step.labels and cluster_named():
                resources["label_selector"] = dict(step.labels)
            if step.actors:
                pool = _pool(step, min(step.actors, len(rows)))
                # Ray fuses it with the tasks before it where both want the same resources, as on a CPU: nothing is copied.
                dataset = dataset.flat_map(Worker, fn_constructor_args=made, compute=pool, **resources)
            else:
                tasks = TaskPoolStrategy(size=None if cluster_named() else min(cores(), len(rows)))
                dataset = dataset.flat_map(carry_out_row, fn_args=made, compute=tasks, **resources)
        return (row["piece"] for row in dataset.iter_rows())


def _pool(step: Step, most: int) -> Any:
    """Return the pool of a step's actors: on a cluster as many as there is room for now, and more when nodes come."""
    import ray
    from ray.data import ActorPoolStrategy

    if not cluster_named():
        return ActorPoolStrategy(size=most)
    name, each = ("GPU", step.gpus) if step.gpus else ("CPU", step.cpus)
    nodes = (node for node in ray.nodes() if node["Alive"] and step.labels.items() <= node["Labels"].items())
    room = sum(int(node["Resources"].get(name, 0) / each) for node in nodes)
    return ActorPoolStrategy(min_size=1, max_size=most, initial_size=max(1, min(most, room)))


def _workers(stage: Stage) -> int:
    """Return how many workers of a stage can be at work at the same time."""
    import ray

    if actors := max(step.actors for step in stage.steps):
        return actors
    return int(ray.cluster_resources().get("CPU", 1)) if cluster_named() else cores()


class LocalRunner(Runner):
    """Carries out stages in this process, without Ray, where that is done before workers would have started."""

    def _outcomes(self, stage: Stage, works: Iterable[Work]) -> Iterator[list[Output] | Exception]:
        last = len(stage.steps) - 1
        workers = [Worker(step, self._ledger.folder, number, number == last) for number, step in enumerate(stage.steps)]
        for group in sharers(works):
            values: dict[Hashable, Any] | None = {} if len(group) > 1 else None
            for work in group:
                piece = Piece(work, {})
                with sharing(values):
                    for worker in workers:
                        piece = worker.carry_out(piece)
                yield piece.result
