"""Configuration: what TOML and flags mean together, and what a user reads when they are wrong."""

import json
import math
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from filterscope.jobs.config.audit import AuditConfig, ModelConfig, load_config, settings_of
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods import registry
from filterscope.pipeline.models.spec import ModelSpec
from tests.jobs.config.loading import CHECKPOINTS, NEEDED, NETWORK, load, message, touch


@pytest.mark.parametrize("value", ["gs://bucket/run", Path("gs://bucket/run"), "file:///run"])
@pytest.mark.parametrize("key", ["data", "out"])
def test_a_place_of_another_kind_is_refused_and_not_made_a_folder(folder: Path, key: str, value: object) -> None:
    assert message(NEEDED, **{key: value}).startswith(f"{key}: received '{value}'; expected a folder of a file system")
    assert {path.name for path in folder.iterdir()} == {"data", "zoo.toml"}


def test_defaults_are_those_of_the_design(folder: Path) -> None:
    resolved = load(NEEDED).resolved()
    expected = {
        "data": str(folder / "data"),
        "out": str(folder / "out"),
        "models": [{"source": NETWORK}],
        "layers": ["-1"],
        "anchoring": "resize",
        "geometry": "squash",
        "views": "image",
        "flips": False,
        "negatives": False,
        "min_images": 10,
        "quantile": 0.005,
        "unit_image": "active",
        "top_images": 15,
        "occluder": 33,
        "occluder_step": 9,
        "field_images": 10,
        "field_units": 64,
        "max_rejects": 0.01,
        "image_block": 64,
        "unit_block": 128,
        "device": "auto",
        "activation_scale": 1.0,
    }
    assert resolved == {**resolved, **expected}


def test_flags_alone_suffice(folder: Path) -> None:
    config = load_config(data=Path("data"), out="run", models=[NETWORK], layers=["a,b", "a"], actors=None)
    assert (config.out, config.layers, config.actors) == (folder / "run", ("a", "b"), None)
    assert config.models == (ModelConfig(source=NETWORK),)


def test_flags_replace_the_file_and_unset_flags_do_not(folder: Path) -> None:
    config = load(NEEDED + "quantile = 0.01\nmin_images = 3\n", quantile=0.02, min_images=None, layers=[])
    assert (config.quantile, config.min_images, config.layers) == (0.02, 3, ("-1",))
    assert [model.source for model in load(NEEDED, models=["timm:vgg11"]).models] == ["timm:vgg11"]


def test_options_stand_alone_or_in_the_table_of_their_method(folder: Path) -> None:
    tables = load(
        NEEDED + "[graph]\nmode = 'release'\nheldout = 0.25\n[dissection]\nquantile = 0.01\n"
        "[receptive-field]\nstep = 3\nunits = [3, 17]\n[growth]\n"
    )
    alone = load(
        "graph_mode = 'release'\ngraph_heldout = 0.25\nquantile = 0.01\noccluder_step = 3\nunits = '3,17'\n" + NEEDED
    )
    assert tables == alone
    found = settings_of(tables)
    assert (found["graph_mode"], found["graph_heldout"], found["quantile"]) == ("release", 0.25, 0.01)
    assert (found["occluder_step"], found["units"]) == (3, "3,17")
    assert settings_of(load(NEEDED + "[dissection]\nquantile = 0.01", quantile=0.02))["quantile"] == 0.02


def test_options_of_a_method_may_be_given_as_a_mapping(folder: Path) -> None:
    given = {"dissection": {"quantile": 0.01}, "receptive-field": {"step": 3}, "graph": {"heldout": 0.25, "mode": None}}
    found = load(NEEDED, **given)
    assert found == load(NEEDED + "quantile = 0.01\noccluder_step = 3\ngraph_heldout = 0.25")
    assert found != load(NEEDED)
    file = NEEDED + "[graph]\nheldout = 0.1\niterations = 5"
    both = settings_of(load(file, graph={"heldout": 0.2}))
    assert (both["graph_heldout"], both["graph_iterations"]) == (0.2, 5)
    assert load(NEEDED, graph={}) == load(NEEDED)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"graph": {"heldout": 1}}, "zoo.toml: [graph] heldout: received 1; expected less than 1"),
        ({"graph_heldout": 1}, "zoo.toml: graph_heldout: received 1; expected less than 1"),
        ({"graph": {"heldut": 0.2}}, "unknown key 'heldut' in [graph] of the options. Did you mean 'heldout'?"),
        ({"graph": {1: 0.2}}, "unknown key 1 in [graph] of the options. Keys are: mode, iterations, heldout, window."),
        ({"graph": 0.2}, "the options: graph: received 0.2; expected a table [graph] of its options"),
        ({"receptive_field": {"step": 3}}, "unknown key 'receptive_field' in the options. Did you mean 'receptive-field'?"),
        ({"quantile": 0.1, "dissection": {"quantile": 0.2}},
         "the options state quantile twice, alone and in [dissection]; remove one"),
    ],
)  # fmt: skip
def test_a_wrong_mapping_is_refused_by_the_name_it_has(folder: Path, given: dict[str, object], expected: str) -> None:
    assert message(NEEDED + "[graph]\nheldout = 0.5", **given) == expected


def test_methods_go_by_their_old_name_too(folder: Path) -> None:
    assert load("metrics = 'growth,dissection,growth'\n" + NEEDED).methods == ("growth", "dissection")
    assert load(NEEDED, metrics=["growth"]) == load(NEEDED, methods="growth")
    assert load(NEEDED).methods == registry.defaults()


def test_relative_paths_start_from_the_file_or_from_the_working_directory(folder: Path) -> None:
    touch("zoo/data/x", "zoo/w.pth")
    Path("zoo/zoo.toml").write_text('data = "data"\nout = "../runs/a"\nmodels = ["timm:vgg11@w.pth"]')
    config = load_config("zoo/zoo.toml")
    assert (config.data, config.out) == (folder / "zoo/data", folder / "runs/a")
    assert config.models[0].source == f"timm:vgg11@{folder}/zoo/w.pth"
    flagged = load_config("zoo/zoo.toml", data="data", out="run", models=["timm:vgg11@w.pth"])
    assert (flagged.data, flagged.out) == (folder / "data", folder / "run")
    assert flagged.models[0].source == f"timm:vgg11@{folder}/w.pth"


@pytest.mark.parametrize("source", [NETWORK, "torchvision:vgg11@IMAGENET1K_V1", "package:efficientnet-lite0"])
def test_weights_that_are_no_path_stay_as_written(folder: Path, source: str) -> None:
    assert load_config(data="data", out="run", models=[source]).models[0].source == source


def test_a_model_states_its_own_settings_and_becomes_a_spec(folder: Path) -> None:
    entry = """
    [[models]]
    factory = "nets.cifar:resnet20@w.safetensors"
    name = "own"
    layers = "block3"
    input_size = 32
    mean = [0.5, 0.5, 0.5]
    std = [0.25, 0.25, 1]
    interpolation = "nearest"
    state_key = "ema"
    [[models]]
    source = "timm:vgg11"
    """
    config = load('data = "data"\nout = "out"\nlayers = [-1, "conv*"]\n' + entry)
    source = f"factory:nets.cifar:resnet20@{folder}/w.safetensors"
    assert config.models[0].spec() == ModelSpec(source, "own", 32, (0.5, 0.5, 0.5), (0.25, 0.25, 1.0), "nearest", "ema")
    assert config.models[1].spec() == ModelSpec("timm:vgg11")
    assert [config.layers_of(model) for model in config.models] == [("block3",), ("-1", "conv*")]


@pytest.mark.parametrize(
    "units", ["'40-47,3,17'", "[3, 17, '40-44', '42-47']", "' 17, 3 ,40 - 47,'", "['3', '17,40-47']"]
)
def test_units_have_one_name_however_they_are_listed(folder: Path, units: str) -> None:
    config = load(NEEDED + f"units = {units}")
    assert config.units == load(NEEDED, units="3,17,40-47").units == "3,17,40-47"
    assert AuditConfig(**config.resolved()) == config
    assert load(NEEDED).units is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("quantil = 0.01", "unknown key 'quantil' in zoo.toml. Did you mean 'quantile'?"),
        ("[[models]]\nnme = 'a'", "unknown key 'nme' in [[models]] number 1 of zoo.toml. Did you mean 'name'?"),
        ("x = = 1", "cannot read zoo.toml as TOML: Invalid value (at line 1, column 5)"),
        ("models = 5", "models: received 5; expected [[models]] tables or a list of sources"),
        (
            "[[models]]\nzzz = 1",
            "unknown key 'zzz' in [[models]] number 1 of zoo.toml. Keys are: source, name, layers, input_size, mean, "
            "std, interpolation, state_key, prefix, basis, classes, args, checkpoints, factory.",
        ),
        (
            "out = 'out'\nmodels = ['timm:vgg11']",
            "zoo.toml: data: missing; expected the folder of an imported data set (--data DIR)",
        ),
        (
            "data = 'data'\nout = 'out'",
            "zoo.toml: models: missing; expected networks (--model SOURCE, or [[models]] in a TOML file)",
        ),
        (NEEDED + "quantile = 1", "zoo.toml: quantile: received 1; expected less than 1"),
        (NEEDED + "quantile = 0", "zoo.toml: quantile: received 0; expected greater than 0"),
        (NEEDED + "quantile = nan", "zoo.toml: quantile: received nan; expected less than 1"),
        (NEEDED + "min_images = true", "zoo.toml: min_images: received True; expected a whole number"),
        (NEEDED + "min_images = '3'", "zoo.toml: min_images: received '3'; expected a whole number"),
        (NEEDED + "image_block = 0", "zoo.toml: image_block: received 0; expected greater than or equal to 1"),
        (NEEDED + "max_rejects = 1.5", "zoo.toml: max_rejects: received 1.5; expected less than or equal to 1"),
        (NEEDED + "layers = []", "zoo.toml: layers: received []; expected at least one name"),
        (NEEDED + "layers = 4", "zoo.toml: layers: received 4; expected a list"),
        (NEEDED + "anchoring = 'no'", "zoo.toml: anchoring: received 'no'; expected 'resize' or 'receptive_field'"),
        (
            NEEDED + "metrics = ['dissection', 'sig']",
            "zoo.toml: methods: received ['dissection', 'sig']; expected names of methods, and 'sig' is not one. "
            f"Methods are: {', '.join(registry.names())}",
        ),
        (
            NEEDED + "methods = 'dissection,significanse'",
            "zoo.toml: methods: received 'dissection,significanse'; expected names of methods, and 'significanse' is not "
            f"one. Did you mean 'significance'? Methods are: {', '.join(registry.names())}",
        ),
        (
            NEEDED + "methods = ['growth']\nmetrics = ['growth']",
            "metrics is the old name of methods; state one of them",
        ),
        (NEEDED + "[graph]\nmod = 'paper'", "unknown key 'mod' in [graph] of zoo.toml. Did you mean 'mode'?"),
        (
            NEEDED + "[graph]\nzzz = 1",
            "unknown key 'zzz' in [graph] of zoo.toml. Keys are: mode, iterations, heldout, window.",
        ),
        (NEEDED + "[grph]\nmode = 'paper'", "unknown key 'grph' in zoo.toml. Did you mean 'graph'?"),
        (NEEDED + "[growth]\nsteps = 1", "[growth] of zoo.toml: growth has no options; remove the table"),
        (
            "graph = 'paper'\n" + NEEDED,
            "zoo.toml: graph: received 'paper'; expected a table [graph] of its options",
        ),
        (
            "graph_mode = 'paper'\n" + NEEDED + "[graph]\nmode = 'release'",
            "zoo.toml states graph_mode twice, alone and in [graph]; remove one",
        ),
        (NEEDED + "[graph]\nheldout = 1", "zoo.toml: [graph] heldout: received 1; expected less than 1"),
        ("graph_iterations = 'x'\n" + NEEDED, "zoo.toml: graph_iterations: received 'x'; expected a whole number"),
        (
            NEEDED + "[graph]\niterations = 'x'\n[localize]\nshares = [2.0]",
            "zoo.toml cannot be used:\n  [graph] iterations: received 'x'; expected a whole number\n"
            "  [localize] shares.0: received 2.0; expected less than or equal to 1",
        ),
        (
            NEEDED + "activation_scale = 0.3",
            "zoo.toml: activation_scale: received 0.3; expected a power of two, such as 0.0625 or 2^20, or auto",
        ),
        (
            NEEDED + "units = '3,x'",
            "zoo.toml: units: received '3,x'; expected units such as 3,17,40-47, where 'x' is neither a number nor a range",
        ),
        (
            NEEDED + "units = ['47-40']",
            "zoo.toml: units: received ['47-40']; expected units such as 3,17,40-47, where '47-40' runs backwards",
        ),
        (NEEDED + "units = []", "zoo.toml: units: received []; expected units such as 3,17,40-47"),
        (
            NEEDED + "units = -1",
            "zoo.toml: units: received -1; expected units such as 3,17,40-47, where '-1' is neither "
            "a number nor a range",
        ),
        (NEEDED + "units = 1.5", "zoo.toml: units: received 1.5; expected text"),
        (
            NEEDED + "quantile = 2\nmin_images = 0",
            "zoo.toml cannot be used:\n  quantile: received 2; expected less than 1\n"
            "  min_images: received 0; expected greater than or equal to 1",
        ),
    ],
)
def test_wrong_settings_say_what_was_received_and_what_is_expected(folder: Path, text: str, expected: str) -> None:
    assert message(text) == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("name = 'a'", "states neither source nor factory; state one, such as source = 'torchvision:resnet18'"),
        (
            "source = 'timm:a'\nfactory = 'a:b'",
            "states both source and factory; state one, such as source = 'torchvision:resnet18'",
        ),
        ("source = 5", "source: received 5; expected text"),
        (
            "source = 'timm:a@b.pth'\ncheckpoints = '*.pth'",
            "source 'timm:a@b.pth' states weights, and so does checkpoints; remove one of them",
        ),
        ("source = 'timm:a'\ncheckpoints = 1", "checkpoints: received 1; expected a glob, such as 'run7/epoch-*.pth'"),
        ("source = 'timm:a'\ninput_size = '32'", "input_size: received '32'; expected a whole number"),
        (
            "source = 'tim:a@w.pth'",
            "unknown scheme 'tim' in model 'tim:a@w.pth'; schemes are torchvision, timm, package, factory, trained."
            " Did you mean 'timm'?",
        ),
        (
            "source = 'timm:a'\nname = 'a/b'",
            "model name 'a/b' is not safe as a path; use letters, digits and . _ + - alone",
        ),
    ],
)
def test_wrong_models_are_named_by_their_number(folder: Path, entry: str, expected: str) -> None:
    text = f'data = "data"\nout = "out"\n[[models]]\nsource = "timm:fine"\n[[models]]\n{entry}'
    assert message(text) == f"zoo.toml: [[models]] number 2: {expected}"


def test_a_wrong_model_is_not_reported_as_missing(folder: Path) -> None:
    assert message("data = 'data'\nmodels = ['resnet18']") == (
        "zoo.toml cannot be used:\n  out: missing; expected the folder of the run (--out DIR)\n"
        "  [[models]] number 1: model 'resnet18' has no scheme; "
        "write SCHEME:ARCH[@WEIGHTS], such as torchvision:resnet18@IMAGENET1K_V1"
    )


def test_models_have_names_of_their_own(folder: Path) -> None:
    touch("ck/a.pth")
    named = CHECKPOINTS.format("ck/*.pth") + '[[models]]\nsource = "timm:vgg11"\nname = "a"\n'
    assert message(named) == "zoo.toml: model name 'a' is listed twice; give every model a name of its own"
    assert message(NEEDED, models=["timm:a", "timm:a"]) == (
        "zoo.toml: model 'timm:a' without a name is listed twice; give every model a name of its own"
    )


def test_missing_files_are_named(folder: Path) -> None:
    expected = f"no data set at {folder}/elsewhere; make one with `filterscope import` or `filterscope sample`"
    assert message(NEEDED, data="elsewhere") == expected
    with pytest.raises(InputError, match=r"^no configuration file at none\.toml$"):
        load_config("none.toml")


def test_unknown_flags_are_refused_alike(folder: Path) -> None:
    with pytest.raises(InputError, match=r"^unknown key 'quantil' in the options\. Did you mean 'quantile'\?$"):
        load_config(quantil=1)


def test_a_configuration_cannot_be_changed(folder: Path) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load(NEEDED).quantile = 0.1  # type: ignore[misc]


@given(
    scale=st.integers(-20, 20).map(lambda power: 2.0**power),
    quantile=st.floats(0, 1, exclude_min=True, exclude_max=True),
    layers=st.lists(st.text("abc.#0*", min_size=1), min_size=1, max_size=3),
    mask_size=st.none() | st.integers(1, 512),
    units=st.lists(st.integers(0, 60)),
    names=st.lists(st.text("xyz09_", min_size=1, max_size=5), min_size=1, max_size=3, unique=True),
)
def test_resolved_settings_load_as_the_same_configuration(
    tmp_path_factory: pytest.TempPathFactory,
    scale: float,
    quantile: float,
    layers: list[str],
    mask_size: int | None,
    names: list[str],
    units: list[int],
) -> None:
    folder = tmp_path_factory.mktemp("round")
    models = tuple(ModelConfig(source="timm:vgg11", name=name, input_size=64) for name in names)
    config = AuditConfig(
        data=folder, out=folder / "out", models=models, layers=layers, quantile=quantile, mask_size=mask_size,
        activation_scale=scale, units=units or None,
    )  # fmt: skip
    text = tomli_w.dumps(config.resolved())
    (folder / "run.toml").write_text(text)
    assert load_config(folder / "run.toml") == config
    assert json.loads(json.dumps(config.resolved())) == tomllib.loads(text)


@given(st.floats(1e-6, 1e6).filter(lambda value: not math.log2(value).is_integer()))
def test_scales_between_powers_of_two_are_refused(scale: float) -> None:
    with pytest.raises(ValidationError, match="a power of two"):
        AuditConfig(data="d", out="o", models=(), activation_scale=scale)


def test_configuration_imports_nothing_heavy() -> None:
    code = (
        "import sys, filterscope.jobs.config.audit; "
        "filterscope.jobs.config.audit.ModelConfig(source='timm:vgg11'); "
        "print(sorted({'torch', 'ray', 'polars', 'pyarrow', 'numpy'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"
