"""The verb `train`, with a verb for each recipe below it, made when it is asked for."""

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from filterscope.jobs.cli.arguments import Models, place
from filterscope.jobs.cli.flags import with_flags
from filterscope.jobs.cli.verbs import ADVANCED, INPUT, SPEED, WHAT, Verb, Verbs
from filterscope.jobs.terminal import say, show

if TYPE_CHECKING:
    from filterscope.pipeline.training.plan import Asked
    from filterscope.pipeline.training.recipe import Recipe

app = typer.Typer()


class Recipes(Verbs):
    """One verb per recipe."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the recipes."""
        from filterscope.pipeline.training.registry import names

        return names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the verb of a recipe; None if there is none, which the command line tells."""
        from filterscope.pipeline.training import registry

        return _command(registry.recipe(cmd_name)) if cmd_name in registry.names() else None


recipes = typer.Typer(
    cls=Recipes,
    no_args_is_help=True,
    help="Train networks by a recipe; running it again finishes or extends what is there.",
)
app.add_typer(recipes, name="train")


@recipes.callback()
def _train() -> None:
    """Train networks by a recipe; running it again finishes or extends what is there."""


Data = Annotated[Path, typer.Option(help="An imported data set.", parser=place, metavar="PATH", rich_help_panel=INPUT)]
Out = Annotated[
    Path,
    typer.Option(
        help="The run folder; trainings there are resumed.", parser=place, metavar="PATH", rich_help_panel=WHAT
    ),
]
Layers = Annotated[
    str | None,
    typer.Option(help="Layers of the models to start from (-1).", metavar="TEXT,...", rich_help_panel=INPUT),
]
Seeds = Annotated[int, typer.Option(help="Trainings of each, with seeds from 0.", rich_help_panel=WHAT)]
Device = Annotated[str, typer.Option(help="Where it trains.", metavar="auto|cpu|cuda", rich_help_panel=SPEED)]
Threads = Annotated[
    int,
    typer.Option(
        help="Threads of each training, or of each worker of it; results depend on it.", rich_help_panel=SPEED
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        help="Workers that train each network together, a GPU or --threads each; results depend on it.",
        rich_help_panel=SPEED,
    ),
]
Actors = Annotated[
    int | None,
    typer.Option(
        help="Trainings at once, a process each, 0: in this one; unset: from the machine.",
        min=0,
        max=10_000,
        rich_help_panel=SPEED,
    ),
]
Anew = Annotated[bool, typer.Option("--redo", help="Train anew what is finished.", rich_help_panel=ADVANCED)]


def _command(recipe: "Recipe") -> Any:
    """Return the verb of a recipe."""
    from filterscope.jobs.config.flags import option_flags

    flags = option_flags(recipe.options, recipe.name)

    def train(
        data: Data,
        out: Out,
        model: Annotated[list[str] | None, Models] = None,
        layers: Layers = None,
        seeds: Seeds = 3,
        device: Device = "auto",
        threads: Threads = 1,
        workers: Workers = 1,
        actors: Actors = None,
        redo: Anew = False,
        **options: Any,
    ) -> None:
        from filterscope.jobs.config.train import asked_of

        given = {flag.key: flag.value(options[flag.key]) for flag in flags if options.get(flag.key) is not None}
        beside: dict[str, Any] = {
            "seeds": seeds,
            "models": model or (),
            "layers": layers or (),
            "device": device,
            "threads": threads,
            "workers": workers,
        }
        _carry_out(asked_of(recipe.name, data, given, **beside), out, actors, redo)

    stated = [one for one in inspect.signature(train).parameters.values() if one.kind is not one.VAR_KEYWORD]
    hidden = () if recipe.from_model else ("model", "layers")
    vars(train)["__signature__"] = inspect.Signature([one for one in stated if one.name not in hidden])
    app, verb = typer.Typer(add_completion=False), with_flags(train, flags, ())
    verb.__doc__ = _help(recipe)
    app.command(recipe.name, cls=Verb)(verb)
    return typer.main.get_command(app)


def _carry_out(asked: "Asked", out: Path, actors: int | None, redo: bool) -> None:
    from filterscope.jobs.findings.training import print_training
    from filterscope.jobs.findings.twins import print_twins
    from filterscope.jobs.runs.train import train
    from filterscope.pipeline.training.twins import PAIR, twins_of

    if not train(asked, out, actors=actors, redo=redo, command=" ".join(sys.argv[1:])):
        say(f"nothing to do: {out} is complete")
    show(print_training(out, asked.recipe))
    if twins_of(out):
        show(print_twins([out], ",".join(PAIR)))


def _help(recipe: "Recipe") -> str:
    starts = " --model torchvision:resnet18@weights.pth --layers layer4" if recipe.from_model else ""
    example = f"Example: filterscope train {recipe.name}{starts} --data data/faces --seeds 3 --out runs/faces"
    return f"Train {recipe.about}.\n\n{recipe.source}.\n\n{example}"


__all__ = ["app"]
