"""A piece of work of one training on several workers, which Ray Train starts, and starts again where one dies."""

import os
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Any

from filterscope.pipeline.engine.attempts import TRIES
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.engine.runner import start_ray
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.stores.places import remove_tree
from filterscope.pipeline.training.recipe import Setting
from filterscope.pipeline.training.segment import Segment, train_epochs
from filterscope.pipeline.training.team import Team

#: Times that Ray Train may fail to start all workers within a minute, as where others use the machine.
_STARTS = 5


def together(segment: Segment) -> list[Output]:
    """Train some epochs with the workers of a training; the first one writes.

    It is started in the process of the command: a worker of a stage would hold a processor while it waits.

    Raises
    ------
    InputError
        If there are fewer processors or GPUs than the workers need.
    RunError
        If the training diverged, or workers died again and again.
    """
    start_ray()
    _refuse_few(segment.setting)
    from ray.train import TrainingFailedError

    reasons: list[str] = []
    for _ in range(TRIES):
        try:
            return _fitted(segment)
        except TrainingFailedError as error:
            failures = list(getattr(error, "worker_failures", {}).values())
            for failure in failures:
                # what a piece of work raises itself, and would raise again; of the others, one dies and the rest miss it
                if isinstance(failure, (InputError, RunError, OSError)):
                    raise failure from error
            reasons.append(str(failures[0] if failures else error).strip() or type(error).__name__)
        finally:
            remove_tree(_storage(segment))
    raise RunError(
        f"the {segment.setting.workers} workers of {segment.key.text} failed {TRIES} times; giving up. If the system killed "
        f"one for lack of memory (see its log), use fewer --workers or a smaller --batch. The last time: {reasons[-1][-1000:]}"
    )


def _refuse_few(setting: Setting) -> None:
    import ray

    there = ray.cluster_resources()
    needed = {"CPU": setting.workers * setting.threads, "GPU": setting.workers if setting.device == "cuda" else 0}
    for kind, count in needed.items():
        if count > there.get(kind, 0):
            raise InputError(
                f"--workers {setting.workers} take {count} {kind}s for each training, and there are "
                f"{there.get(kind, 0):.0f}; use fewer"
            )


def _storage(segment: Segment) -> Path:
    """Return where Ray Train keeps what it must for as long as a piece of work takes; all workers see it."""
    return (segment.run / "ledger" / ".workers" / segment.setting.name).absolute()


def _fitted(segment: Segment) -> list[Output]:
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    setting, storage = segment.setting, _storage(segment)
    trainer = TorchTrainer(
        _worker,
        train_loop_config={"segment": segment},
        scaling_config=ScalingConfig(
            num_workers=setting.workers,
            use_gpu=setting.device == "cuda",
            resources_per_worker={"CPU": setting.threads} | ({"GPU": 1} if setting.device == "cuda" else {}),
        ),
        run_config=RunConfig(
            name=storage.name,
            storage_path=str(storage.parent),
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=_STARTS),
        ),
    )
    # in a thread of its own: in the main one it would take Ctrl-C for itself
    result: Future[list[Output]] = Future()

    def fit() -> None:
        try:
            result.set_result(trainer.fit().return_value)
        except BaseException as error:
            result.set_exception(error)

    Thread(target=fit, name=storage.name, daemon=True).start()
    return result.result()


def _worker(config: dict[str, Any]) -> list[Output]:
    """Train, as one worker of several."""
    import torch
    from ray.train import get_context
    from ray.train.torch import get_device

    segment: Segment = config["segment"]
    if segment.setting.device == "cuda":
        torch.cuda.set_device(get_device())  # what "cuda" is in this process
    context = get_context()
    return train_epochs(segment, Team(context.get_world_rank(), context.get_world_size()))


__all__ = ["together"]
