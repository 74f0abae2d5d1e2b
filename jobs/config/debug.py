"""What the loop is asked to do, from flags."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filterscope.jobs.config.problems import problem
from filterscope.pipeline.debugging.fixes import fixes_of
from filterscope.pipeline.debugging.options import DebugOptions
from filterscope.pipeline.debugging.plan import Asked, model_of, plan_of
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.training.plan import device_of


def asked_of(
    run: Path,
    fixes: Sequence[str],
    options: Mapping[str, Any] | None = None,
    *,
    model: str | None = None,
    device: str = "auto",
    threads: int = 1,
) -> Asked:
    """Return what is asked of the loop, checked as far as that takes no data.

    Parameters
    ----------
    run : Path
        The audit.
    fixes : sequence of str
        Such as collect:50.
    options : mapping, optional
        By the names of the fields of `DebugOptions`.
    model, device, threads
        As of `Asked`; without a model, the only one of the run.

    Raises
    ------
    InputError
        If there is no run, or a fix or an option is unknown or out of bounds.
    """
    wanted, given = tuple(fixes_of(fixes)), dict(options or {})
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device {device}: auto, cpu or cuda")
    flags = {key: key.replace("_", "-") for key in DebugOptions.model_fields}
    try:
        checked = DebugOptions(**given)
    except ValueError as error:
        details = error.errors() if hasattr(error, "errors") else []
        raise InputError("; ".join(f"--{problem(detail, flags)}" for detail in details) or str(error)) from error
    return Asked(run, model_of(plan_of(run), model), wanted, checked, device_of(device), threads)


__all__ = ["asked_of"]
