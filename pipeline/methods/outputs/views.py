"""The views of a block as the forward pass saw them: what it could not decode stays out."""

import numpy as np

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.methods.tasks import planned_views
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.views.decode import view_files


def seen_views(plan: Plan, model: PlannedModel, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Decode views [start, stop) once more.

    Returns
    -------
    pixels : uint8 ndarray of shape (views, height, width, 3)
        RGB; zeros where the forward pass rejected the view.
    seen : bool ndarray of shape (views,)
        Whether the forward pass had the view, as the maxima of the first layer tell.

    Raises
    ------
    RunError
        If a view that was decoded before cannot be now.
    """
    maxima = ActivationStore(plan.run, model.name, model.layers[0].name).read_maxima(start, stop, slice(0, 1))
    seen = ~np.isnan(maxima[:, 0])
    decoded = planned_views(plan, model, start, stop)
    for view, reason in enumerate(decoded.reasons):
        if reason and seen[view]:
            raise RunError(f"{file_of(plan, start + view)} was decoded before and cannot be now: {reason}")
    decoded.pixels[~seen] = 0
    return decoded.pixels, seen


def file_of(plan: Plan, view: int) -> str:
    """Return the image file of a view, relative to the data set."""
    return view_files(Dataset(plan.data), plan.views.image[view : view + 1])[0]


def refuse_broken(plan: Plan, finite: np.ndarray, start: int, what: str) -> None:
    """Stop at the first view of a block that begins at `start` for which `finite` (bool) is false.

    Raises
    ------
    RunError
        With the view, its file and `what` is NaN or infinite there.
    """
    broken = np.flatnonzero(~finite)
    if len(broken):
        view = start + int(broken[0])
        raise RunError(
            f"{what} NaN or infinite on view {view}, of image {int(plan.views.image[view])} ({file_of(plan, view)}); check the "
            "weights and the preprocessing of the model, or leave the image out"
        )


__all__ = ["file_of", "refuse_broken", "seen_views"]
