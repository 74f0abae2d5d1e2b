"""Flags that follow from options: added to a verb when it is asked for, so that `filterscope --help` loads no options."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

import typer

from filterscope.jobs.cli.verbs import Verb, panel_of
from filterscope.pipeline.engine.errors import InputError

if TYPE_CHECKING:
    from filterscope.jobs.config.flags import Flag

Function = TypeVar("Function", bound=Callable[..., Any])


def takes_options(verb: Function) -> Function:
    """Mark a verb whose ``**options`` are the flags of options; register it with ``cls=OptionsCommand`` or `options_of`."""
    signature = inspect.signature(verb)
    stated = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    vars(verb)["__signature__"] = signature.replace(parameters=stated)
    return verb


class OptionsCommand(Verb):
    """A verb with the flags of all options beside its own, and a list of the methods below its help."""

    #: The one method whose options are flags, by the names of their fields; with none, all options are.
    method: ClassVar[str] = ""
    required: ClassVar[Sequence[str]] = ()
    also: ClassVar[Mapping[str, str]] = {}

    _complete = False

    def get_params(self, ctx: Any) -> list[Any]:
        """Return its parameters; those that follow from options are made the first time."""
        if not self._complete:
            app = typer.Typer(add_completion=False)
            app.command()(with_flags(inspect.unwrap(self.callback), self._flags(), self.required))  # type: ignore[arg-type]
            made = typer.main.get_command(app)
            self.params, self.callback, self._complete = made.params, made.callback, True
        return super().get_params(ctx)

    def _flags(self) -> "list[Flag]":
        from filterscope.jobs.config.flags import flags, short_flags

        return short_flags(self.method, self.also) if self.method else flags()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what was given, unless it states an option by two of its names, of which one would be ignored."""
        given = {arg.partition("=")[0] for arg in args[: args.index("--") if "--" in args else None]}
        for param in self.get_params(ctx):
            names = zip_longest(param.opts, param.secondary_opts)
            used = [name for name, off in names if given & {name, off}]
            if used[1:]:
                raise InputError(f"{' and '.join(used)} are the same option; state one")
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write its help, with the methods there are at the end."""
        from rich.markup import escape

        from filterscope.jobs.config.flags import methods_text

        if not self.method:
            self.epilog = escape(methods_text())
        super().format_help(ctx, formatter)


def options_of(
    method: str, *, required: Sequence[str] = (), also: Mapping[str, str] | None = None
) -> type[OptionsCommand]:
    """Return the command of a verb that takes the options of one method.

    Parameters
    ----------
    method : str
        Its name; flags go by the names of its fields.
    required : sequence of str
        Flags that must be given, such as ``--part``.
    also : mapping, optional
        A second name by field.
    """
    return type("OptionsCommand", (OptionsCommand,), {"method": method, "required": required, "also": also or {}})


def with_flags(verb: Callable[..., Any], flags: "Iterable[Flag]", required: Sequence[str]) -> Callable[..., Any]:
    """Return a verb that states flags one by one."""
    from filterscope.jobs.config.audit import attribute

    def complete(**values: Any) -> Any:
        return verb(**values)

    signature = inspect.signature(verb)
    added = [
        inspect.Parameter(
            attribute(flag.key),
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if flag.names[0] in required else None,
            annotation=_annotation(flag),
        )
        for flag in flags
    ]
    vars(complete)["__signature__"] = signature.replace(parameters=[*signature.parameters.values(), *added])
    return complete


def _annotation(flag: "Flag") -> Any:
    from rich.markup import escape

    names = [f"{name}/--no-{name.removeprefix('--')}" if flag.switch else name for name in flag.names]
    option = typer.Option(
        *names,
        help=escape(flag.help),
        metavar=flag.metavar or None,
        rich_help_panel=panel_of(flag.panel, flag.group),
    )
    return Annotated[bool | None if flag.switch else str | None, option]


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given of ``**options``, by flat name and as values that a configuration file would hold."""
    from filterscope.jobs.config.audit import attribute
    from filterscope.jobs.config.flags import flags

    values = {flag: options.get(attribute(flag.key)) for flag in flags()}
    return {flag.key: flag.value(value) for flag, value in values.items() if value is not None}


__all__ = ["OptionsCommand", "given", "options_of", "takes_options", "with_flags"]
