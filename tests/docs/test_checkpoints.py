"""The commands of `docs/checkpoints.md` take the weights that the page says they take."""

import re
import shlex
from pathlib import Path

import pytest
import torch

from filterscope.jobs.cli import main as cli
from filterscope.pipeline.models.vision import torchvision
from filterscope.pipeline.run.folder import RunFolder
from tests import planted

PAGE = (Path(__file__).parents[2] / "docs" / "checkpoints.md").read_text()


def under(prefix, state):
    return {prefix + key: value for key, value in state.items()}


@pytest.mark.slow
def test_the_commands_of_the_page_take_the_weights_that_they_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    planted.write_dataset(Path("data/sample"))
    models = torchvision.models
    timm = pytest.importorskip("timm")
    raw = timm.create_model("resnet18").state_dict()
    broken = {
        key: torch.full_like(value, torch.nan) if value.is_floating_point() else value for key, value in raw.items()
    }
    torch.save({"epoch": 3, "state_dict": broken, "state_dict_ema": raw}, "last.pth.tar")
    module = models.resnet18()
    query = {key: value for key, value in module.state_dict().items() if not key.startswith("fc.")}
    encoders = under("module.encoder_q.", query | under("fc.0.", torch.nn.Linear(512, 128).state_dict()))
    torch.save({"state_dict": encoders | under("module.encoder_k.", query)}, "moco.pth.tar")
    commands = [shlex.split(line) for line in re.findall(r"^filterscope (.*)$", PAGE, re.MULTILINE)]
    assert [command[0] for command in commands] == ["layers", "audit"]
    # small, so that it is quick
    commands[1] += ["--layers", "layer1", "--methods", "dissection", "--device", "cpu", "--no-report"]
    for command in commands:
        with pytest.raises(SystemExit) as stop:
            cli.main(command)
        assert stop.value.code == 0
    assert "layer4" in capsys.readouterr().out
    (model,) = RunFolder(Path("runs/moco")).plan().models
    assert model.spec.prefix == "module.encoder_q"
