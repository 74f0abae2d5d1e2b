"""The disk is checked against what was never computed: of new models and layers, and of half of a layer half of its bytes."""

import shutil

import pytest

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.space import bytes_left
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here
from tests.planted import PLANTED


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    data = tmp_path_factory.mktemp("planted") / "data"
    planted.write_dataset(data)
    return {"data": data, "models": [PLANTED], "layers": "1", "min_images": 3, "image_block": 4, "unit_block": 2}


@pytest.fixture
def run(settings, tmp_path):
    return RunFolder(audit_here(tmp_path / "run", **settings))


def left(run, **options):
    return bytes_left(Stages(run.plan().with_options(**options)), run.ledger)


def test_nothing_is_left_of_a_finished_run_whatever_its_parameters(run):
    assert left(run) == {}
    assert left(run, activation_scale=0.5) == {}


def test_a_new_stage_takes_all_its_bytes(run):
    stages = Stages(run.plan().with_options(methods=("dissection", "patterns")))
    assert bytes_left(stages, run.ledger) == {"local-features": stages.most_bytes()["local-features"]}


def test_of_a_half_done_layer_its_share_is_left(run):
    stages = Stages(run.plan())
    [extract] = [stage for stage in stages.all() if stage.name == "extract"]
    run.ledger.forget([extract.keys[0]])
    assert len(extract.keys) > 1
    assert bytes_left(stages, run.ledger) == {"extract": stages.most_bytes()["extract"] // len(extract.keys)}


def test_an_extension_that_does_not_fit_is_refused_and_one_that_adds_nothing_large_is_not(run, settings, monkeypatch):
    before = (run.path / "run.toml").read_bytes()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1000, 1000, 0))
    with pytest.raises(InputError, match=r"the files of local-features may take .* GB and .* has 0\.0 GB free"):
        audit_here(run.path, **settings, methods="dissection,patterns")
    assert (run.path / "run.toml").read_bytes() == before
    audit_here(run.path, **settings, methods="dissection,significance")
