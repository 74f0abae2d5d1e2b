"""The flags of `audit`: all of version 0.1, those of every option, and what is said of wrong ones."""

import re

import pytest

from filterscope.jobs.cli import main as cli
from filterscope.jobs.config import audit as configuration
from filterscope.jobs.config.flags import flags
from filterscope.jobs.runs import audit as jobs
from filterscope.pipeline.methods import registry
from filterscope.pipeline.methods.localize.options import LocalizeOptions
from tests import planted

NEEDED = ("--data", ".", "--out", "run", "--model", "torchvision:resnet18@random:0")

#: Every flag of version 0.1 that became an option of the run or of a method, with a value, and where it goes.
FORMER = [
    ("--metrics", "growth", "methods", ("growth",)), ("--geometry", "crop", "geometry", "crop"),
    ("--views", "objects:cat", "views", "objects:cat"), ("--flips", None, "flips", True),
    ("--negatives", None, "negatives", True), ("--anchoring", "receptive_field", "anchoring", "receptive_field"),
    ("--mask-mode", "survey", "mask_mode", "survey"), ("--quantile", "0.25", "quantile", 0.25),
    ("--min-images", "3", "min_images", 3), ("--mask-size", "56", "mask_size", 56),
    ("--unit-image", "top", "unit_image", "top"), ("--top-images", "4", "top_images", 4),
    ("--no-keep-activations", None, "keep_activations", False), ("--keep-activations", None, "keep_activations", True),
    ("--store", "none", "store", "none"),
    ("--location-protocol", "explanatory-graph", "location_protocol", "explanatory-graph"),
    ("--occluder", "11", "occluder", 11), ("--occluder-step", "3", "occluder_step", 3),
    ("--field-images", "5", "field_images", 5), ("--field-units", "6", "field_units", 6),
    ("--units", "3,17,40-47", "units", "3,17,40-47"), ("--max-rejects", "0.5", "max_rejects", 0.5),
    ("--image-block", "8", "image_block", 8), ("--unit-block", "16", "unit_block", 16), ("--actors", "0", "actors", 0),
    ("--device", "cpu", "device", "cpu"), ("--activation-scale", "0.5", "activation_scale", 0.5),
]  # fmt: skip


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Return what an audit with some flags would be asked, without running it."""
    monkeypatch.chdir(tmp_path)

    def ask(*arguments):
        found = []
        monkeypatch.setattr(jobs, "audit", lambda config, **_: found.append(config))
        with pytest.raises(SystemExit) as stop:
            cli.main(["audit", "--no-report", *NEEDED, *arguments])
        assert not stop.value.code, arguments
        return found[0]

    return ask


@pytest.mark.parametrize(("flag", "text", "key", "value"), FORMER, ids=[flag for flag, *_ in FORMER])
def test_flags_of_version_0_1_work(asked, flag, text, key, value):
    config = asked(flag, *([] if text is None else [text]))
    assert getattr(config, key) == value


def test_flags_beside_the_options_work(asked):
    config = asked("--layers", "a,b", "--basis", "rotate:3", "--batch-size", "4", "--model", "timm:vgg11")
    assert (config.layers, config.basis, config.batch_size) == (("a", "b"), "rotate:3", 4)
    assert [model.source for model in config.models] == ["torchvision:resnet18@random:0", "timm:vgg11"]


@pytest.mark.slow
def test_a_flag_has_its_effect_by_each_of_its_names(asked, monkeypatch):
    seen = []

    def load_config(zoo, **given):
        seen.append({key: value for key, value in given.items() if value is not None})
        return real(zoo, **{key: value for key, value in given.items() if key in ("models", "data", "out")})

    real = configuration.load_config
    monkeypatch.setattr(configuration, "load_config", load_config)
    for flag in flags():
        for name in flag.names:
            value = True if flag.switch else flag.value("7")
            asked(name, *([] if flag.switch else ["7"]))
            assert seen[-1][flag.key] == value, name
            assert set(seen[-1]) == {"models", "data", "out", flag.key}
        if flag.switch:
            asked(f"--no-{flag.names[0].removeprefix('--')}")
            assert seen[-1][flag.key] is False


@pytest.mark.slow
def test_a_default_said_aloud_changes_nothing(asked):
    plain = asked()
    for flag in flags():
        default = getattr(plain, configuration.attribute(flag.key))
        if not flag.switch and default is not None:
            text = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
            assert asked(flag.names[-1], text) == plain, flag


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(["audit", *arguments])
    assert stop.value.code == 2
    return re.sub(r"[\s│╭╮╰╯─]+", " ", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--quantile", "2"), "error: the options: quantile: received 2; expected less than 1 "),
        (("--dissection.quantile", "x"), "error: the options: quantile: received 'x'; expected a number "),
        (("--mask-size", "3.5"), "error: the options: mask_size: received 3.5; expected a whole number "),
        (("--geometry", "crp"), "error: the options: geometry: received 'crp'; expected 'squash' or 'crop' "),
        (("--units", "3,x"), "error: the options: units: received '3,x'; expected units such as 3,17,40-47, "
                             "where 'x' is neither a number nor a range "),
        (("--methods", ""), "error: the options: methods: received ''; expected at least one name "),
    ],
)  # fmt: skip
def test_wrong_values_say_what_was_received_and_what_is_expected(capsys, tmp_path, arguments, expected):
    assert refused(capsys, *NEEDED, *arguments) == expected


@pytest.mark.parametrize(
    ("wrong", "near"), [("--quantil", "--quantile"), ("--receptive-field.ocluder", "--receptive-field.occluder")]
)
def test_an_unknown_flag_is_answered_with_the_nearest(capsys, wrong, near):
    answer = refused(capsys, *NEEDED, wrong, "1")
    assert f"No such option: {wrong} (Possible options: " in answer
    assert near in answer


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--metrics", "growth", "--methods", "parts"), "error: --methods and --metrics are the same option; state one "),
        (("--dissection.quantile", ".01", "--quantile=.02"),
         "error: --quantile and --dissection.quantile are the same option; state one "),
    ],
)  # fmt: skip
def test_two_names_of_one_option_are_refused(capsys, arguments, expected):
    assert refused(capsys, *NEEDED, *arguments) == expected


def test_one_name_twice_is_no_second_name(asked):
    assert asked("--quantile", "0.1", "--quantile", "0.2").quantile == 0.2
    assert asked("--flips", "--no-flips").flips is False


@pytest.fixture
def configured(monkeypatch, tmp_path):
    """Return what the verb `graph` would audit, without running it."""
    from filterscope.jobs.findings import graph

    planted.write_dataset(tmp_path / "data")
    monkeypatch.setattr(graph, "graph_report", lambda run: "")

    def ask(*arguments):
        found = []
        monkeypatch.setattr(jobs, "audit", lambda config, **_: found.append(config))
        with pytest.raises(SystemExit) as stop:
            cli.main(["graph", *NEEDED[2:], "--data", str(tmp_path / "data"), "--layers", "layer4", *arguments])
        assert not stop.value.code, arguments
        return configuration.settings_of(found[0])

    return ask


def test_graph_takes_the_options_of_its_method(configured):
    plain = configured()
    defaults = {"graph_mode": "paper", "graph_iterations": 20, "graph_heldout": 0.33}
    assert defaults.items() <= plain.items()
    assert (plain["flips"], plain["unit_block"], plain["views"]) == (True, 32, "objects")
    given = configured("--mode", "release", "--iterations", "3", "--heldout", "0.5", "--category", "bird")
    changed = {"graph_mode": "release", "graph_iterations": 3, "graph_heldout": 0.5, "views": "objects:bird"}
    assert given == plain | changed


def test_graph_says_what_is_wrong_with_an_option(capsys, tmp_path):
    planted.write_dataset(tmp_path / "data")
    with pytest.raises(SystemExit) as stop:
        cli.main(["graph", *NEEDED[2:], "--data", str(tmp_path / "data"), "--layers", "layer4", "--iterations", "x"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: the options: [graph] iterations: received 'x'; expected a whole number\n"


@pytest.fixture
def localized(monkeypatch):
    """Return what the verb `localize` would look for, without looking."""
    from filterscope.jobs.findings import localize

    def ask(*arguments):
        found = []
        monkeypatch.setattr(localize, "localize", lambda run, **options: found.append(options))
        monkeypatch.setattr(localize, "localization_report", lambda rows: "")
        with pytest.raises(SystemExit) as stop:
            cli.main(["localize", "runs/a", *arguments])
        return stop.value.code, *found

    return ask


def test_localize_takes_the_options_of_its_method(localized):
    assert localized("--part", "head") == (0, {"part": "head", "method": "nodes"})
    assert localized("--part", "head", "--method", "and-or") == (0, {"part": "head", "method": "and-or"})
    code, given = localized(
        "--part", "head", "--shots", "2", "--share", "0.1, 0.5", "--most", "7", "--draws", "4", "--category", "bird",
        "--model", "own", "--layers", "3, 1",
    )  # fmt: skip
    assert not code
    assert given.pop("method") == "nodes"
    assert given == {
        "part": "head", "shots": 2, "shares": [0.1, 0.5], "most": 7, "draws": 4, "category": "bird", "model": "own",
        "layers": "3, 1",
    }  # fmt: skip
    assert LocalizeOptions(**given).layers == ("3", "1")
    assert localized("--part", "head", "--shares", "0.1")[1]["shares"] == [0.1]


def test_localize_needs_a_part(localized, capsys):
    assert localized() == (2,)
    assert "Missing option '--part'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--shots", "0"), "--shots: received 0; expected greater than or equal to 1"),
        (("--shots", "few"), "--shots: received 'few'; expected a whole number"),
        (("--share", "half"), "--shares: received 'half'; expected a number"),
        (("--shares", "0.5,2"), "--shares: received 2; expected less than or equal to 1"),
        (("--shares", "0.5", "--share", "0.1"), "--shares and --share are the same option; state one"),
    ],
)
def test_localize_says_what_is_wrong_with_an_option(capsys, arguments, expected):
    with pytest.raises(SystemExit) as stop:
        cli.main(["localize", "runs/none", "--part", "head", *arguments])
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"error: {expected}\n"


def test_help_groups_flags_by_method_and_tells_of_every_method(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit):
        cli.main(["audit", "--help"])
    out = re.sub(r"[ ─]+", " ", capsys.readouterr().out)
    for method in registry.METHODS:
        assert f" {method.name}: {method.about}. {method.source}." in out
        assert (f"Method: {method.name} " in out) == bool(method.options.model_fields)
    for flag in flags():
        assert re.sub(r" +", " ", flag.help) in out


def test_version(capsys):
    from importlib.metadata import version

    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert not stop.value.code
    assert capsys.readouterr().out == f"filterscope {version('filterscope')}\n"
