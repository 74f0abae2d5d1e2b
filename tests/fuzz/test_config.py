"""No configuration file makes an audit fail in another way than by a message about the configuration."""

from contextlib import suppress

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from filterscope.jobs.config.audit import AuditConfig, load_config
from filterscope.pipeline.engine.errors import InputError
from tests.fuzz.generated import COUNTS, NASTY, changed, damaged, fuzzed, texts

SOUND = {
    "data": ".",
    "out": "run",
    "layers": ["layer4", "-1"],
    "quantile": 0.005,
    "metrics": ["dissection", "significance"],
    "units": "3,17,40-47",
    "views": "objects:cat",
    "actors": 1,
    "flips": True,
    "graph": {"mode": "paper", "heldout": 0.25},
    "receptive-field": {"step": 3},
    "models": [
        {"source": "torchvision:resnet18", "name": "a", "input_size": 224, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
        {"factory": "tests.planted:network", "name": "b", "checkpoints": "*.pth"},
    ],
}  # fmt: skip
SOURCES = (
    "torchvision:",
    ":",
    "@",
    "factory:x",
    "timm:a@b@c",
    "~nobody-here/x",
    "torchvision:resnet18@random:x",
    "package:a",
)
LEAVES = (
    texts | st.sampled_from(SOURCES) | st.integers(-3, 300) | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.booleans()
    | st.datetimes() | st.lists(texts, max_size=3) | st.dictionaries(texts, texts, max_size=2)
)  # fmt: skip


def loads(path) -> None:
    COUNTS["config"] += 1
    with suppress(InputError):
        assert isinstance(load_config(path), AuditConfig)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("config")
    (folder / "x.pth").touch()
    return folder


def test_the_sound_configuration_loads(folder):
    path = folder / "zoo.toml"
    path.write_text(tomli_w.dumps(SOUND))
    assert [model.name for model in load_config(path).models] == ["a", "b-x"]


@fuzzed(1500, 60)
@given(data=st.data())
def test_any_values(folder, data):
    content = SOUND
    for _ in range(data.draw(st.integers(1, 3))):
        content = data.draw(changed(content, LEAVES))
    path = folder / "zoo.toml"
    content = content if isinstance(content, dict) else {"data": content}
    path.write_bytes(tomli_w.dumps(content).encode("utf-8", "surrogatepass"))
    loads(path)


@fuzzed(1000, 40)
@given(data=st.data())
def test_any_bytes(folder, data):
    path = folder / "zoo.toml"
    path.write_bytes(data.draw(damaged(tomli_w.dumps(SOUND).encode()) | st.binary(max_size=60)))
    loads(path)


@pytest.mark.parametrize("key", ["data", "out", "layers", "units", "views", "metrics", "device", "graph"])
@pytest.mark.parametrize("value", [*NASTY, "~nobody-here/x", "x" * 100_000])
def test_any_text_of_every_key(folder, key, value):
    path = folder / "zoo.toml"
    path.write_text(tomli_w.dumps({**SOUND, key: value}))
    loads(path)


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 100_000, "batch_size = " + "9" * 5000, "batch_size = 0x" + "f" * 5000],
)
def test_values_without_end_are_refused(folder, text):
    path = folder / "zoo.toml"
    path.write_text(text)
    with pytest.raises(InputError):
        load_config(path)
    path.write_text(tomli_w.dumps(SOUND).replace("actors = 1", text))
    loads(path)
