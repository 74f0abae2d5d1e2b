"""A rotated basis is audited as if it were a model of its own."""

import polars as pl
import pytest
import torch

from filterscope import schemas
from filterscope.jobs.config.audit import load_config
from filterscope.operators.numerics.basis import rotation
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.models.taps import Taps
from tests import planted
from tests.audits import audit_here
from tests.planted import PLANTED


def test_taps_give_the_rotated_units():
    network, images = planted.network(), torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    plain = Taps(network, ["0"])(images)["0"].double()
    found = Taps(network, ["0"], rotation=(3, 1.0))(images)["0"]
    expected = torch.einsum("dc,nchw->ndhw", torch.from_numpy(rotation(3, 3, "0")), plain)
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)


def test_no_rotation_finds_what_the_natural_basis_finds_and_a_rotation_does_not(tmp_path):
    data = tmp_path / "data"
    planted.write_dataset(data)
    models = [PLANTED, *({**PLANTED, "name": name, "basis": basis} for name, basis in BASES.items())]
    run = audit_here(tmp_path / "run", data=data, models=models, layers="1", quantile=0.05, min_images=3)
    units = schemas.scan_units(run).sort("model", "unit").collect()
    natural, still, turned = (units.filter(pl.col("model") == name) for name in ("planted", "still", "turned"))
    assert still.drop("model").equals(natural.drop("model"))
    stated = dict(schemas.scan_models(run).select("model", "basis").collect().iter_rows())
    assert stated == {"planted": "native", **BASES}
    # what one unit never did, all rotated units do a little
    assert natural["status"].to_list() == ["live", "live", "dead"]
    assert turned["status"].to_list() == ["live", "live", "live"]


BASES = {"still": "rotate:0:0", "turned": "rotate:0"}


def test_a_basis_for_all_models_names_them_apart(tmp_path):
    (tmp_path / "data").mkdir()
    asked = {"data": tmp_path / "data", "out": tmp_path / "run", "models": ["torchvision:resnet18@random:0", PLANTED]}
    first, second = (load_config(**asked, basis="rotate:7:0.5") for _ in range(2))
    specs = [first.spec_of(model) for model in second.models]
    assert [spec.rotation for spec in specs] == [(7, 0.5), (7, 0.5)]
    assert specs[1].name == "planted-rotate-7-0.5"


@pytest.mark.parametrize("basis", ["rotate", "rotate:x", "rotate:1:1.5", "rotate:1:", "shear:1"])
def test_a_malformed_basis_is_refused(basis):
    with pytest.raises(InputError, match=r"write rotate:SEED or rotate:SEED:ALPHA with ALPHA from 0 to 1"):
        ModelSpec("torchvision:resnet18@random:0", basis=basis)
