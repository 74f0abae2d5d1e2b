"""The command line. Every verb imports what it needs when it runs, so that `--help` answers at once."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from filterscope.pipeline.engine.errors import InputError, RunError, is_full

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Audit what the filters of convolutional networks represent.",
)
importers = typer.Typer(no_args_is_help=True, help="Bring an annotated data set into the one layout.")
app.add_typer(importers, name="import")


def _place(text: str) -> Any:
    """Return a folder, of this machine or of an object store."""
    from filterscope.pipeline.stores.places import path_of

    return path_of(text)


Folder = Annotated[Path, typer.Argument(help="Where the data set will be.")]
Source = Annotated[Path, typer.Argument(help="Folder of the source data.")]
Colors = Annotated[bool, typer.Option("--colors", help="Add the 11 basic colours, computed per pixel.")]
InPlace = Annotated[bool, typer.Option("--in-place", help="Refer to the image files instead of copying them.")]
Run = Annotated[Path, typer.Argument(help="A run folder.", parser=_place, metavar="RUN")]

_SHARES = "0.01,0.02,0.05,0.1"


@app.command()
def sample(
    folder: Folder,
    images: Annotated[int, typer.Option(help="Images to draw.")] = 600,
    seed: Annotated[int, typer.Option(help="Seed; the same seed draws the same images.")] = 0,
    cooccurrence: Annotated[float, typer.Option(help="How often paired attributes go together.")] = 0.8,
) -> None:
    """Draw the embedded sample: objects, parts, textures, materials, colours and scenes, exactly annotated.

    Example: filterscope sample data/sample --images 600 --seed 0
    """
    from filterscope.pipeline.datasets.sample import draw_sample

    draw_sample(folder, images=images, seed=seed, cooccurrence=cooccurrence)
    _describe(folder)


@importers.command("broden")
def import_broden(source: Source, folder: Folder, colors: Colors = False, in_place: InPlace = False) -> None:
    """Import Broden: index.csv, label.csv, label PNGs.

    Example: filterscope import broden broden1_224 data/broden
    """
    from filterscope.pipeline.datasets.broden import import_broden as run

    run(source, folder, colors=colors, in_place=in_place)
    _describe(folder)


@importers.command("coco")
def import_coco(
    source: Source,
    folder: Folder,
    images: Annotated[Path | None, typer.Option(help="Folder of the images, if not beside the JSON.")] = None,
    colors: Colors = False,
    in_place: InPlace = False,
) -> None:
    """Import COCO instances: a JSON and its images.

    Example: filterscope import coco coco/annotations/instances_val2017.json data/coco --images coco/val2017
    """
    from filterscope.pipeline.datasets.coco import import_coco as run

    run(source, folder, images=images, colors=colors, in_place=in_place)
    _describe(folder)


@importers.command("masks")
def import_masks(
    source: Source,
    folder: Folder,
    names: Annotated[Path | None, typer.Option(help="CSV with index,name[,category]; default labels.csv.")] = None,
    category: Annotated[str, typer.Option(help="Category of concepts whose row states none.")] = "object",
    colors: Colors = False,
    in_place: InPlace = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Reject bad masks instead of stopping.")] = False,
) -> None:
    """Import images/ and index PNGs in masks/ with a CSV of names: VOC, ADE20K-style exports, your own data.

    Example: filterscope import masks my_data data/mine --colors
    """
    from filterscope.pipeline.datasets.masks import import_masks as run

    run(source, folder, names=names, category=category, colors=colors, in_place=in_place, skip_bad=skip_bad)
    _describe(folder)


@importers.command("landmarks")
def import_landmarks(source: Source, folder: Folder, in_place: InPlace = False) -> None:
    """Import images/ with a landmarks.csv (image,landmark,x,y[,object]) and objects.csv (image,object,category,xmin,...).

    Example: filterscope import landmarks my_points data/points
    """
    from filterscope.pipeline.datasets.landmarks import import_landmarks as run

    run(source, folder, in_place=in_place)
    _describe(folder)


@importers.command("animals")
def import_animals(source: Source, folder: Folder, in_place: InPlace = False) -> None:
    """Import the animal-part set: objects.csv, landmarks.csv, images/, negatives/.

    Example: filterscope import animals animals data/animals
    """
    from filterscope.pipeline.datasets.animals import import_animals as run

    run(source, folder, in_place=in_place)
    _describe(folder)


@importers.command("cub")
def import_cub(source: Source, folder: Folder, in_place: InPlace = False) -> None:
    """Import CUB-200-2011: boxes and part locations of birds, species as an attribute.

    Example: filterscope import cub CUB_200_2011 data/cub
    """
    from filterscope.pipeline.datasets.cub import import_cub as run

    run(source, folder, in_place=in_place)
    _describe(folder)


@importers.command("pascal-part")
def import_pascal_part(
    source: Source,
    folder: Folder,
    images: Annotated[Path | None, typer.Option(help="Folder of the images; by default SRC/JPEGImages.")] = None,
    raw_parts: Annotated[
        bool, typer.Option("--raw-parts", help="Parts as annotated, not merged as published.")
    ] = False,
    in_place: InPlace = False,
) -> None:
    """Import Pascal-Part: object and part masks as concepts, boxes, part centres as landmarks.

    Example: filterscope import pascal-part pascal_part data/voc --images VOC2010/JPEGImages
    """
    from filterscope.pipeline.datasets.pascal_part import import_pascal_part as run

    run(source, folder, images=images, merge=not raw_parts, in_place=in_place)
    _describe(folder)


@app.command()
def layers(
    model: Annotated[str, typer.Argument(help="SCHEME:ARCH[@WEIGHTS], such as torchvision:resnet18@random:0.")],
    input_size: Annotated[int | None, typer.Option(help="Height and width of the input.")] = None,
) -> None:
    """List the layers of a network that can be audited.

    Example: filterscope layers package:efficientnet-lite0
    """
    from filterscope.jobs.findings.layers import print_layers

    print_layers(model, input_size)


@app.command()
def audit(
    zoo: Annotated[Path | None, typer.Argument(help="A TOML file; flags override it.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="SCHEME:ARCH[@WEIGHTS]; may be repeated.")] = None,
    data: Annotated[Path | None, typer.Option(help="An imported data set.", parser=_place, metavar="PATH")] = None,
    layers: Annotated[str | None, typer.Option(help="Names, globs or -1, separated by commas.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The run folder; an existing run is resumed or extended.", parser=_place, metavar="PATH"),
    ] = None,
    metrics: Annotated[str | None, typer.Option(help="What to compute, separated by commas.")] = None,
    geometry: Annotated[str | None, typer.Option(help="squash or crop.")] = None,
    views: Annotated[
        str | None, typer.Option(help="image, objects or objects:CATEGORY: whole images or crops.")
    ] = None,
    flips: Annotated[bool | None, typer.Option("--flips", help="Every view a second time, mirrored.")] = None,
    negatives: Annotated[bool | None, typer.Option("--negatives", help="With objects: negative images, whole.")] = None,
    anchoring: Annotated[str | None, typer.Option(help="resize or receptive_field.")] = None,
    mask_mode: Annotated[
        str | None, typer.Option(help="upsample, or survey: receptive fields of cells over T.")
    ] = None,
    quantile: Annotated[float | None, typer.Option(help="Probability above the threshold (0.005).")] = None,
    min_images: Annotated[int | None, typer.Option(help="Images a concept needs to label a unit (10).")] = None,
    mask_size: Annotated[int | None, typer.Option(help="Rows and columns of masks (half the input).")] = None,
    unit_image: Annotated[str | None, typer.Option(help="active, top or off.")] = None,
    top_images: Annotated[int | None, typer.Option(help="Strongest images kept for every unit (15).")] = None,
    keep_activations: Annotated[
        bool | None, typer.Option(help="Keep activations when all is computed from them.")
    ] = None,
    basis: Annotated[
        str | None, typer.Option(help="rotate:SEED[:ALPHA]: rotated units of every layer, as a control.")
    ] = None,
    store: Annotated[str | None, typer.Option(help="zarr, or none: two forward passes, no activations.")] = None,
    location_protocol: Annotated[
        str | None, typer.Option(help="survey, explanatory-graph or interpretable-cnn.")
    ] = None,
    occluder: Annotated[int | None, typer.Option(help="Side of receptive-field's occluders (33).")] = None,
    occluder_step: Annotated[
        int | None, typer.Option(help="Pixels between occluders (9; the paper: 11 and 3).")
    ] = None,
    field_images: Annotated[int | None, typer.Option(help="Images occluded for a unit (10).")] = None,
    field_units: Annotated[int | None, typer.Option(help="Units of a layer that are measured (64).")] = None,
    units: Annotated[str | None, typer.Option(help="The units that are measured, such as 3,17,40-47.")] = None,
    max_rejects: Annotated[float | None, typer.Option(help="Fraction of images that may be unreadable (0.01).")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a forward pass; by default the fastest.")] = None,
    image_block: Annotated[int | None, typer.Option(help="Images in a unit of work (64).")] = None,
    unit_block: Annotated[int | None, typer.Option(help="Units in a unit of work (128).")] = None,
    actors: Annotated[
        int | None, typer.Option(help="Processes that hold a network (one a core or GPU); 0: no Ray.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    activation_scale: Annotated[float | None, typer.Option(help="Factor before float16, a power of two.")] = None,
    redo: Annotated[str | None, typer.Option(help="Recompute stages (a,b) and what depends on them.")] = None,
) -> None:
    """Audit networks on a data set; a rerun finishes or extends what is there.

    Example: filterscope audit --model torchvision:resnet18@weights.pth --data data/sample --layers layer4 --out runs/a
    """
    from filterscope.jobs.config.audit import load_config
    from filterscope.jobs.runs.audit import audit as run
    from filterscope.jobs.runs.progress import say

    flags = {k: v for k, v in locals().items() if k not in ("zoo", "model", "redo", "run", "load_config", "say")}
    config = load_config(zoo, models=model, **flags)
    if not run(config, redo=redo, command=" ".join(sys.argv[1:])):
        say(f"nothing to do: {config.out} is complete")
        return
    from filterscope.jobs.findings.summary import print_summary

    print_summary(config.out)


@app.command()
def submit(
    zoo: Annotated[Path, typer.Argument(help="A TOML file, as for audit; its paths must be the cluster's.")],
    address: Annotated[str, typer.Option(help="Dashboard of the cluster: http://HEAD:8265.")],
    out: Annotated[
        Path | None, typer.Option(help="The run folder, instead of the file's.", parser=_place, metavar="PATH")
    ] = None,
    code: Annotated[Path | None, typer.Option(help="Folder of your own modules, for factory: sources.")] = None,
    constraints: Annotated[Path | None, typer.Option(help="Exact versions; by default constraints.txt.")] = None,
    install: Annotated[bool, typer.Option(help="Install the packages; not where the image holds them.")] = True,
    staging: Annotated[Path | None, typer.Option(help="Folder of what is sent; by default ZOO.submit.")] = None,
    redo: Annotated[str | None, typer.Option(help="Recompute stages (a,b) and what depends on them.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing; print the `ray job submit` line.")] = False,
) -> None:
    """Have a Ray cluster audit: send configuration, code and pins, follow the logs, return the job's exit code.

    Example: filterscope submit zoo.toml --address http://HEAD:8265
    """
    from filterscope.jobs.cluster.submission import prepare
    from filterscope.jobs.cluster.submit import client_of
    from filterscope.jobs.cluster.submit import submit as run
    from filterscope.jobs.config.audit import load_config
    from filterscope.jobs.runs.progress import say

    config = load_config(zoo, out=out, elsewhere=True)
    if not dry_run:
        client_of(address)
    folder = (staging or Path(f"{zoo.stem}.submit")).absolute()
    submission = prepare(config, folder, code=code, constraints=constraints, install=install, redo=redo)
    say(f"the same by hand: {submission.command(address)}")
    if not dry_run:
        raise SystemExit(run(submission, address, say))


@app.command()
def graph(
    model: Annotated[list[str], typer.Option(help="SCHEME:ARCH[@WEIGHTS]; may be repeated.")],
    data: Annotated[Path, typer.Option(help="An imported data set with boxes.", parser=_place, metavar="PATH")],
    layers: Annotated[str, typer.Option(help="Names or globs, separated by commas, of any convolutions.")],
    out: Annotated[
        Path, typer.Option(help="The run folder; an existing run is resumed.", parser=_place, metavar="PATH")
    ],
    category: Annotated[str | None, typer.Option(help="Category of the objects; by default each of the data.")] = None,
    mode: Annotated[str | None, typer.Option(help="paper, or release: what the released code does.")] = None,
    iterations: Annotated[int | None, typer.Option(help="Rounds of learning (20).")] = None,
    heldout: Annotated[
        float | None, typer.Option(help="Share of images to measure on, not to learn from (0.33).")
    ] = None,
    flips: Annotated[bool, typer.Option(help="Learn from mirrored crops too.")] = True,
    patterns: Annotated[
        bool, typer.Option("--patterns", help="Compare nodes with patterns, learned and found on the same crops.")
    ] = False,
    quantile: Annotated[float | None, typer.Option(help="With --patterns: P(activation > T) of their peaks.")] = None,
    image_block: Annotated[int | None, typer.Option(help="Images in a unit of work (64).")] = None,
    unit_block: Annotated[int | None, typer.Option(help="Filters in a unit of work (32).")] = 32,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    redo: Annotated[str | None, typer.Option(help="Recompute a stage and what depends on it.")] = None,
) -> None:
    """Learn the explanatory graph of a category: part patterns as nodes, tied across layers.

    Example: filterscope graph --model torchvision:mobilenet_v2@w.pth --data data/animals --category bird
    --layers features.10,features.13,features.17 --out runs/bird
    """
    from filterscope.jobs.findings.graph import graph_config, graph_report
    from filterscope.jobs.runs.audit import audit as run
    from filterscope.jobs.runs.progress import say

    config = graph_config(
        data, category, models=model, layers=layers, out=out, flips=flips, patterns=patterns, quantile=quantile,
        graph_mode=mode, graph_iterations=iterations, graph_heldout=heldout, image_block=image_block,
        unit_block=unit_block, device=device,
    )  # fmt: skip
    if not run(config, redo=redo, command=" ".join(sys.argv[1:])):
        say(f"nothing to do: {config.out} is complete")
    typer.echo(graph_report(config.out), nl=False)


@app.command()
def plan(
    zoo: Annotated[Path, typer.Argument(help="A TOML file, as for audit.")],
    images: Annotated[
        float | None, typer.Option(help="Images to project, such as 1e6; by default the data set's.")
    ] = None,
    models: Annotated[int | None, typer.Option(help="Models like these to project; by default the zoo's.")] = None,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs that run forward passes; 0 runs them on the cores.")] = 0,
    cores: Annotated[int | None, typer.Option(min=1, help="CPU cores; by default 16 a GPU, or this machine's.")] = None,
    bench: Annotated[Path, typer.Option(help="Measured unit costs.")] = Path("bench.json"),
) -> None:
    """Project what an audit would cost: bytes, CPU hours, GPU hours and the bottleneck; nothing is computed.

    Example: filterscope plan zoo.toml --images 1e6 --models 500 --gpus 64
    """
    from filterscope.jobs.config.audit import load_config
    from filterscope.jobs.cost.projection import projected

    if (images is not None and not images >= 1) or (models is not None and models < 1):
        raise InputError(f"--images {images} --models {models}: both must be 1 or more")
    count = None if images is None else round(images)
    for line in projected(load_config(zoo), bench, images=count, models=models, gpus=gpus, cores=cores):
        typer.echo(line)


@app.command()
def status(
    run: Run,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, until all is done.")] = False,
) -> None:
    """Say what is done and what is left of a run, how fast it goes, and what went wrong last.

    Example: filterscope status runs/first --watch
    """
    from filterscope.jobs.runs.status import print_status

    print_status(run, as_json=json, watch=watch)


@app.command()
def doctor(
    run: Run, repair: Annotated[bool, typer.Option("--repair", help="Compute again what is damaged.")] = False
) -> None:
    """Look for damaged, missing and left-over files of a run; exit code 1 if there are any and they stay.

    Example: filterscope doctor runs/first --repair
    """
    from filterscope.jobs.runs import doctor as jobs

    problems = jobs.examine(run)
    for problem in problems:
        typer.echo(jobs.described(problem, run))
    if problems and repair:
        jobs.repair(run, problems)
    typer.echo(f"{run}: {len(problems)} problems" + (", repaired" if problems and repair else ""))
    if problems and not repair:
        raise SystemExit(1)


@app.command()
def query(
    run: Run,
    sql: Annotated[str, typer.Argument(help="A SELECT over the tables of the run.")],
    format: Annotated[str, typer.Option(help="table, csv or json.")] = "table",  # noqa: A002
) -> None:
    """Ask the tables of a run in SQL.

    Example: filterscope query runs/first "select layer, count(*) from units where detector group by layer"
    """
    from filterscope.jobs.findings.query import run_query

    typer.echo(run_query(run, sql, format), nl=False)


@app.command()
def report(
    run: Run,
    out: Annotated[Path | None, typer.Option(help="Folder of the site; by default report in the run folder.")] = None,
) -> None:
    """Write what a run found as a static site; it opens from disk and from any web server.

    Example: filterscope report runs/first
    """
    from filterscope.jobs.report.site import write_report

    typer.echo(f"report: {write_report(run, out)}")


@app.command()
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders on one data set; the first model is held against.", parser=_place),
    ],
    layer: Annotated[str | None, typer.Option(help="The layer; by default the last that all models have.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write a page and Parquet tables into this folder.")] = None,
    format: Annotated[str, typer.Option(help="table, csv or json.")] = "table",  # noqa: A002
) -> None:
    """Compare what models detect, of one run or of several: concepts gained and lost, units matched by concept.

    Example: filterscope compare runs/epoch10 runs/epoch90 --out compared
    """
    from filterscope.jobs.findings.compare import compare as run_compare
    from filterscope.jobs.findings.compare import write_comparison
    from filterscope.jobs.findings.query import shown

    found = run_compare(runs, layer)
    for frame in (found.sides, found.pairs, found.concepts) if format == "table" else (found.concepts,):
        typer.echo(shown(frame, format), nl=False)
    if out is not None:
        typer.echo(f"comparison: {write_comparison(found, out)}", err=format != "table")


@app.command()
def find(
    run: Run,
    concept: Annotated[str | None, typer.Option(help="Units that meet this concept, best first.")] = None,
    image: Annotated[int | None, typer.Option(help="Units that fire in this image, by the area they fire on.")] = None,
    limit: Annotated[int, typer.Option(help="Rows at most; 0 for all.")] = 20,
    format: Annotated[str, typer.Option(help="table, csv or json.")] = "table",  # noqa: A002
) -> None:
    """Find units by a concept, or by an image that they fire in.

    Example: filterscope find runs/first --concept wheel
    """
    from filterscope.jobs.findings.find import find as run_find
    from filterscope.jobs.findings.query import shown

    typer.echo(shown(run_find(run, concept=concept, image=image), format, limit), nl=False)


@app.command()
def export(
    run: Run,
    graph: Annotated[str, typer.Option(help="Category whose explanatory graph is exported.")],
    format: Annotated[str, typer.Option(help="graphml or json.")] = "graphml",  # noqa: A002
    model: Annotated[str | None, typer.Option(help="Model, where the run has several.")] = None,
    node: Annotated[str | None, typer.Option(help="LAYER/UNIT/NODE: it, all above it and all below it.")] = None,
    image: Annotated[int | None, typer.Option(help="Number of an image: the nodes that it triggers.")] = None,
    surviving: Annotated[bool, typer.Option("--surviving", help="Surviving nodes alone.")] = False,
    out: Annotated[Path | None, typer.Option(help="A file; by default it is printed.")] = None,
) -> None:
    """Export an explanatory graph, or a part of it.

    Example: filterscope export runs/bird --graph bird --format graphml --out bird.graphml
    """
    from filterscope.jobs.findings.export import explanatory_graph, exported

    found = explanatory_graph(run, graph, model=model, node=node, image=image, surviving=surviving)
    text = exported(found, format)
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    typer.echo(f"{out}: {found.number_of_nodes()} nodes, {found.number_of_edges()} edges")


@app.command()
def localize(
    run: Run,
    part: Annotated[str, typer.Option(help="The landmark to find, such as head.")],
    shots: Annotated[int, typer.Option(help="Annotated images.")] = 3,
    share: Annotated[str, typer.Option(help="Shares of the nodes to retrieve, separated by commas.")] = _SHARES,
    most: Annotated[int, typer.Option(help="Nodes retrieved at most.")] = 500,
    draws: Annotated[int, typer.Option(help="Random sets of annotated images.")] = 20,
    category: Annotated[str | None, typer.Option(help="Category of the objects; by default each of the run.")] = None,
    model: Annotated[str | None, typer.Option(help="Model; by default each of the run.")] = None,
    layers: Annotated[
        str | None, typer.Option(help="Layers, separated by commas; by default all of the graph.")
    ] = None,
) -> None:
    """Find a part on images that a graph was not learned from, from a few annotated ones, beside baselines without a graph.

    Example: filterscope localize runs/bird --part head --shots 3
    """
    from filterscope.pipeline.methods.localize.stage import localization_report
    from filterscope.pipeline.methods.localize.stage import localize as run_localize

    names = [name.strip() for name in layers.split(",")] if layers else None
    found = run_localize(
        run, part, shots=shots, shares=_numbers("--share", share), most=most, draws=draws, category=category,
        model=model, layers=names,
    )  # fmt: skip
    typer.echo(localization_report(found), nl=False)


def _numbers(option: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option} {text}: numbers separated by commas are expected") from None


def _describe(folder: Path) -> None:
    from filterscope.pipeline.datasets.layout import Dataset

    dataset = Dataset.open(folder, need=None)
    counts = {name: dataset.table(name).num_rows for name in ("objects", "landmarks", "rejects")}
    more = "".join(f", {counts[name]} {name}" for name in ("objects", "landmarks") if counts[name])
    more += f", {counts['rejects']} rejects (see rejects.parquet)" if counts["rejects"] else ""
    typer.echo(f"{folder}: {dataset.images.num_rows} images, {dataset.concepts.num_rows} concepts{more}")


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; exit code 0 done, 1 failed with work saved, 2 bad usage or input, 130 interrupted."""
    try:
        app(args=arguments, standalone_mode=True)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2) from None
    except RunError as error:
        sys.stderr.write(f"error: {error}\nFinished work is saved; the same command resumes it.\n")
        raise SystemExit(1) from None
    except OSError as error:
        from filterscope.pipeline.stores.places import StoreError

        if isinstance(error, StoreError):
            advice = "Look at AWS_ENDPOINT_URL, AWS_REGION and the credentials in the environment"
        elif is_full(error):
            advice = "Make space"
        else:
            raise
        sys.stderr.write(f"error: {error}\n{advice}; finished work is saved, the same command resumes it.\n")
        raise SystemExit(1) from None
    except SystemExit as end:  # typer makes one of a KeyboardInterrupt
        if end.code == 130:
            sys.stderr.write("interrupted; finished work is saved, the same command resumes it\n")
        raise
