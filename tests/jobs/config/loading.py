"""Configurations as text, loaded from the working directory."""

from pathlib import Path

import pytest

from filterscope.jobs.config.audit import AuditConfig, load_config
from filterscope.pipeline.engine.errors import InputError

NETWORK = "torchvision:resnet18@random:0"
NEEDED = f'data = "data"\nout = "out"\nmodels = ["{NETWORK}"]\n'
CHECKPOINTS = (
    'data = "data"\nout = "out"\n[[models]]\nsource = "torchvision:resnet18"\ncheckpoints = "{}"\ninput_size = 32\n'
)


def load(text: str, **overrides: object) -> AuditConfig:
    Path("zoo.toml").write_text(text)
    return load_config("zoo.toml", **overrides)


def message(text: str, **overrides: object) -> str:
    with pytest.raises(InputError) as caught:
        load(text, **overrides)
    return str(caught.value)


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
