"""A run belongs to one forward pass, and maps of any layout give the same numbers."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import torch
from torch import Tensor, nn

import filterscope
from filterscope import schemas
from filterscope.jobs.config.audit import load_config
from filterscope.jobs.runs.audit import audit
from filterscope.pipeline.engine.errors import InputError
from tests import planted
from tests.audits import audit_here

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, {arguments}):
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(6, 4, 3, 2, 1)

    def forward(self, x):
        return self.last(torch.{function}(self.conv(x)))

def net(**options):
    return Net(**options)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted") / "data"
    planted.write_dataset(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("forward_nets", None)


def written(folder: Path, function: str = "relu", arguments: str = "") -> None:
    """Write the user's module, as a new process will find it."""
    (folder / "forward_nets.py").write_text(CODE.format(function=function, arguments=arguments))
    sys.modules.pop("forward_nets", None)


def run(folder: Path, data: Path, redo: str | None = None, layers: str = "last", **entry: object) -> bool:
    model = {"source": "factory:forward_nets:net", "name": "net", "input_size": planted.SIZE, **entry}
    settings = {"data": data, "models": [model], "layers": layers, "quantile": 0.05, "min_images": 3, "actors": 0}
    return audit(load_config(out=folder / "run", methods="dissection", **settings), redo=redo)


def maxima(folder: Path) -> list[float]:
    return schemas.scan_units(folder / "run").sort("layer", "unit").collect()["maximum"].to_list()


def test_another_forward_pass_with_the_same_weights_is_refused_until_all_is_computed_again(
    folder: Path, data: Path
) -> None:
    written(folder)
    assert run(folder, data)
    before = maxima(folder)
    assert not run(folder, data)
    written(folder, "sigmoid")
    for layers in ("last", "last,conv"):
        with pytest.raises(
            InputError, match=r"forward pass is '\w{16}' and was not stated. Set them back, .* --redo extract"
        ):
            run(folder, data, layers=layers)
    assert maxima(folder) == before
    assert run(folder, data, redo="extract")
    assert maxima(folder) != before
    assert not run(folder, data)
    written(folder)
    with pytest.raises(InputError, match="forward pass is"):
        run(folder, data)


def test_layers_that_are_not_asked_again_belong_to_the_forward_pass_too(folder: Path, data: Path) -> None:
    written(folder)
    run(folder, data, layers="conv,last")
    before = maxima(folder)
    written(folder, "sigmoid")
    with pytest.raises(InputError, match="forward pass is"):
        run(folder, data, layers="conv")
    assert run(folder, data, layers="conv", redo="extract")
    after = maxima(folder)
    assert (after[:6], after[6:] == before[6:]) == (before[:6], False)
    run(folder, data, layers="last")
    assert maxima(folder) == after


def test_other_weights_are_not_another_forward_pass(folder: Path, data: Path) -> None:
    written(folder)
    for seed in (0, 1):
        state = {name: torch.full_like(value, 0.01 * (seed + 1)) for name, value in _state().items()}
        torch.save(state, folder / "mine.pth")
        if seed:
            with pytest.raises(InputError, match=r"with other parameters: weights is") as error:
                run(folder, data, source="factory:forward_nets:net@mine.pth")
            assert "forward pass" not in str(error.value)
        run(folder, data, source="factory:forward_nets:net@mine.pth", redo="extract" if seed else None)
    assert not run(folder, data, source="factory:forward_nets:net@mine.pth")


def _state() -> dict[str, Tensor]:
    shapes = {"conv.weight": (6, 3, 3, 3), "conv.bias": (6,), "last.weight": (4, 6, 3, 3), "last.bias": (4,)}
    return {name: torch.zeros(shape) for name, shape in shapes.items()}


def test_code_that_computes_the_same_goes_on(folder: Path, data: Path) -> None:
    written(folder)
    run(folder, data)
    before = maxima(folder)
    written(folder, "clamp_min_", "unused=0")
    (folder / "forward_nets.py").write_text(
        (folder / "forward_nets.py").read_text().replace("clamp_min_(self.conv(x))", "clamp(self.conv(x), min=0)")
    )
    run(folder, data)
    assert maxima(folder) == before


def test_a_run_from_before_the_probe_is_not_compared_and_then_is(folder: Path, data: Path) -> None:
    written(folder)
    run(folder, data)
    record = folder / "run" / "run.toml"
    text = record.read_text()
    older = re.sub(r"values = \[.*?\]|layout = \"\w+\"|seal = \"\w+\"", "", text, flags=re.DOTALL)
    assert older != text
    record.write_text(re.sub(r", *(?=, |\})|\{ *, ", lambda m: "{" if "{" in m[0] else "", older))
    assert not run(folder, data)
    written(folder, arguments="unused=0")
    run(folder, data)
    assert "values" in record.read_text()
    written(folder, "sigmoid")
    with pytest.raises(InputError, match="forward pass is"):
        run(folder, data)


def test_arguments_belong_to_what_was_computed(folder: Path, data: Path) -> None:
    written(folder, arguments="scale=1")
    assert run(folder, data, args={"scale": 2})
    assert not run(folder, data, args=["scale=2"])
    with pytest.raises(InputError, match=r"args is \['scale=3'\] and was \['scale=2'\]"):
        run(folder, data, args={"scale": 3})


class Sloped(nn.Module):
    """Its slope is no weight, and is not printed."""

    def __init__(self, slope: float, *, last: bool = False) -> None:
        super().__init__()
        self.conv, self.slope, self.channels_last = nn.Conv2d(3, 6, 3, 2, 1), slope, last
        self.same = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.leaky_relu(self.conv(x), self.slope)
        return self.same(x.permute(0, 2, 3, 1) if self.channels_last else x)


def sloped(slope: float, *, last: bool = False) -> nn.Module:
    torch.manual_seed(0)
    return Sloped(slope, last=last)


def test_a_network_in_memory_that_computes_otherwise_is_noticed(tmp_path: Path, data: Path) -> None:
    def ask(slope: float) -> None:
        filterscope.audit(
            sloped(slope), data, out=tmp_path / "run", layers="same", methods="dissection",
            input_size=planted.SIZE, mean=(0.5,) * 3, std=(0.5,) * 3, min_images=3, actors=0,
        )  # fmt: skip

    ask(0.1)
    ask(0.1)
    with pytest.raises(InputError, match="forward pass is"):
        ask(0.3)


def test_maps_with_the_channels_last_give_the_same_tables(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    for last in (False, True):
        module = sloped(0.1, last=last)
        found[last] = filterscope.audit(
            module, data, out=tmp_path / f"run-{last}", layers="same", methods="dissection", name="net",
            input_size=planted.SIZE, mean=(0.5,) * 3, std=(0.5,) * 3, min_images=3, actors=0,
        ).path  # fmt: skip
    one, other = (schemas.scan_unit_concept(found[last]).sort("unit", "concept").collect() for last in (False, True))
    assert one.height > 0
    assert one.equals(other)
    layers = [
        schemas.scan_layers(found[last]).select("layout", "channels", "height", "stride").collect().row(0)
        for last in found
    ]
    assert layers == [("nchw", 6, planted.SIZE // 2, 2.0), ("nhwc", 6, planted.SIZE // 2, 2.0)]


def test_inputs_need_be_neither_square_nor_of_three_channels(tmp_path: Path, data: Path) -> None:
    source = "factory:tests.jobs.runs.test_forward_pass:grey"
    run = audit_here(
        tmp_path / "run", data=data, layers="-1", quantile=0.05, min_images=3,
        models=[{"source": source, "input_size": [32, 48], "mean": [0.5], "std": [0.25]}],
    )  # fmt: skip
    (layer,) = schemas.scan_layers(run).collect().to_dicts()
    assert (layer["channels"], layer["height"], layer["width"]) == (6, 16, 24)
    assert schemas.scan_units(run).filter(pl.col("maximum") > 0).collect().height > 0


def grey() -> nn.Module:
    """Make a network that takes one channel."""
    return nn.Sequential(nn.Conv2d(1, 6, 3, 2, 1), nn.ReLU())
