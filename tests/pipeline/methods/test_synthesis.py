"""The method synthesis through an audit: pictures drive their units, beside chains that no unit guides."""

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from filterscope import schemas
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.synthesis.findings import differing, of_units, summary
from filterscope.pipeline.models.coding import Normal
from tests.audits import audit_here
from tests.planted.inverted import SIDE, entry, overall, source, write_squares

SETTINGS = {
    "models": [entry("overall")], "layers": "1", "methods": "synthesis", "image_block": 16,
    "synthesis.steps": 30, "synthesis.chains": 3, "synthesis.weights": 0.001, "synthesis.views": 12,
}  # fmt: skip


class Painter(nn.Module):
    """A generator of four normal codes, of which the first three are the colour of the whole picture."""

    def latents(self):
        return [Normal()] * 4

    def decode(self, codes, group):
        return torch.sigmoid(codes[:, :3, None, None]).expand(-1, -1, SIDE, SIDE)


class Coder(Painter):
    """The same with an encoder, which reads the mean colour and knows nothing of the fourth."""

    def codes(self, images):
        read = torch.logit(images.mean((2, 3)).clamp(1e-3, 1 - 1e-3))
        return torch.cat([read, 0 * read[:, :1]], 1)[:, None]


def painter():
    """Make a generator alone."""
    return Painter()


def coder():
    """Make one with an encoder."""
    return Coder()


def prior_of(name):
    """Return such a generator as an option names it."""
    return f"factory:tests.pipeline.methods.test_synthesis:{name};input_size={SIDE};mean=0,0,0;std=1,1,1"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_squares(tmp_path_factory.mktemp("data") / "squares", 64)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> Path:
    more = {
        "synthesis.prior": prior_of("coder"),
        "synthesis.transfer": source("overall"),
        "synthesis.transfer_layer": "1",
    }
    return audit_here(tmp_path_factory.mktemp("audit") / "run", data=data, **{**SETTINGS, **more})


def shown(rows):
    """Return the pictures of rows, from 0 to 1."""
    return np.stack([np.asarray(Image.open(io.BytesIO(data))) for data in rows["picture"]]) / 255


def test_pictures_are_what_their_numbers_say(run):
    rows = schemas.scan_syntheses(run).sort("unit", "chain").collect()
    assert rows["unit"].to_list() == [0] * 3 + [1] * 3 + [2] * 3
    pictures = shown(rows)
    with torch.no_grad():
        maps = overall()(torch.from_numpy(np.moveaxis(pictures, 3, 1)).float()).amax((2, 3)).numpy()
    assert rows["activation"].to_numpy() == pytest.approx(maps[np.arange(9), rows["unit"]], rel=1e-4)
    assert rows["natural"].is_between(0, 1).all()
    assert (rows["kept"] == (rows["natural"] >= 0.05)).all()
    assert rows["nearest_real"].n_unique() == 1


def test_a_unit_that_is_a_colour_is_driven_beyond_what_the_prior_alone_makes(run):
    """The colour of the picture goes in the direction of the unit's weights."""
    rows = schemas.scan_syntheses(run).sort("unit", "chain").collect()
    assert rows["over_dataset"].mean() > rows["unguided"].mean() + 0.1
    colours = shown(rows).mean((1, 2)).reshape(3, 3, 3).mean(1)
    assert (colours.argmax(0) == [0, 1, 2]).all()


def test_pictures_move_the_matched_unit_of_the_same_network(run):
    rows = schemas.scan_synthesis_units(run).sort("unit").collect()
    assert rows["matched"].to_list() == [0, 1, 2]
    assert (rows["transfer"] >= rows["transfer_control"]).all()
    assert (rows["diversity"] > 0).all()


def test_findings_show_every_picture(run):
    row = summary(run).to_dicts()[0]
    assert row["pictures"] == 9
    assert of_units(run, "overall", "1").height == 9
    assert differing(run, "overall", "1")["unit"].to_list() == [0, 1, 2]


def test_a_generator_without_encoder_draws_from_its_law(data, tmp_path):
    prior = prior_of("painter")
    found = audit_here(tmp_path / "run", data=data, **{**SETTINGS, "units": "1", "synthesis.prior": prior})
    rows = schemas.scan_syntheses(found).collect()
    assert rows["natural"].to_list() == rows["kept"].to_list() == [None] * 3
    colours = shown(rows).mean((1, 2))
    assert (colours[:, 1] > colours[:, [0, 2]].max(1)).all()
    release = audit_here(
        tmp_path / "release", data=data,
        **{**SETTINGS, "units": "1", "synthesis.prior": prior, "synthesis.mode": "release"},
    )  # fmt: skip
    colours = shown(schemas.scan_syntheses(release).collect()).mean((1, 2))
    # the release raises the unit alone and does not lower the others
    assert (colours[:, 1] > 0.7).all()


def test_what_does_not_fit_is_refused(data, tmp_path):
    def refused(**more):
        with pytest.raises(InputError) as error:
            audit_here(tmp_path / "refused", data=data, **{**SETTINGS, **more})
        return str(error.value)

    assert "name the folder or the network by --synthesis.prior" in refused()
    assert "neither a network nor a folder" in refused(**{"synthesis.prior": str(tmp_path / "none")})
    assert "has no decode" in refused(**{"synthesis.prior": source("overall")})
    (tmp_path / "empty").mkdir()
    assert "there are no inverters of layer" in refused(**{"synthesis.prior": str(tmp_path / "empty")})


@pytest.mark.slow
def test_a_public_vae_draws_digits_that_a_classifier_sees(test_data, tmp_path):
    folder, weights = test_data / "mnist10k", test_data / "weights"
    with gzip.open(folder / "t10k-images-idx3-ubyte.gz") as file:
        digits = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 28, 28)[:200]
    with DatasetWriter(tmp_path / "data", source={"reader": "mnist"}) as out:
        for number, digit in enumerate(digits):
            Image.fromarray(digit).save(tmp_path / f"{number}.png")
            out.image(tmp_path / f"{number}.png")
    model = {"source": f"factory:tests.planted.victims:lenet5@{weights / 'lenet5_mnist.pth'}", "name": "lenet",
             "input_size": 32, "mean": [0.1307], "std": [0.3081]}  # fmt: skip
    prior = f"factory:tests.pipeline.methods.test_codes:vae@{weights / 'vae20_mnist.pth'};input_size=28;mean=0;std=1"
    layer = "fc.f7"
    run = audit_here(
        tmp_path / "run", data=tmp_path / "data", models=[model], layers=layer, methods="synthesis",
        **{"synthesis.prior": prior, "synthesis.weights": 0.001, "synthesis.steps": 40, "synthesis.chains": 4,
           "synthesis.sample": 10},
    )  # fmt: skip
    rows = schemas.scan_syntheses(run).collect()
    assert (rows["over_dataset"] > rows["unguided"]).mean() > 0.95
    # a tenth of the digits are of the class: it is the weakest of these that pictures of this prior reach
    assert rows["quantile"].median() > 0.85
