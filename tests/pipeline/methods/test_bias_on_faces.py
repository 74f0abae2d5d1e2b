"""Findings of the survey on real faces, by directions: a planted tie is among the first, evidence lies where it should."""

import polars as pl
import pytest

from filterscope import schemas
from tests.audits import audit_here
from tests.planted import faces, portraits

pytestmark = pytest.mark.slow
#: Faces to audit, behind those that were learned.
AUDIT = 200


@pytest.fixture(scope="module")
def run(test_data, tmp_path_factory):
    """Return an audit of a network that was trained on faces of which 97 % smile if and only if their hair is black."""
    from safetensors.torch import save_file

    folder, source = tmp_path_factory.mktemp("faces"), test_data / "faces8k"
    files, names, labels = faces.labels_of(source)
    save_file(faces.tied(source), folder / "net.safetensors")
    audited = slice(faces.LEARN, faces.LEARN + AUDIT)
    faces.write_faces(folder / "data", source, files[audited], names, labels[audited])
    model = {
        **portraits.entry("net", folder / "net.safetensors", portraits.write_names(folder / "names.csv", names)),
        "source": f"factory:tests.planted.faces:build@{folder / 'net.safetensors'}",
        "input_size": faces.SIZE,
        "interpolation": "bilinear",
    }
    regions = ["mouth,0.3,0.62,0.7,0.78,", "eyes,0.2,0.42,0.8,0.56,"]
    more = {"bias.regions": regions, "bias.control_views": 16, "bias.edits": "mask"}
    return audit_here(folder / "run", data=folder / "data", models=[model], layers="9", methods="bias", **more)


def test_the_planted_pair_is_among_the_first_three_of_780_that_the_labels_do_not_explain(run):
    rows = schemas.scan_attribute_relations(run).collect()
    assert rows.height == 780
    planted = rows.filter(attribute="Black_Hair", other="Smiling").row(0, named=True)
    assert planted["mean"] > 0.6
    assert abs(planted["data_correlation"]) < 0.2
    assert planted["rank"] <= 3
    assert abs(planted["random"]) < 0.5
    assert rows.select(pl.corr("mean", "data_correlation")).item() > 0.6


def test_an_open_mouth_is_looked_for_at_the_mouth(run):
    """Where lipstick is looked for depends on the network: see docs/bias.md."""
    edits = (
        schemas.scan_region_edits(run).filter(attribute="Mouth_Slightly_Open").select("region", "low", "high").collect()
    )
    ends = {region: (low, high) for region, low, high in edits.iter_rows()}
    assert ends["mouth"][0] > max(ends["eyes"][1], 0)
