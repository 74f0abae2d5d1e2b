"""Verbs that read networks and finished runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from filterscope.jobs.cli.arguments import Format, Json, ModelArg, Prefix, Run, Safe, StateKey, place
from filterscope.jobs.cli.flags import given, options_of, takes_options
from filterscope.jobs.cli.verbs import INPUT, Verb
from filterscope.jobs.terminal import answer, say, show
from filterscope.pipeline.engine.errors import InputError

app = typer.Typer()


@app.command(cls=Verb)
def layers(
    model: Annotated[
        str, typer.Argument(help="SCHEME:ARCH or SCHEME:ARCH@WEIGHTS, such as torchvision:resnet18@random:0.")
    ],
    input_size: Annotated[
        int | None, typer.Option(help="Height and width of the input; unset: the weights' own.", rich_help_panel=INPUT)
    ] = None,
    model_arg: ModelArg = None,
    state_key: StateKey = None,
    prefix: Prefix = None,
    format: Format = "table",  # noqa: A002
    json: Json = False,
) -> None:
    """List the layers of a network that can be audited.

    Example: filterscope layers package:efficientnet-lite0
    """
    from filterscope.jobs.findings.layers import print_layers
    from filterscope.jobs.findings.query import check_format
    from filterscope.pipeline.models.spec import ModelSpec

    spec = ModelSpec(model, input_size=input_size, state_key=state_key, prefix=prefix, args=tuple(model_arg or ()))
    check_format(format)
    print_layers(spec, "json" if json else format)


@app.command(cls=Verb)
def query(
    run: Run,
    sql: Annotated[str, typer.Argument(help="A SELECT over the tables of the run.")],
    limit: Annotated[int | None, typer.Option(help="Most rows to show; 0 for all (100 in a table, else all).")] = None,
    format: Format = "table",  # noqa: A002
    safe: Safe = False,
) -> None:
    """Ask the tables of a run in SQL.

    Example: filterscope query runs/first "select layer, count(*) from units where detector group by layer"
    """
    from filterscope.jobs.findings.query import run_query

    answer(run_query(run, sql, format, limit, safe=safe))


@app.command(cls=Verb)
def report(
    run: Run,
    out: Annotated[Path | None, typer.Option(help="Folder of the site; by default report in the run folder.")] = None,
) -> None:
    """Write what a run found as a static site, which opens from disk or from any web server.

    Example: filterscope report runs/first
    """
    from filterscope.jobs.report.pages.training import write_training
    from filterscope.jobs.report.site import write_report
    from filterscope.pipeline.training.folder import TrainingFolder

    if training := TrainingFolder.at(run):
        show(f"report: {write_training(training, out)}")
        return
    show(f"report: {write_report(run, out)}")


@app.command(cls=Verb)
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Run folders, on one data set or on several with concepts in common; each is compared with the first.",
            parser=place,
        ),
    ],
    layer: Annotated[
        list[str] | None,
        typer.Option(help="A layer, may be repeated, or `all`; by default the last that all models have."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Also write a page and Parquet tables into this folder.")] = None,
    pairs: Annotated[
        str | None,
        typer.Option(
            help="Compare the twins of one run of trainings, or of an audit of them, instead: plain,interpretable.",
            metavar="TEXT,...",
        ),
    ] = None,
    zoo: Annotated[
        str | None,
        typer.Option(
            help="Say what measures of three models or more go with instead: depth, training epoch, accuracy, size and year. A "
            "CSV with the columns model and any of top1, year, epoch, training_data, training; or none.",
            metavar="CSV|none",
        ),
    ] = None,
    format: Format = "table",  # noqa: A002
    safe: Safe = False,
) -> None:
    """Compare what models or layers detect, within one run or across several: which concepts stand where.

    Example: filterscope compare runs/epoch10 runs/epoch90 --out compared
    """
    if zoo is not None:
        if pairs is not None or layer:
            raise InputError("--zoo takes every layer of every model, and neither --pairs nor --layer; leave these out")
        _as_subjects(runs, zoo, out, format, safe=safe)
        return
    if pairs is not None:
        from filterscope.jobs.findings.twins import print_twins

        answer(print_twins(runs, pairs, out, format, safe=safe))
        return
    from filterscope.jobs.findings.compare import said
    from filterscope.jobs.findings.query import shown
    from filterscope.jobs.report.pages.comparison import write_comparison
    from filterscope.pipeline.methods.comparison.comparison import compare as run_compare

    found = run_compare(runs, layer)
    if format == "table":
        answer(said(found))
    else:
        answer(shown(found.concepts, format, safe=safe))
    if out is not None:
        (show if format == "table" else say)(f"comparison: {write_comparison(found, out)}")


def _as_subjects(runs: list[Path], facts: str, out: Path | None, format: str, *, safe: bool) -> None:  # noqa: A002
    from filterscope.jobs.findings.zoo import said as zoo_said
    from filterscope.jobs.report.pages.zoo import write_zoo
    from filterscope.pipeline.methods.comparison.zoo import zoo as run_zoo

    measured = run_zoo(runs, None if facts == "none" else place(facts))
    answer(zoo_said(measured, format, safe=safe))
    if out is not None:
        (show if format == "table" else say)(f"zoo: {write_zoo(measured, out)}")


@app.command(cls=Verb)
def find(
    run: Run,
    concept: Annotated[str | None, typer.Option(help="Units that respond to this concept, best first.")] = None,
    image: Annotated[
        int | None, typer.Option(help="Units that fire in the image of this number, largest area first.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Most rows to show; 0 for all.")] = 20,
    format: Format = "table",  # noqa: A002
    safe: Safe = False,
) -> None:
    """Find units by a concept, or by an image that they fire in.

    Example: filterscope find runs/first --concept wheel
    """
    from filterscope.jobs.findings.find import find as run_find
    from filterscope.jobs.findings.find import left_out
    from filterscope.jobs.findings.query import shown

    answer(shown(run_find(run, concept=concept, image=image), format, limit, safe=safe))
    if concept is not None and (note := left_out(run)):
        say(note)


@app.command(cls=Verb)
def explain(
    run: Run,
    image: Annotated[int, typer.Option(help="Number of the image in the data set, from 0.")],
    view: Annotated[
        int | None,
        typer.Option(help="Number of one of its views; unset: the first, which is the image unless views are objects."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model, where the run has several.")] = None,
    target: Annotated[
        str,
        typer.Option(
            help="Class whose score is explained: predicted, of highest score; true; a number from 0; or a name."
        ),
    ] = "predicted",
    methods: Annotated[
        str | None,
        typer.Option(
            help="Ways to explain it, such as grad_cam,occlusion; unset: all that take fewer than 10 forward passes, and those "
            "of the run.",
            metavar="TEXT,...",
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            help="Layer of the methods that explain by one; unset: the deepest audited one whose maps are larger than 1 x 1."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the report; by default report in the run folder.")] = None,
    opened: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Explain one prediction: maps of where its score comes from, beside what looks at no network or at a random one.

    Example: filterscope explain runs/first --image 123 --methods grad_cam,occlusion
    """
    from filterscope.jobs.report.explain import explain as run_explain

    asked = None if methods is None else [name.strip() for name in methods.split(",") if name.strip()]
    page = run_explain(run, image, view=view, model=model, target=target, methods=asked, layer=layer, out=out)
    show(f"prediction: {page}")
    if opened:
        import webbrowser

        webbrowser.open(page.as_uri())


@app.command(cls=Verb)
def export(
    run: Run,
    graph: Annotated[str | None, typer.Option(help="Category whose explanatory graph is exported.")] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="Add all tables of the run to those of a lake in --out instead, each in one commit and only once.",
            metavar="iceberg|delta|lance",
        ),
    ] = None,
    format: Annotated[str, typer.Option(help="Notation of the graph.", metavar="graphml|json")] = "graphml",  # noqa: A002
    model: Annotated[str | None, typer.Option(help="Model, where the run has several.")] = None,
    node: Annotated[
        str | None, typer.Option(help="A node, all above it and all below it.", metavar="LAYER/UNIT/NODE")
    ] = None,
    image: Annotated[int | None, typer.Option(help="Number of an image: the nodes that it triggers.")] = None,
    surviving: Annotated[bool, typer.Option("--surviving", help="Only nodes that survive.")] = False,
    out: Annotated[Path | None, typer.Option(help="A file, by default it is printed; or the folder of a lake.")] = None,
) -> None:
    """Export an explanatory graph, or a part of it; or the tables of a run, to Iceberg, Delta or Lance.

    Example: filterscope export runs/bird --graph bird --format graphml --out bird.graphml
    """
    if (graph is None) == (to is None):
        raise InputError("export takes either --graph CATEGORY or --to iceberg, delta or lance")
    if graph is None:
        _to_lake(run, str(to), out, others=bool(model or node or image is not None or surviving))
        return
    from filterscope.jobs.findings.export import explanatory_graph, exported

    found = explanatory_graph(run, graph, model=model, node=node, image=image, surviving=surviving)
    text = exported(found, format)
    if out is None:
        answer(text)
        return
    out.write_text(text, encoding="utf-8")
    show(f"{out}: {found.number_of_nodes()} nodes, {found.number_of_edges()} edges")


def _to_lake(run: Path, to: str, out: Path | None, *, others: bool) -> None:
    from filterscope.jobs.findings.lake import exported_tables
    from filterscope.jobs.findings.query import shown

    if out is None or others:
        raise InputError("--to exports whole tables: it needs --out FOLDER, and takes no option of a graph")
    answer(shown(exported_tables(run, to, out), "table", 0))


@app.command(cls=options_of("localize", required=["--part"], also={"shares": "share"}))
@takes_options
def localize(
    run: Run,
    method: Annotated[
        str, typer.Option(help="With nodes of explanatory graphs, or And-Or graphs of units.", metavar="nodes|and-or")
    ] = "nodes",
    **options: Any,
) -> None:
    """Find a part on held-out images from a few annotated ones, with a graph and with baselines.

    Example: filterscope localize runs/bird --part head --shots 3
    """
    from filterscope.jobs.config.flags import by_field
    from filterscope.jobs.findings.localize import localization_report
    from filterscope.jobs.findings.localize import localize as run_localize

    found = run_localize(run, method=method, **by_field("localize", given(options)))
    answer(localization_report(found))


__all__ = ["app"]
