"""What a run reports to Prometheus, through Ray, from every node: finished work, images, rejects, seconds."""

import time
from collections.abc import Mapping, Sequence

from filterscope.pipeline.engine.stage import Output


class Telemetry:
    """Counts finished work; made when Ray runs.

    Prometheus sees them as ``ray_filterscope_tasks_done_total``, ``ray_filterscope_images_total``,
    ``ray_filterscope_rejects_total``, ``ray_filterscope_store_retries_total``, ``ray_filterscope_tasks_left`` and
    ``ray_filterscope_stage_seconds``, each by `stage` and `run`;
    images per second are ``rate(ray_filterscope_images_total[1m])``.

    Parameters
    ----------
    run : str
        Name of the run.
    left : mapping of str to int
        Pieces of work that are left, by stage.
    """

    def __init__(self, run: str, left: Mapping[str, int]) -> None:
        from ray.util.metrics import Counter, Gauge

        keys = ("stage", "run")
        self._run, self._left = run, dict(left)
        self._began: dict[str, float] = {}
        self._done = Counter("filterscope_tasks_done", "Pieces of work that are done.", keys)
        self._images = Counter("filterscope_images", "Images that went through finished pieces of work.", keys)
        self._rejects = Counter("filterscope_rejects", "Images that were rejected.", keys)
        self._retries = Counter("filterscope_store_retries", "Requests to an object store that were sent again.", keys)
        self._tasks_left = Gauge("filterscope_tasks_left", "Pieces of work that are left.", keys)
        self._seconds = Gauge(
            "filterscope_stage_seconds", "Seconds from the start of a stage to its last piece of work.", keys
        )
        for stage, count in self._left.items():
            self._tasks_left.set(count, self._tags(stage))

    def begin(self, name: str) -> None:
        """Record that a stage begins."""
        self._began.setdefault(name, time.monotonic())

    def advance(self, outputs: Sequence[Output]) -> None:
        """Record that a piece of work is done."""
        if not outputs:
            return
        stage = outputs[0].key.stage
        tags = self._tags(stage)
        self._left[stage] = self._left.get(stage, 0) - len(outputs)
        self._done.inc(len(outputs), tags)
        self._tasks_left.set(max(self._left[stage], 0), tags)
        self._seconds.set(time.monotonic() - self._began.setdefault(stage, time.monotonic()), tags)
        # the layers of a piece of work share its images
        for counter, count in (
            (self._images, max(output.images for output in outputs)),
            (self._rejects, max(output.rejects for output in outputs)),
            (self._retries, sum(output.retries for output in outputs)),
        ):
            if count:
                counter.inc(count, tags)

    def _tags(self, stage: str) -> dict[str, str]:
        return {"stage": stage, "run": self._run}
