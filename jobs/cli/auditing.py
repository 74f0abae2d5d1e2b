"""Verbs that plan, run and look after audits."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from filterscope.jobs.cli.arguments import Data, Layers, Models, Out, Prefix, Redo, Run, StateKey, Zoo, place
from filterscope.jobs.cli.flags import OptionsCommand, given, options_of, takes_options
from filterscope.jobs.terminal import answer, say, show
from filterscope.pipeline.engine.errors import InputError

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
        str | None, typer.Option(help="rotate:SEED[:ALPHA]: rotated units of every layer, as a control.")
    ] = None,
    model_arg: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE for the architectures' constructors; repeatable.")
    ] = None,
    state_key: StateKey = None,
    prefix: Prefix = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Views per forward pass; unset: the fastest, measured for every model.")
    ] = None,
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
    if _carry_out(config, redo):
        from filterscope.jobs.findings.summary import print_summary

        print_summary(config.out)


@app.command()
def submit(
    zoo: Annotated[Path, typer.Argument(help="A TOML file, as for audit; its paths must be the cluster's.")],
    address: Annotated[str, typer.Option(help="Dashboard of the cluster: http://HEAD:8265.")],
    out: Annotated[
        Path | None, typer.Option(help="The run folder, instead of the file's.", parser=place, metavar="PATH")
    ] = None,
    code: Annotated[Path | None, typer.Option(help="Folder of your own modules, for factory: sources.")] = None,
    constraints: Annotated[Path | None, typer.Option(help="Exact versions; by default constraints.txt.")] = None,
    install: Annotated[
        bool, typer.Option(help="Install the packages on the cluster; not needed if its image holds them.")
    ] = True,
    staging: Annotated[Path | None, typer.Option(help="Folder for the files to send; by default ZOO.submit.")] = None,
    redo: Redo = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing; print the `ray job submit` line.")] = False,
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
    data: Annotated[Path, typer.Option(help="An imported data set with boxes.", parser=place, metavar="PATH")],
    layers: Annotated[str, typer.Option(help="Names or globs of convolutions, separated by commas.")],
    out: Annotated[Path, Out],
    category: Annotated[
        str | None, typer.Option(help="Category of the objects; by default every category of the data set.")
    ] = None,
    flips: Annotated[bool, typer.Option(help="Learn from mirrored crops too.")] = True,
    patterns: Annotated[
        bool, typer.Option("--patterns", help="Compare nodes with patterns, learned and found on the same crops.")
    ] = False,
    quantile: Annotated[float | None, typer.Option(help="With --patterns: P(activation > T) of their peaks.")] = None,
    image_block: Annotated[int | None, typer.Option(help="Views in a piece of work of extract (64).")] = None,
    unit_block: Annotated[int | None, typer.Option(help="Units in a piece of work of an analysis.")] = 32,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    redo: Redo = None,
    **options: Any,
) -> None:
    """Learn the explanatory graph of a category: part patterns as nodes, linked across layers.

    Example: filterscope graph --model torchvision:mobilenet_v2@w.pth --data data/animals --category bird
    --layers features.10,features.13,features.17 --out runs/bird
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


@app.command("plan", hidden=True)  # its name in version 0.1
@app.command()
def estimate(
    zoo: Zoo,
    images: Annotated[
        float | None, typer.Option(help="Images to project, such as 1e6; by default the data set's.")
    ] = None,
    models: Annotated[int | None, typer.Option(help="Models like these to project; by default the zoo's.")] = None,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs that run forward passes; 0 runs them on the cores.")] = 0,
    cores: Annotated[
        int | None, typer.Option(min=1, help="CPU cores; by default 16 per GPU, or this machine's.")
    ] = None,
    bench: Annotated[Path, typer.Option(help="Measured unit costs.")] = Path("bench.json"),
) -> None:
    """Estimate what an audit would cost: bytes, CPU hours, GPU hours and the bottleneck; nothing is computed.

    Example: filterscope estimate zoo.toml --images 1e6 --models 500 --gpus 64
    """
    from filterscope.jobs.config.audit import load_config
    from filterscope.jobs.cost.projection import projected

    if (images is not None and not images >= 1) or (models is not None and models < 1):
        raise InputError(f"--images {images} --models {models}: both must be 1 or more")
    count = None if images is None else round(images)
    for line in projected(load_config(zoo), bench, images=count, models=models, gpus=gpus, cores=cores):
        show(line)


@app.command()
def status(
    run: Run,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Repeat until everything is done.")] = False,
) -> None:
    """Show what is done and what is left of a run, how fast it goes, and what went wrong last.

    Example: filterscope status runs/first --watch
    """
    from filterscope.jobs.runs.status import print_status

    print_status(run, as_json=json, watch=watch)


@app.command()
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
