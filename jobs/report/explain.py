"""The verb `explain`: explain one prediction of a run, keep it in the run and write its page."""

import re
from collections.abc import Sequence
from pathlib import Path

from filterscope.jobs.report.pages.predictions import write_list, write_prediction
from filterscope.jobs.report.place import prediction_place
from filterscope.jobs.report.site import folder_of, prepare
from filterscope.jobs.terminal import say
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.attribution.prediction import Prediction, explained
from filterscope.pipeline.run.folder import RunFolder


def explain(
    run: str | Path,
    image: int,
    *,
    view: int | None = None,
    model: str | None = None,
    target: str = "predicted",
    methods: Sequence[str] | None = None,
    layer: str | None = None,
    out: Path | None = None,
) -> Path:
    """Explain a prediction and write its page into the report of its run.

    Parameters
    ----------
    run : path
        The run folder.
    image, view, model, target, methods, layer
        The question; see `pipeline.methods.attribution.explain.ask`.
    out : path, optional
        Folder of the report; by default ``report`` in the run folder.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        If something asked for is not there.
    """
    from filterscope.pipeline.methods.attribution.explain import ask

    plan = RunFolder.existing(run).plan()
    site = folder_of(plan.run, out)
    question = ask(plan, image, view=view, model=model, target=target, methods=methods, layer=layer)
    say(question.said)
    for line in question.costs():
        say(line)
    found = question.explained(say)
    if found.place in explained(plan.run):
        try:
            found = found.joined(Prediction.read(plan.run, found.place))
        except InputError as error:
            say(f"what was explained earlier is lost: {error}")
    found.write(plan.run)
    prepare(site)
    there = (site / "index.html").exists()
    write_prediction(plan, site, found.place, report=there, shown=_shown(site))
    write_list(plan, site, report=there)
    if there:
        say(f"`filterscope report {run}` links it from the pages of the image and of the run")
    return site.joinpath(*prediction_place(*found.place))


def _shown(site: Path) -> set[int]:
    """Return the images that have a page in a site."""
    names = (path.name for path in (site / "i").glob("*.html"))
    return {int(found[1]) for name in names if (found := re.fullmatch(r"(\d+)\.html", name))}


__all__ = ["explain"]
