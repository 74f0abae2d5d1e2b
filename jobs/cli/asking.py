"""Verbs that ask a person and take the answers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from filterscope.jobs.cli.arguments import Run, Safe
from filterscope.jobs.cli.verbs import Verb
from filterscope.jobs.terminal import answer, show

app = typer.Typer()


@app.command(cls=Verb)
def ask(
    run: Run,
    budget: Annotated[
        int | None, typer.Option(help="Questions at most; unset: 150, or 5 about a part, by which it is learned.")
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="Who chooses views: the least confident (unset) or most distant first, a bandit over clusters, or chance.",
            metavar="least-confident|most-distant|uub|ucb1|epsilon|greedy|random",
        ),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(help="Landmark, such as head: ask where it is on crops, by what is learned from answers."),
    ] = None,
    category: Annotated[str | None, typer.Option(help="Category, where several have the part.")] = None,
    layers: Annotated[
        str | None, typer.Option(help="Layers that the part is found by; unset: all.", metavar="TEXT,...")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model, where the run has several.")] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            help="An HTML file on which to answer them, with pictures, instead; it gives the CSV for `answer`."
        ),
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="A folder for the crops as PNG, with which to fill in the CSV about a part.")
    ] = None,
    opened: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    safe: Safe = False,
) -> None:
    """Print what to ask a person next as CSV, to be filled in for `answer`; or ask on a page, with --page.

    Images to label: confident predictions; an answer is right, wrong, unsure, or the true class by index or name. With --part:
    where a part is on crops; an answer is right, place, other, new or absent, with the part's box. The page needs no server and
    sends nothing.

    Example: filterscope ask runs/first --budget 150 > questions.csv
    """
    from filterscope.pipeline.engine.errors import InputError

    if opened and page is None:
        raise InputError("--open opens a page: name one with --page questions.html")
    if part is None:
        stray = {"category": category, "layers": layers, "pictures": pictures}
        if wrong := [f"--{name}" for name, given in stray.items() if given is not None]:
            raise InputError(f"{' and '.join(wrong)}: only with --part, to ask where a part is")
        _ask_views(
            run, page, safe, budget=150 if budget is None else budget, policy=policy or "least-confident", model=model
        )
    else:
        if policy is not None:
            raise InputError(f"--policy {policy}: crops are asked about by what they are predicted to teach; drop it")
        _ask_parts(run, part, budget, page, pictures, safe, category=category, model=model, layers=layers)
    if opened and page is not None:
        import webbrowser

        webbrowser.open(page.absolute().as_uri())


def _ask_views(run: Path, page: Path | None, safe: bool, **asked: Any) -> None:
    if page is not None:
        from filterscope.jobs.report.ask import write_ask_page

        show(f"questions: {write_ask_page(run, page, **asked)}")
        return
    from filterscope.jobs.findings.ask import ask as run_ask
    from filterscope.jobs.findings.query import shown

    answer(shown(run_ask(run, **asked), "csv", safe=safe))


def _ask_parts(
    run: Path, part: str, budget: int | None, page: Path | None, pictures: Path | None, safe: bool, **named: Any
) -> None:
    from filterscope.jobs.findings.ask_parts import BUDGET, PartAsking, csv_of, pixels_to

    asking = PartAsking(run, part, **named)
    budget = BUDGET if budget is None else budget
    if page is not None:
        from filterscope.jobs.report.ask_parts import write_parts_page

        show(f"questions: {write_parts_page(asking, page, budget)}")
        return
    from filterscope.jobs.findings.query import shown

    questions = asking.questions(budget)
    if pictures is not None:
        pixels_to(pictures, asking, questions)
    answer(shown(csv_of(asking, questions), "csv", safe=safe))


@app.command("answer", cls=Verb)
def answer_questions(
    run: Run,
    questions: Annotated[Path, typer.Argument(help="The CSV of `filterscope ask`, filled in.")],
) -> None:
    """Keep a person's answers in the run; if a row is wrong, it is named and none is kept.

    Answers about a part grow its And-Or graph, and what it finds on held-out crops is printed.

    Example: filterscope answer runs/first questions.csv
    """
    from filterscope.jobs.findings.ask_parts import answer_parts, is_about_parts

    if is_about_parts(questions):
        show(answer_parts(run, questions).said(run))
        return
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
