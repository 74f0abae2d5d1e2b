"""What a worker does with the rows of a Dataset: it carries out leases piece by piece, and turns failures into data."""

import gc
import os
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filterscope.pipeline.engine.attempts import TRIES, Attempts
from filterscope.pipeline.engine.errors import InputError, RunError, is_full, is_out_of_memory
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.leases import sharers
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.engine.sharing import sharing
from filterscope.pipeline.engine.stage import Output, Step, Work
from filterscope.pipeline.stores.places import durable
from filterscope.pipeline.stores.promises import DamagedError
from filterscope.schemas.opening import StoreError
from filterscope.schemas.retries import unreported


@dataclass(frozen=True)
class Piece:
    """A piece of work between two steps.

    Attributes
    ----------
    work : Work
        What it is about.
    result : dict, list of Output or Exception
        Arrays for the next step, the outputs of the last one, or the error that a step met.
    seconds : float
        Spent on it so far.
    repeatable : bool
        Whether others travel with it: they are carried out again if their worker dies.
    """

    work: Work
    result: Any
    seconds: float = 0.0
    repeatable: bool = False


#: Stands for the work of a piece that is done.
_NOTHING = Work((), None)


class Worker:
    """Carries out one step; builds its function once, and marks keys after the last step.

    Parameters
    ----------
    step : Step
        What is done.
    ledger : Path
        Where finished work is recorded.
    number : int
        Of the step in its stage.
    last : bool
        Whether it is the stage's last.
    """

    def __init__(self, step: Step, ledger: Path, number: int = 0, last: bool = True) -> None:
        self._step, self._ledger, self._number, self._last = step, Ledger(ledger), number, last
        self._attempts = attempts_of(ledger)
        self._call: Callable[..., Any] | None = None

    def __call__(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield a row for each piece of a row's lease, or for its piece; nothing of a lease after a failure."""
        if "lease" not in row:
            yield self._row(self.carry_out(row["piece"]))
            return
        works = pickle.loads(row["lease"])
        for group in sharers(works):
            values: dict[Hashable, Any] | None = {} if len(group) > 1 else None
            for work in group:
                leave_if_draining()
                with sharing(values):
                    piece = self.carry_out(Piece(work, {}, repeatable=len(works) > 1))
                yield self._row(piece)
                if isinstance(piece.result, Exception):
                    return

    def _row(self, piece: Piece) -> dict[str, Any]:
        """Return what goes on: to the driver, which knows what it asked for, only what came of it."""
        return {"piece": replace(piece, work=_NOTHING) if self._last else piece}

    def carry_out(self, piece: Piece) -> Piece:
        """Return the piece with what the step gave, or with the error that it met."""
        if not isinstance(piece.result, dict):
            return piece
        work, began = piece.work, time.perf_counter()
        try:
            before = self._attempts.begin(work, self._number)
            result: Any = _given_up(work.keys, before) if before >= TRIES else self._result(piece)
            self._attempts.end(work, self._number)
        except OSError as error:
            result = _failure(work.keys, error)
        return Piece(work, result, piece.seconds + time.perf_counter() - began, piece.repeatable)

    def _result(self, piece: Piece) -> Any:
        done = self._done(piece.work) if piece.repeatable and self._last else None
        return done or self._tried_twice(piece.work, piece.result)

    def _done(self, work: Work) -> list[Output] | None:
        """Return the outputs of work that another worker finished before it died with the rest of a lease."""
        if not all(self._ledger.path(key).exists() for key in work.keys):
            return None
        return [self._ledger.output(key) for key in work.keys]

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
                # the keys of a piece share its time
                seconds, core_seconds = time.perf_counter() - began, time.thread_time() - began_cpu
                result = self._with_retries(result)
                for output in result:
                    self._ledger.mark(output, seconds, core_seconds)
        except (InputError, RunError) as error:
            return error
        except Exception as error:
            return _failure(work.keys, error)
        return result

    def _with_retries(self, outputs: list[Output]) -> list[Output]:
        """Return the outputs of a piece, the first of which reports what was sent again to a store since the last report."""
        new = unreported()
        return [replace(output, retries=0 if number else new) for number, output in enumerate(outputs)]


#: Seconds between two looks whether this node is to go.
_LOOK = 2.0
_looked = 0.0


def leave_if_draining() -> None:
    """End this process where its node is about to be taken away; Ray gives its lease to another node.

    What is marked is not computed again there, so that nothing is lost. A spot machine that is called back, an autoscaler
    that removes a node, and `ray stop` all announce it to Ray as the draining of the node.
    """
    global _looked
    ray = sys.modules.get("ray")
    if ray is None or time.monotonic() - _looked < _LOOK or not ray.is_initialized():
        return
    _looked = time.monotonic()
    with suppress(Exception):  # a head that does not answer is no reason to stop
        draining = ray._private.state.state.get_draining_nodes()
        if ray.get_runtime_context().get_node_id() in draining:
            os._exit(1)


def carry_out_row(
    row: dict[str, Any], step: Step, ledger: Path, number: int = 0, last: bool = True
) -> Iterator[dict[str, Any]]:
    """Carry out a step without state on a row, as a task."""
    return Worker(step, ledger, number, last)(row)


def attempts_of(ledger: Path) -> Attempts:
    """Return where the tries of pieces of work are counted, beside their ledger."""
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
    if isinstance(error, DamagedError | StoreError):
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


__all__ = ["Piece", "Worker", "attempts_of", "carry_out_row"]
