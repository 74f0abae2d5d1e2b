"""Verbs that ask a person and take the answers."""

from pathlib import Path
from typing import Annotated

import typer

from filterscope.jobs.cli.arguments import Run, Safe
from filterscope.jobs.cli.verbs import Verb
from filterscope.jobs.terminal import answer, show

app = typer.Typer()


@app.command(cls=Verb)
def ask(
    run: Run,
    budget: Annotated[int, typer.Option(help="Questions at most.")] = 150,
    policy: Annotated[
        str,
        typer.Option(
            help="Who chooses: the least confident or most distant first, a bandit over clusters, or chance.",
            metavar="least-confident|most-distant|uub|ucb1|epsilon|greedy|random",
        ),
    ] = "least-confident",
    model: Annotated[str | None, typer.Option(help="Model, where the run has several.")] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            help="An HTML file on which to answer them, with pictures, instead; it gives the CSV for `answer`."
        ),
    ] = None,
    opened: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    safe: Safe = False,
) -> None:
    """Print which images to label next as CSV: confident predictions, to be answered in the column answer.

    An answer is right, wrong, unsure, or the true class by index or name. With --page they are asked on a page that needs no
    server and sends nothing.

    Example: filterscope ask runs/first --budget 150 > questions.csv
    """
    if page is not None:
        from filterscope.jobs.report.ask import write_ask_page

        show(f"questions: {write_ask_page(run, page, budget=budget, policy=policy, model=model)}")
        if opened:
            import webbrowser

            webbrowser.open(page.absolute().as_uri())
        return
    if opened:
        from filterscope.pipeline.engine.errors import InputError

        raise InputError("--open opens a page: name one with --page questions.html")
    from filterscope.jobs.findings.ask import ask as run_ask
    from filterscope.jobs.findings.query import shown

    answer(shown(run_ask(run, budget=budget, policy=policy, model=model), "csv", safe=safe))


@app.command("answer", cls=Verb)
def answer_questions(
    run: Run,
    questions: Annotated[Path, typer.Argument(help="The CSV of `filterscope ask`, filled in.")],
) -> None:
    """Keep a person's answers in the run; if a row is wrong, it is named and none is kept.

    Example: filterscope answer runs/first questions.csv
    """
    from filterscope.jobs.findings.ask import answer as run_answer
    from filterscope.jobs.findings.ask import said

    show(said(run_answer(run, questions)))


__all__ = ["app"]
