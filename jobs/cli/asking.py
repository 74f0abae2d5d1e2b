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
            help="Who chooses: the least confident first, a bandit over clusters, or chance.",
            metavar="least-confident|uub|ucb1|epsilon|greedy|random",
        ),
    ] = "least-confident",
    model: Annotated[str | None, typer.Option(help="Model, where the run has several.")] = None,
    safe: Safe = False,
) -> None:
    """Print which images to label next as CSV: confident predictions, to be answered in the column answer.

    An answer is right, wrong, or the true class by index or name.

    Example: filterscope ask runs/first --budget 150 > questions.csv
    """
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
