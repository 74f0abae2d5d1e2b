"""Flags that follow from options: their names, and the values that text on the command line stands for."""

from types import SimpleNamespace
from typing import Annotated, Any, Literal, get_args

import pytest
from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from filterscope.jobs.config import flags as module
from filterscope.jobs.config.audit import flat_options
from filterscope.jobs.config.flags import Flag, by_field, flags, methods_text, short_flags
from filterscope.pipeline.methods import registry
from filterscope.pipeline.run.options import Options, Panel, RunOptions, option

NAMES = {flag.key: flag.names for flag in flags()}


def test_every_option_of_the_run_and_of_the_methods_is_a_flag() -> None:
    assert set(NAMES) == set(flat_options())
    spelled = [name for names in NAMES.values() for name in names]
    assert len(set(spelled)) == len(spelled)
    for method in registry.METHODS:
        for field in method.options.model_fields:
            assert f"--{method.name}.{field.replace('_', '-')}" in spelled
    for field in RunOptions.model_fields:
        assert f"--{field.replace('_', '-')}" in spelled


def test_flags_go_by_flat_name_first_and_by_old_name_last() -> None:
    assert NAMES["quantile"] == ("--quantile", "--dissection.quantile")
    assert NAMES["occluder_step"] == ("--occluder-step", "--receptive-field.step")
    assert NAMES["graph_mode"] == ("--graph-mode", "--graph.mode")
    assert NAMES["methods"] == ("--methods", "--metrics")


def test_help_states_default_and_other_names() -> None:
    said = {flag.key: flag.help for flag in flags()}
    expected = "Probability of an activation above the threshold (0.005; above 0, below 1). Also --dissection.quantile."
    assert said["quantile"] == expected
    assert said["keep_activations"].endswith("(on).")
    assert f"({', '.join(registry.defaults())})" in said["methods"]
    assert "(10; 1 or more)" in said["min_images"]
    assert "(64; 1 to 4096)" in said["image_block"]
    assert "(3; 1 to 1000000)" in said["localize.shots"]
    assert "half the input (1 to 2048)" in said["mask_size"]
    assert "(0.33; 0 or more, below 1)" in said["graph_heldout"]


def test_every_option_of_the_run_has_a_panel_and_those_of_methods_stand_with_them() -> None:
    for flag in flags():
        assert (flag.panel in get_args(Panel)) == (not flag.group), flag.key


def test_flags_of_one_method_go_by_its_fields_and_say_the_same() -> None:
    every = {flag.key: flag for flag in flags()}
    for method in registry.METHODS:
        short = short_flags(method.name)
        assert [flag.names for flag in short] == [
            (f"--{name.replace('_', '-')}",) for name in method.options.model_fields
        ]
        for flag in short:
            full = every[flag.key]
            assert (flag.metavar, flag.annotation, flag.group) == (full.metavar, full.annotation, full.group)
            assert full.help.startswith(flag.help)
    (shares,) = (flag for flag in short_flags("localize", {"shares": "share"}) if flag.key == "localize.shares")
    assert shares.names == ("--shares", "--share")
    assert shares.help.endswith("(0.01, 0.02, 0.05, 0.1; above 0, at most 1). Also --share.")


def test_options_by_flat_name_are_sorted_out_by_field() -> None:
    given = {"graph_mode": "release", "quantile": 0.1, "localize.shots": 2}
    assert by_field("graph", given) == {"mode": "release"}
    assert by_field("localize", given) == {"shots": 2}


def test_every_method_is_told_with_its_source() -> None:
    text = methods_text()
    for method in registry.METHODS:
        assert f"\n\n{method.name}: {method.about}. {method.source}." in text


@pytest.mark.parametrize(
    ("annotation", "given", "value"),
    [
        (StrictInt, "12", 12),
        (StrictInt, " 12 ", 12),
        (StrictInt, "1.5", 1.5),
        (StrictInt, "twelve", "twelve"),
        (StrictInt | None, "12", 12),
        (Annotated[StrictFloat, Field(gt=0)], "0.5", 0.5),
        (StrictFloat, "2", 2),
        (StrictFloat, "1e-3", 0.001),
        (StrictStr | None, "12", "12"),
        (Literal["a", "b"], "a", "a"),
        (tuple[StrictFloat, ...], "0.1, 0.2", [0.1, 0.2]),
        (tuple[StrictInt, ...], "1,x", [1, "x"]),
        (tuple[StrictInt, ...], ",", ","),
        (tuple[str, ...], "1,2", "1,2"),
        (StrictBool, True, True),
    ],
)
def test_text_becomes_what_a_file_would_hold(annotation: Any, given: str | bool, value: object) -> None:
    found = Flag("key", ("--key",), "Help.", "", "what", "TEXT", annotation).value(given)
    assert found == value
    assert type(found) is type(value)


def test_kinds_of_options_show_what_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    class Some(Options):
        method = "some"
        many: tuple[StrictFloat, ...] = option((0.1, 0.2), "many numbers")
        switch: StrictBool = option(False, "a switch")
        choice: Literal["a", "b"] = option("a", "a choice", flat="choice")

    fields = {flat.replace(".", "_"): Some.model_fields[name] for name, flat in Some.flat_names().items()}
    monkeypatch.setattr(module, "AuditConfig", SimpleNamespace(model_fields=fields))
    monkeypatch.setattr(module, "RunOptions", Options)
    monkeypatch.setattr(registry, "METHODS", (SimpleNamespace(name="some", options=Some),))
    many, switch, choice = flags()
    assert (many.names, many.metavar, many.help) == (("--some.many",), "NUMBER,...", "Many numbers (0.1, 0.2).")
    assert (switch.switch, switch.help, switch.group) == (True, "A switch (off).", "some")
    assert (choice.names, choice.metavar) == (("--choice", "--some.choice"), "a|b")
