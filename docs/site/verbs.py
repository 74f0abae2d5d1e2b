"""Pages of the command line: one for each verb, with what ``--help`` says."""

import re
from collections.abc import Iterator
from typing import Any

import typer
from rich.text import Text

from filterscope.jobs.cli.main import app


def verbs() -> Iterator[tuple[str, Any, Any]]:
    """Yield each verb with its name, such as ``import coco``, the command and its context."""
    group = typer.main.get_command(app)
    yield from _below(group, type(group).context_class(group, info_name="filterscope"), "")


def _below(group: Any, context: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command.hidden:
            continue
        inner = type(command).context_class(command, info_name=name, parent=context)
        if hasattr(command, "list_commands"):
            yield from _below(command, inner, f"{path}{name} ")
        else:
            yield f"{path}{name}", command, inner


def pages() -> dict[str, str]:
    """Return a page for each verb and one that lists them."""
    found = {name: (command, context) for name, command, context in verbs()}
    place = {name: f"command_line/{name.replace(' ', '_')}" for name in found}
    lines = [
        f"| [`{name}`]({place[name]}.md) | {_prose(command.help.splitlines()[0])} |"
        for name, (command, _) in found.items()
    ]
    overview = [
        "# Command line", "",
        "`filterscope VERB --help` prints what the page of a verb says. Results go to standard output, progress and notes to "
        "standard error; what the exit codes mean is in [operations](operations.md).", "",
        "| verb | does |", "| --- | --- |", *lines, "",
        ":::{toctree}", ":hidden:", "", *(f"{name} <{place[name]}>" for name in found), ":::", "",
    ]  # fmt: skip
    return {"command_line.md": "\n".join(overview)} | {
        f"{place[name]}.md": "\n".join(_page(name, *one)) for name, one in found.items()
    }


def _page(name: str, command: Any, context: Any) -> Iterator[str]:
    about, _, example = command.help.partition("Example:")
    yield from (f"# {name}", "", _prose(about), "")
    if example:
        yield from ("```console", f"$ {' '.join(example.split())}", "```", "")
    usage = " ".join(command.get_usage(context).removeprefix("Usage: ").split())
    yield from ("## Usage", "", "```text", usage, "```", "")
    panels: dict[str, list[Any]] = {}
    for parameter in command.get_params(context):
        usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
        panels.setdefault(getattr(parameter, "rich_help_panel", None) or usual, []).append(parameter)
    for panel, parameters in panels.items():
        records = [record for one in parameters if (record := one.get_help_record(context))]
        if records:
            yield from (f"## {_prose(panel)}", "", f"| {parameters[0].param_type_name} | is |", "| --- | --- |")
            yield from (f"| {_names(names)} | {_meaning(text)} |" for names, text in records)
            yield ""


def _names(text: str) -> str:
    """Return names of an option as code, each on its own so that a narrow screen can break between them."""
    return " ".join(f"`{part}`".replace("|", r"\|") for part in re.split(r"(?<=,) (?=--)", text))


def _meaning(text: str) -> str:
    said, bracket, facts = text.partition("  [")
    about = _prose(said.strip())
    for fact in facts.rstrip("]").split("; ") if bracket else ():
        name, colon, value = fact.partition(": ")
        about += f" *{name}:* `{value}`." if colon else " **Required.**" if fact == "required" else f" `{fact}`."
    return about.replace("|", r"\|")


def _prose(text: str) -> str:
    """Return help of the terminal as Markdown: Rich's markup gone, what Markdown would read as markup escaped."""
    plain = " ".join(Text.from_markup(text).plain.split())
    parts = re.split(r"(`[^`]+`)", plain)
    return "".join(part if i % 2 else re.sub(r"([*_<>\[\]$])", r"\\\1", part) for i, part in enumerate(parts))
