"""How every verb writes its help: what stands for a value is in capitals, and long helps come in panels of one order."""

from pathlib import Path
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup

#: Panels of the help of long verbs, in order; those of single methods stand at METHOD.
INPUT, WHAT, METHOD, SPEED, ADVANCED = "Input", "What", "Method", "Speed", "Advanced"
PANELS = (INPUT, WHAT, METHOD, SPEED, ADVANCED)

#: Choices that are longer stand one below the other.
_LONGEST = 24

_KINDS = {Path: "PATH", str: "TEXT", int: "INTEGER", float: "NUMBER"}


def panel_of(option: str, method: str = "") -> str:
    """Return the panel of an option of the run, by what it states (`pipeline.run.options.Panel`), or of one of a method."""
    return f"{METHOD}: {method}" if method else option.capitalize()


class _Notation:
    """Parameters as this program writes them."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters in the order of their panels, each with what stands for its value."""
        params = super().get_params(ctx)  # type: ignore[misc]
        panels = any(getattr(param, "rich_help_panel", None) for param in params)
        for param in params:
            if isinstance(param, TyperArgument):
                param.metavar = (param.metavar or str(param.name)).upper() + ("..." if param.nargs == -1 else "")
                param.metavar = param.metavar.replace("......", "...")
                vars(param)["display_type_rich"] = lambda ctx: ""  # its name says enough
            elif param.metavar is None:
                param.metavar = "" if getattr(param, "is_flag", False) else _stands_for(param)
            if panels and param.name == "help":
                param.rich_help_panel = ADVANCED
        return sorted(params, key=_rank) if panels else params

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help; of an option its first long name, and of a switch both of its sides in one."""
        for param in self.get_params(ctx):
            if isinstance(param, TyperArgument):
                continue
            # the text states the other names, which a narrow terminal would cut
            long = [name for name in param.opts if name.startswith("--")][:1]
            short = [name for name in param.opts if not name.startswith("--")]
            off = any(name == f"--no-{long[0].removeprefix('--')}" for name in param.secondary_opts[:1])
            param.opts = [f"--[no-]{long[0].removeprefix('--')}" if off else long[0], *short]
            param.secondary_opts = []
            if len(param.metavar or "") > _LONGEST:
                param.metavar = param.metavar.replace("|", "|\n")  # a narrow terminal would break words
        super().format_help(ctx, formatter)  # type: ignore[misc]


def _stands_for(param: Any) -> str:
    """Return what stands for a value of a parameter, by its type."""
    kind = getattr(param, "type_descriptor", None)
    name = str(getattr(kind, "annotation", None) or getattr(param.type, "name", "text"))
    return next((word for kind, word in _KINDS.items() if kind.__name__.lower() in name.lower()), "TEXT")


def _rank(param: Any) -> int:
    if isinstance(param, TyperArgument):
        return -1
    panel = (getattr(param, "rich_help_panel", None) or ADVANCED).partition(":")[0]
    return PANELS.index(panel)


class Verb(_Notation, TyperCommand):
    """A verb."""


class Verbs(_Notation, TyperGroup):
    """A group of verbs."""


__all__ = ["ADVANCED", "INPUT", "METHOD", "PANELS", "SPEED", "WHAT", "Verb", "Verbs", "panel_of"]
