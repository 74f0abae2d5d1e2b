"""The networks on `docs/your_own_network.md` are accepted and refused as the page says."""

import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from filterscope.jobs.config.audit import load_config
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.model import open_model
from filterscope.pipeline.models.probe import chosen, prove
from filterscope.pipeline.models.spec import ModelSpec

PAGE = (Path(__file__).parents[2] / "docs" / "your_own_network.md").read_text()
MARKED = re.findall(r"<!-- (refused|layer): (\w+) (\S+) -->\n```\n(.*?)\n```", PAGE, re.DOTALL)


def networks() -> dict[str, Any]:
    names: dict[str, Any] = {"torch": torch, "nn": nn, "F": F, "OrderedDict": OrderedDict}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, names)
    return names


@pytest.mark.parametrize(("what", "name", "layer", "text"), MARKED, ids=[name for _, name, _, _ in MARKED])
def test_networks_are_taken_as_the_page_says(what: str, name: str, layer: str, text: str) -> None:
    def proven() -> str:
        model = open_model(ModelSpec(f"factory:docs:{name}", name=name, input_size=64), networks()[name])
        (found,) = prove(model, chosen(model, [layer]))
        return f"{found.layout} {found.channels} x {found.height} x {found.width}"

    if what == "layer":
        assert proven() == text
        return
    with pytest.raises(InputError) as error:
        proven()
    assert str(error.value) == text


def test_every_network_of_the_page_is_tried() -> None:
    assert len(MARKED) == PAGE.count("```python") > 5


def test_the_configuration_of_the_page_is_read(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "zoo.toml").write_text(text)
    googlenet, resnet = load_config(tmp_path / "zoo.toml", elsewhere=True).models
    assert googlenet.spec().arguments == {"transform_input": True}
    assert resnet.spec().size == (128, 256)
