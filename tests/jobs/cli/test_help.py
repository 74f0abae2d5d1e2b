"""The help of every verb: short and long name, one notation for values, every default and choice, panels of one order."""

import re

import pytest
import typer
from typer.core import TyperArgument

from filterscope.jobs.cli import main as cli
from filterscope.jobs.cli.verbs import PANELS, Verb, Verbs, panel_of
from filterscope.jobs.config import flags as flags_module
from filterscope.jobs.config.flags import Flag, flags
from filterscope.pipeline.run.options import Panel

#: What may stand for a value: capitals, a form of capitals, or choices.
VALUE = re.compile(
    r"([A-Z][A-Z.]*(=VALUE|,\.\.\.)?|[A-Z]+(/[A-Z]+)+|http://HEAD:8265|rotate:SEED\[:ALPHA\]|[\w-]+(\|[\w-]+)+|)"
)


def verbs(group=None, path=()):
    """Every verb with what leads to it."""
    group = group or typer.main.get_command(cli.app)
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        assert isinstance(command, Verbs if hasattr(command, "commands") else Verb), name
        if hasattr(command, "commands"):
            yield from verbs(command, (*path, name))
        else:
            yield (*path, name), command


EVERY = dict(verbs())
LONG = [("audit",), ("submit",), ("graph",)]


def help_of(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main([*arguments])
    assert stop.value.code == 0
    return capsys.readouterr().out


def words(text):
    """A help in one line, without its frames."""
    return re.sub(r"[\s│╭╮╰╯─]+", " ", text)


@pytest.mark.parametrize("path", [(), ("import",), ("train",), *EVERY], ids=" ".join)
def test_h_is_help(capsys, path):
    assert help_of(capsys, *path, "-h") == help_of(capsys, *path, "--help")


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_a_help_fits_80_columns_and_cuts_nothing(capsys, monkeypatch, path):
    monkeypatch.setenv("COLUMNS", "80")
    text = help_of(capsys, *path, "--help")
    assert max(map(len, text.splitlines())) <= 80
    assert not re.search(r"…|<\w+>", text)


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_one_notation_for_values(path):
    command = EVERY[path]
    with command.make_context(path[-1], [], resilient_parsing=True) as context:
        for param in command.get_params(context):
            if isinstance(param, TyperArgument):
                assert re.fullmatch(r"[A-Z]+(\.\.\.)?", param.metavar), param.name
            else:
                assert VALUE.fullmatch(param.metavar), (param.name, param.metavar)
                assert bool(param.metavar) != bool(param.is_flag), param.name


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_default_is_said(capsys, monkeypatch, path):
    monkeypatch.setenv("COLUMNS", "300")
    text, command = words(help_of(capsys, *path, "--help")), EVERY[path]
    with command.make_context(path[-1], [], resilient_parsing=True) as context:
        for param in command.get_params(context):
            if param.default in (None, False, "") or param.required or isinstance(param, TyperArgument):
                continue
            said = "on" if param.default is True else str(param.default)
            assert f"[default: {said}]" in text or re.search(rf"\({re.escape(said)}[;)]", param.help), param.name


@pytest.mark.parametrize("path", LONG, ids=" ".join)
def test_long_helps_come_in_panels_of_one_order(capsys, path):
    titles = re.findall(r"^╭─ (.+?) ─+╮$", help_of(capsys, *path, "--help"), re.M)
    titles = [title for title in titles if title != "Arguments"]
    assert "Options" not in titles
    places = [PANELS.index(title.partition(":")[0]) for title in titles]
    assert places == sorted(places)


def test_the_panels_of_options_are_those_of_the_help():
    from typing import get_args

    assert {panel_of(name) for name in get_args(Panel)} == {*PANELS} - {"Method"}


def test_options_of_a_new_method_stand_in_its_panel(capsys, monkeypatch):
    new = Flag("new.depth", ("--new.depth",), "How deep (3).", "new", "", "INTEGER", int)
    monkeypatch.setattr(flags_module, "flags", lambda: [*flags(), new])
    text = help_of(capsys, "audit", "--help")
    panel = text.partition("╭─ Method: new ─")[2].partition("╰")[0]
    assert "--new.depth" in panel
    assert text.index("╭─ Method: new ─") < text.index("╭─ Speed ─")
