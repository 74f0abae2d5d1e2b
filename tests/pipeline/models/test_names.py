"""Networks that are not there are refused before anything heavy is imported, in the words of opening them."""

import re
import subprocess
import sys

import pytest

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models import names
from filterscope.pipeline.models.model import open_model
from filterscope.pipeline.models.names import refuse_unknown
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.models.vision import torchvision

import timm  # isort: skip

WRONG = [
    "torchvision:resnet19@random:0", "torchvision:fcn_resnet5@random:0", "torchvision:resnet18@IMAGENT1K_V1",
    "torchvision:resnet18@there/is/none.pth", "timm:resnet19", "timm:resnet18.a1_in2k", "timm:resnet18@a1_in2k",
    "package:efficientnet-lite1", "factory:there_is_none.nets:build",
]  # fmt: skip


def said(refuse, source):
    with pytest.raises(InputError) as caught:
        refuse(ModelSpec(source))
    return str(caught.value)


@pytest.mark.parametrize("source", WRONG)
def test_what_is_said_at_once_is_what_opening_says(source, monkeypatch):
    at_once = said(refuse_unknown, source)
    monkeypatch.setattr(names, "_sources", lambda package: {})  # as where they are not installed as files
    assert at_once == said(open_model, source)


def test_no_heavy_package_is_imported():
    code = (
        "import sys\nfrom filterscope.jobs.cli.main import main\n"
        f"for source in {WRONG}:\n"
        "    try: main(['layers', source])\n"
        "    except SystemExit as end: assert end.code == 2, source\n"
        "sys.exit(', '.join({'torch', 'torchvision', 'timm', 'ray', 'numba'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("error: ") == len(WRONG)


def test_every_network_and_weight_of_torchvision_passes():
    models = torchvision.models
    known = [
        name for part in (models, models.segmentation, models.detection) for name in models.list_models(module=part)
    ]
    assert len(known) > 90
    for name in known:
        for tag in models.get_model_weights(name).__members__:
            refuse_unknown(ModelSpec(f"torchvision:{name}@{tag}"))
    texts = names._sources("torchvision")
    assert {name for folder in names._FOLDERS for name in names._BUILDER.findall(texts[folder])} == set(known)


def test_every_network_of_timm_passes():
    text = "".join(names._sources("timm").values())
    defined = set(re.findall(r"^def (\w+)\(", text, re.M))
    strings = set(re.findall(r"""["']([\w.]+)["']""", text))
    entries = timm.models._registry._model_entrypoints  # with those that go by a former name
    assert len(entries) > 1000
    assert set(entries) <= defined | strings
    tagged = {name for name in timm.list_pretrained() if "." in name}
    for name in tagged - strings:
        refuse_unknown(ModelSpec(f"timm:{name}"))
    for name in sorted(tagged & strings)[::100]:
        refuse_unknown(ModelSpec(f"timm:{name}"))


def test_a_factory_in_the_current_folder_is_not_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_own_nets.py").write_text("")
    (tmp_path / "my_package").mkdir()
    refuse_unknown(ModelSpec("factory:my_own_nets:build"))
    refuse_unknown(ModelSpec("factory:my_package.nets:build"))
