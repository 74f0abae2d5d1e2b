"""Verbs that plan, run and look after audits."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from filterscope.jobs.cli.arguments import (
    Data,
    Format,
    Json,
    Layers,
    ModelArg,
    Models,
    Out,
    Prefix,
    Redo,
    Run,
    StateKey,
    Zoo,
    place,
)
from filterscope.jobs.cli.flags import OptionsCommand, given, options_of, takes_options
from filterscope.jobs.cli.verbs import ADVANCED, INPUT, SPEED, WHAT, Verb
from filterscope.jobs.terminal import answer, say, show
from filterscope.pipeline.engine.errors import InputError, RunError

app = typer.Typer()


def _carry_out(config: Any, redo: str | None) -> bool:
    """Run an audit; False, and a line that says so, if there was nothing to do."""
    from filterscope.jobs.runs.audit import audit as run

    did = run(config, redo=redo, command=" ".join(sys.argv[1:]))
    if not did:
        say(f"nothing to do: {config.out} is complete")
    return did


@app.command(cls=OptionsCommand)
@takes_options
def audit(
    zoo: Annotated[Path | None, typer.Argument(help="A TOML file; flags override it.")] = None,
    model: Annotated[list[str] | None, Models] = None,
    data: Annotated[Path | None, Data] = None,
    layers: Annotated[str | None, Layers] = None,
    out: Annotated[Path | None, Out] = None,
    basis: Annotated[
        str | None,
        typer.Option(
            help="Rotated units of every layer, as a control; unset: the units themselves.",
            metavar="rotate:SEED[:ALPHA]",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    model_arg: ModelArg = None,
    state_key: StateKey = None,
    prefix: Prefix = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Views per forward pass; unset: the fastest, measured for every model.", rich_help_panel=SPEED
        ),
    ] = None,
    report: Annotated[
        bool, typer.Option(help="Write the report at the end (on).", show_default=False, rich_help_panel=WHAT)
    ] = True,
    redo: Redo = None,
    **options: Any,
) -> None:
    """Audit networks on a data set; running it again finishes or extends what is there.

    Example: filterscope audit --model torchvision:resnet18@weights.pth --data data/sample --layers layer4 --out runs/a
    """
    from filterscope.jobs.config.audit import load_config

    config = load_config(
        zoo, models=model, data=data, layers=layers, out=out, basis=basis, model_args=model_arg, batch_size=batch_size,
        state_key=state_key, prefix=prefix, **given(options),
    )  # fmt: skip
    did = _carry_out(config, redo)
    if did:
        from filterscope.jobs.findings.summary import print_summary

        print_summary(config.out)
    if report:
        _write_report(config.out)
    elif did:
        from filterscope.jobs.findings.summary import report_line

        show(report_line(config.out))


def _write_report(run: Path) -> None:
    """Write the report of a finished audit; where it cannot be written, the audit is done all the same."""
    from filterscope.jobs.report.site import write_report
    from filterscope.pipeline.stores.promises import DamagedError

    try:
        show(f"report: {write_report(run)}")
    except DamagedError:
        raise
    except (InputError, RunError, OSError) as error:
        say(f"note: the audit is done, but its report was not written: {error}")


@app.command(cls=Verb)
def submit(
    zoo: Annotated[Path, typer.Argument(help="A TOML file, as for audit; its paths must be the cluster's.")],
    address: Annotated[
        str, typer.Option(help="Dashboard of the cluster.", metavar="http://HEAD:8265", rich_help_panel=INPUT)
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The run folder, instead of the file's.", parser=place, metavar="PATH", rich_help_panel=WHAT),
    ] = None,
    code: Annotated[
        Path | None, typer.Option(help="Folder of your own modules, for factory: sources.", rich_help_panel=INPUT)
    ] = None,
    constraints: Annotated[
        Path | None, typer.Option(help="Exact versions; unset: constraints.txt.", rich_help_panel=ADVANCED)
    ] = None,
    install: Annotated[
        bool,
        typer.Option(
            help="Install the packages on the cluster; not needed if its image holds them (on).",
            show_default=False,
            rich_help_panel=ADVANCED,
        ),
    ] = True,
    staging: Annotated[
        Path | None, typer.Option(help="Folder for the files to send; unset: ZOO.submit.", rich_help_panel=ADVANCED)
    ] = None,
    redo: Redo = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Send nothing; print the `ray job submit` line.", rich_help_panel=ADVANCED),
    ] = False,
) -> None:
    """Run the audit on a Ray cluster: send configuration, code and pinned versions, follow the logs, exit as the job does.

    Example: filterscope submit zoo.toml --address http://HEAD:8265
    """
    from filterscope.jobs.cluster.submission import prepare
    from filterscope.jobs.cluster.submit import client_of
    from filterscope.jobs.cluster.submit import submit as run
    from filterscope.jobs.config.audit import load_config

    config = load_config(zoo, out=out, elsewhere=True)
    if not dry_run:
        client_of(address)
    folder = (staging or Path(f"{zoo.stem}.submit")).absolute()
    submission = prepare(config, folder, code=code, constraints=constraints, install=install, redo=redo)
    say(f"the same by hand: {submission.command(address)}")
    if not dry_run:
        raise SystemExit(run(submission, address, say))


@app.command(cls=options_of("graph"))
@takes_options
def graph(
    model: Annotated[list[str], Models],
    data: Annotated[
        Path,
        typer.Option(help="An imported data set with boxes.", parser=place, metavar="PATH", rich_help_panel=INPUT),
    ],
    layers: Annotated[
        str, typer.Option(help="Names or globs of convolutions.", metavar="TEXT,...", rich_help_panel=WHAT)
    ],
    out: Annotated[Path, Out],
    category: Annotated[
        str | None,
        typer.Option(help="Category of the objects; unset: every category of the data set.", rich_help_panel=INPUT),
    ] = None,
    flips: Annotated[
        bool, typer.Option(help="Learn from mirrored crops too (on).", show_default=False, rich_help_panel=INPUT)
    ] = True,
    patterns: Annotated[
        bool,
        typer.Option(
            "--patterns", help="Compare nodes with patterns, learned and found on the same crops.", rich_help_panel=WHAT
        ),
    ] = False,
    quantile: Annotated[
        float | None,
        typer.Option(help="With --patterns: P(activation > T) of their peaks (0.005).", rich_help_panel=WHAT),
    ] = None,
    image_block: Annotated[
        int | None, typer.Option(help="Views in a piece of work of extract (64; 1 to 4096).", rich_help_panel=SPEED)
    ] = None,
    unit_block: Annotated[
        int | None,
        typer.Option(
            help="Units in a piece of work of an analysis (32; 1 to 8192).", show_default=False, rich_help_panel=SPEED
        ),
    ] = 32,
    device: Annotated[
        str | None,
        typer.Option(help="Where the forward pass runs (auto).", metavar="auto|cpu|cuda", rich_help_panel=SPEED),
    ] = None,
    redo: Redo = None,
    **options: Any,
) -> None:
    """Learn the explanatory graph of a category: part patterns as nodes, linked across layers.

    Example: filterscope graph --model torchvision:squeezenet1_1@w.pth --data data/animals --category bird
    --layers features.9,features.12 --out runs/bird
    """
    from filterscope.jobs.config.flags import by_field
    from filterscope.jobs.findings.graph import graph_config, graph_report

    config = graph_config(
        data, category, models=model, layers=layers, out=out, flips=flips, patterns=patterns, quantile=quantile,
        image_block=image_block, unit_block=unit_block, device=device,
        graph=by_field("graph", given(options)),
    )  # fmt: skip
    _carry_out(config, redo)
    answer(graph_report(config.out))


@app.command("plan", cls=Verb, hidden=True)  # its name in version 0.1
@app.command(cls=Verb)
def estimate(
    zoo: Zoo,
    images: Annotated[float | None, typer.Option(help="Images to project, such as 1e6; unset: the data set's.")] = None,
    models: Annotated[int | None, typer.Option(help="Models like these to project; unset: the zoo's.")] = None,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs that run forward passes; 0 runs them on the cores.")] = 0,
    cores: Annotated[int | None, typer.Option(min=1, help="CPU cores; unset: 16 per GPU, or this machine's.")] = None,
    bench: Annotated[
        Path | None,
        typer.Option(help="Measured unit costs; unset: bench.json here, if it has any, else those of filterscope."),
    ] = None,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Measure those of this machine first, some minutes, and write them there."),
    ] = False,
) -> None:
    """Estimate what an audit would cost: bytes, CPU hours, GPU hours and the bottleneck; nothing is computed.

    Example: filterscope estimate zoo.toml --images 1e6 --models 500 --gpus 64
    """
    from filterscope.jobs.config.audit import load_config
    from filterscope.jobs.cost.projection import OWN, projected

    if (images is not None and not images >= 1) or (models is not None and models < 1):
        raise InputError(f"--images {images} --models {models}: both must be 1 or more")
    count = None if images is None else round(images)
    config = load_config(
        zoo, out=Path("estimate")
    )  # where results would go makes no difference, so that no file need say it
    if measure:
        from filterscope.jobs.cost.measure import measure as run_measure
        from filterscope.jobs.cost.measure import saved

        bench = bench or OWN
        saved(bench, run_measure(say))
        say(f"unit costs of this machine: {bench}")
    for line in projected(config, bench, images=count, models=models, gpus=gpus, cores=cores):
        show(line)


@app.command(cls=Verb)
def status(
    run: Run,
    format: Format = "table",  # noqa: A002
    json: Json = False,
    watch: Annotated[bool, typer.Option("--watch", help="Repeat until everything is done.")] = False,
) -> None:
    """Show what is done and what is left of a run, how fast it goes, and what went wrong last.

    Example: filterscope status runs/first --watch
    """
    from filterscope.jobs.runs.status import print_status, run_status

    if not json and format == "table":
        print_status(run, watch=watch)
        return
    if watch:
        raise InputError("--watch shows a table; call --format json as often as you like")
    import polars as pl

    from filterscope.jobs.findings.query import shown

    answer(shown(pl.DataFrame(run_status(run), infer_schema_length=None), "json" if json else format))


@app.command(cls=Verb)
def doctor(
    run: Run, repair: Annotated[bool, typer.Option("--repair", help="Recompute what is damaged.")] = False
) -> None:
    """Look for damaged, missing and left-over files of a run, and for images that changed since they were imported.

    Exit code 1 if there are any and they are not repaired; files of the data set are left as they are.

    Example: filterscope doctor runs/first --repair
    """
    from filterscope.jobs.runs import doctor as jobs

    problems = jobs.examine(run)
    for problem in problems:
        show(jobs.described(problem, run))
    ours = [problem for problem in problems if problem.ours]
    if ours and repair:
        jobs.repair(run, ours)
    count = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"
    done = f", {len(ours)} of them repaired" if ours != problems else ", repaired"
    show(f"{run}: {count}" + (done if ours and repair else ""))
    if problems and not (repair and ours == problems):
        raise SystemExit(1)


__all__ = ["app"]
