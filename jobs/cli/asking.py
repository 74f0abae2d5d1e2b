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


@app.command(cls=Verb)
def edit(
    run: Run,
    part: Annotated[str, typer.Option(help="Landmark whose nodes are shown, such as head.")],
    category: Annotated[str | None, typer.Option(help="Category, where several have the part.")] = None,
    model: Annotated[str | None, typer.Option(help="Model, where the run has several.")] = None,
    layers: Annotated[
        str | None, typer.Option(help="Layers whose nodes are shown; unset: all with a graph.", metavar="TEXT,...")
    ] = None,
    shots: Annotated[int, typer.Option(help="Annotated images.")] = 3,
    share: Annotated[float, typer.Option(help="Share of the nodes that a template retrieves.")] = 0.01,
    draw: Annotated[int, typer.Option(help="Number of the set of annotated images, as of `localize`.")] = 0,
    page: Annotated[
        Path | None, typer.Option(help="An HTML file; unset: in RUN/pages, from which `serve` serves it.")
    ] = None,
    opened: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Write a page that shows the nodes retrieved for a part: keep, remove, unsure; it gives edits.json for `apply`.

    The page needs no server and sends nothing.

    Example: filterscope edit runs/bird --part head
    """
    from filterscope.jobs.report.edit import write_edit_page

    asked = {"category": category, "model": model, "layers": layers, "shots": shots, "share": share, "draw": draw}
    written = write_edit_page(run, part, page, **asked)
    show(f"nodes: {written}")
    if opened:
        import webbrowser

        webbrowser.open(written.absolute().as_uri())


@app.command("apply", cls=Verb)
def apply_edits(
    run: Run, edits: Annotated[Path, typer.Argument(help="The edits.json of the page that `filterscope edit` writes.")]
) -> None:
    """Find a part without the nodes that a person removed, and compare with before, random removal and a simulated person.

    Example: filterscope apply runs/bird edits.json
    """
    from filterscope.jobs.findings.edit import apply, edits_report

    answer(edits_report(apply(run, edits)))


@app.command(cls=Verb)
def serve(
    run: Run,
    port: Annotated[int, typer.Option(help="Port of 127.0.0.1; keep it, so that a browser finds what it kept.")] = 8737,
    opened: Annotated[bool, typer.Option("--open", help="Open the address in a browser.")] = False,
) -> None:
    """Serve the pages in RUN/pages on this machine alone and save every answer at once, beside the page.

    The address holds a token that one browser may use, once. Ctrl-C ends it; nothing is lost.

    Example: filterscope serve runs/bird
    """
    from filterscope.jobs.report.serve import PageServer

    with PageServer(run, port) as server:
        show(f"open: {server.address}")
        if opened:
            import webbrowser

            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            show("ended; answers are saved beside the pages")


__all__ = ["app"]
