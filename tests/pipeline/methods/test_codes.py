"""Codes stand for what they were planted for; rotated axes are no more special than chance; bad adapters are refused."""

import gzip
import importlib
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from filterscope import schemas
from filterscope.jobs.config.audit import load_config
from filterscope.jobs.runs.audit import audit
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.codes.factors import stated
from filterscope.pipeline.models.coder import coding_of, with_forward
from filterscope.pipeline.models.coding import Categorical, Coding, Normal
from filterscope.pipeline.models.stated import stated_spec
from filterscope.pipeline.run.folder import RunFolder
from tests.audits import audit_here
from tests.pipeline.methods.test_vulnerable import write
from tests.planted import codes as planted

findings = importlib.import_module("filterscope.pipeline.methods.codes.findings")
FEW = {"codes.directions": 60, "codes.bases": 6, "codes.moved": 30}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return planted.write_blobs(tmp_path_factory.mktemp("blobs") / "data")


def audited(out, data, factory, **more):
    settings = {"layers": "-1", "methods": "codes", **FEW, **more}
    return audit_here(out, data=data, models=[planted.entry(factory)], **settings)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return audited(tmp_path_factory.mktemp("both") / "run", data, "both")


def rows(run, table):
    return {
        (row["group"], row["code"], row.get("factor")): row
        for row in schemas.scan(run, table).collect().iter_rows(named=True)
    }


def test_planted_codes_stand_for_their_factors(run):
    codes, factors = rows(run, "codes"), rows(run, "code_factors")
    for code, name in enumerate(("x", "y")):
        row = codes[0, code, None]
        assert row["top_factor"] == name
        assert row["specificity"] > 0.9
        assert row["q_value"] < 0.05
        assert row["basis"] == "intervention"
        assert factors[0, code, name]["linearity"] > 0.99
        assert factors[0, code, name]["monotone"] == 1
    # a step of 1 is 2 pixels, and places have a standard deviation of nearly 2
    assert factors[0, 0, "x"]["effect"] == pytest.approx(1.05, abs=0.2)
    for code, name in enumerate(planted.NAMES):
        row = factors[0, code, name]
        assert row["spearman"] > 0.99
        assert row["association_q"] < 0.05
        assert row["mutual_information"] > row["mutual_information_null"] + 0.5
        assert row["effect"] is None
        others = [factors[0, code, other]["spearman"] for other in planted.NAMES if other != name]
        assert max(map(abs, others)) < 0.45
    assert factors[0, 0, "class"]["provider"] == "attributes"
    assert factors[0, 0, "area"]["provider"] == "morphometry"


def test_a_finished_run_knows_its_codes_without_opening_the_network(run, data):
    (model,) = RunFolder(run).plan().models
    assert model.coding == Coding(1, 4, True, True, ((),) * 4)
    settings = {"layers": "-1", "methods": "codes", **FEW, "actors": 0}
    assert not audit(load_config(out=run, data=data, models=[planted.entry("both")], **settings))


def test_the_headline_says_it_in_a_sentence(run):
    (row,) = findings.headline(run).iter_rows(named=True)
    assert row["aligned"] >= 2
    assert row["verdict"] == f"{row['aligned']} of 4 codes are more specific than random directions (0 expected)"
    assert row["specificity"] > row["specificity_random"] + 0.1
    starred = findings.matrix(run).filter(pl.col("at q < .05").is_not_null())
    assert {"x*", "y*"} <= set(starred["at q < .05"])


def test_scores_stand_beside_those_of_rotated_codes(run):
    (row,) = findings.scores(run).iter_rows(named=True)
    assert row["disentanglement"] > row["disentanglement_rotated"]
    assert row["informativeness"] > 0.3


def test_codes_tell_of_transforms(run):
    found = {row["transform"]: row for row in findings.transforms(run).iter_rows(named=True)}
    assert found["dilation"]["r2_permuted"] < 0.5
    assert {row["images"] for row in found.values()} == {30}
    assert all(row["r2_layer"] is None for row in found.values())


def test_pictures_along_a_code_are_those_that_are_decoded(run, data):
    table = schemas.scan(run, "code_traversals").filter(code=0, base=0).sort("step").collect()
    assert table["value"].to_list() == [-1, -0.5, 0, 0.5, 1]
    place = np.array(table["factors"].to_list())[:, 6]
    assert np.diff(place) == pytest.approx(np.ones(4), abs=0.1)
    middle = table.row(2, named=True)
    picture = np.frombuffer(middle["picture"], np.uint8).reshape(middle["height"], middle["width"])
    uri = Dataset(data).images["uri"].to_pylist()[middle["image"]]
    from PIL import Image

    shown = np.asarray(Image.open(Dataset(data).path(uri)).convert("L"))
    assert np.abs(picture.astype(int) - shown).max() <= 25  # moments of rounded pixels


def test_rotated_axes_are_no_more_special_than_random_directions(data, tmp_path):
    found = audited(tmp_path / "run", data, "rotated", **{"codes.moved": 0})
    codes = schemas.scan(found, "codes").collect()
    assert (codes["q_value"] > 0.05).all()
    assert schemas.scan(found, "equivariance").collect().is_empty()


def test_blocks_of_any_size_give_the_same_tables(run, data, tmp_path):
    other = audited(tmp_path / "run", data, "both", image_block=17)
    for name in ("codes", "code_factors", "code_summary", "equivariance", "code_traversals"):
        assert schemas.scan(run, name).collect().equals(schemas.scan(other, name).collect()), name


def test_an_encoder_without_a_decoder_is_judged_by_what_its_codes_tell(data, tmp_path):
    found = audited(tmp_path / "run", data, "encoder", **{"codes.moved": 0, "codes.factors": "attributes"})
    codes = rows(found, "codes")
    assert {row["basis"] for row in codes.values()} == {"association"}
    assert all(row["identity_kept"] is None and row["specificity_whitened"] is None for row in codes.values())
    assert [codes[0, code, None]["top_factor"] for code in (1, 2, 3)] == list(planted.NAMES[1:])
    assert schemas.scan(found, "code_traversals").collect().is_empty()


def test_a_decoder_alone_is_moved_from_codes_that_are_drawn(data, tmp_path):
    asked = "factory:tests.planted.networks:classifier;input_size=32"
    found = audited(tmp_path / "run", data, "decoder", **{"codes.classifier": asked})
    codes = rows(found, "codes")
    assert codes[0, 0, None]["top_factor"] == "x"
    assert codes[0, 0, None]["variance"] is None
    assert codes[0, 4, None]["top_factor"] is None  # nothing changes along it
    assert codes[0, 4, None]["p"] is None
    assert codes[0, 4, None]["identity_kept"] == 1
    assert 0 <= codes[0, 0, None]["identity_kept"] <= 1
    assert schemas.scan(found, "code_traversals").collect()["image"].is_null().all()
    assert schemas.scan(found, "code_summary").collect()["mig"].is_null().all()


def test_groups_are_audited_one_by_one_and_beside_a_plain_layer(data, tmp_path):
    found = audited(tmp_path / "run", data, "capsules", layers="conv")
    assert schemas.scan(found, "code_summary").collect()["group"].to_list() == [0, 1]
    assert schemas.scan(found, "equivariance").collect()["r2_layer"].null_count() == 0
    assert schemas.scan(found, "codes").collect()["layer"].unique().to_list() == ["codes"]


THIRDS = f"factory:tests.planted.codes:thirds;input_size={planted.SIDE};mean=0;std=1"


def test_a_choice_stands_for_the_classes_that_an_independent_classifier_and_the_data_set_tell(data, tmp_path):
    run = audited(tmp_path / "run", data, "choice", **{"codes.classifier": THIRDS, "codes.moved": 0})
    rows = schemas.scan(run, "code_classes").collect()
    decoded = rows.filter(source="decoded")
    assert dict(decoded.select("value", "label").iter_rows()) == {0: "1", 1: "2", 2: "0"}
    assert decoded["matched"].all()
    assert decoded["share"].to_list() == [1, 1, 1]
    assert decoded["images"].sum() == 2000  # drawn, whatever the data set holds
    (summary,) = schemas.scan(run, "code_summary").collect().iter_rows(named=True)
    assert summary["purity"] == 1
    assert summary["purity_null"] == pytest.approx(0.35, abs=0.03)
    # the middle place holds blobs of both sides, and two classes match two of three values
    encoded = rows.filter(source="encoded")
    assert set(encoded["label"]) == {"left", "right"}
    assert encoded["images"].sum() == 60
    assert encoded.filter(value=1)["label"].to_list() == ["right"]
    assert encoded.filter(value=2)["label"].to_list() == ["left"]
    matched = encoded.filter(pl.col("matched"))
    assert summary["purity_encoded"] == pytest.approx(matched["images"].sum() / 60)
    assert summary["purity_encoded"] > summary["purity_encoded_null"]
    (told,) = findings.purity(run).iter_rows(named=True)
    assert told["purity"] == 1
    assert findings.classes(run).filter(source="decoded").height == 3


def test_a_choice_that_changes_nothing_is_as_pure_as_permuted_images(data, tmp_path):
    run = audited(tmp_path / "run", data, "silent_choice", **{"codes.classifier": THIRDS, "codes.moved": 0})
    (summary,) = schemas.scan(run, "code_summary").collect().iter_rows(named=True)
    assert summary["purity"] == pytest.approx(summary["purity_null"], abs=0.03)


def test_without_a_choice_there_is_no_purity(run):
    assert schemas.scan(run, "code_classes").collect().is_empty()
    assert schemas.scan(run, "code_summary").collect()["purity"].is_null().all()
    assert findings.purity(run).is_empty()


def test_routing_is_told_beside_the_coupling_of_the_other_group(data, tmp_path):
    """Weights of the winner are 3/8 and 1/8: votes of both types are cosines of 1 and -1."""
    run = audited(tmp_path / "run", data, "router", **{"codes.moved": 0, "codes.factors": "attributes"})
    rows = {row["group"]: row for row in schemas.scan(run, "capsule_routing").collect().iter_rows(named=True)}
    assert sorted(rows) == [0, 1]
    assert sum(row["images"] for row in rows.values()) == 60
    uneven = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    for row in rows.values():
        told = {
            name: row[name] for name in ("agreement", "agreement_permuted", "selected", "agreement_other", "entropy")
        }
        expected = {
            "agreement": 0.5,
            "agreement_permuted": -0.5,
            "selected": 1,
            "agreement_other": -0.5,
            "entropy": uneven,
        }
        assert told == pytest.approx(expected, abs=1e-6)
        assert row["selected_error"] == pytest.approx(0, abs=1e-9)
        assert (row["top_type"], row["top_type_share"]) == (0, pytest.approx(0.75))
        assert row["top_type_share_other"] == pytest.approx(0.25)


def test_routing_that_leaves_coupling_uniform_selects_nothing(data, tmp_path):
    run = audited(tmp_path / "run", data, "uniform_router", **{"codes.moved": 0, "codes.factors": "attributes"})
    (row,) = findings.routing(run).iter_rows(named=True)
    assert row["selected"] == pytest.approx(0, abs=1e-7)
    assert row["entropy"] == pytest.approx(1)
    assert row["groups"] == 2


def test_what_does_not_keep_to_the_form_is_refused_in_words():
    class Flat(nn.Module):
        def codes(self, images):
            return images.flatten(1)

    class Whole(nn.Module):
        def codes(self, images):
            return images.flatten(2)[:, :, :3]

        def decode(self, codes, group):
            return 5 + codes[:, None, None].expand(-1, 1, 4, 3)

    class Alone(nn.Module):
        def decode(self, codes, group):
            return codes

    class Stated(Alone):
        def latents(self):
            return [Normal(), "normal"]

    class Shapeless(Alone):
        def latents(self):
            return [Normal(), Categorical(3)]

    class Votes(Whole):
        decode = None
        types = 2

        def codes(self, images):
            return images.flatten(2)[:, :, :3].expand(-1, 2, -1)

        def route(self, images):
            codes = self.codes(images)
            return SimpleNamespace(votes=codes, coupling=codes, capsules=codes)

    class Untold(Votes):
        def route(self, images):
            return self.codes(images)

    def refused(module):
        with pytest.raises(InputError) as refusal:
            coding_of(with_forward(module()), (1, 4, 4), "mine")
        return str(refusal.value)

    assert (
        "returned torch.float32 of shape (2, 16) for 2 images; it must return a float tensor (n, groups, dims)"
        in refused(Flat)
    )
    assert "returned values from 5 to 5; images go from 0 to 1" in refused(Whole)
    assert "decode(codes, group) but neither codes(images) nor latents()" in refused(Alone)
    assert "latents() of mine returned 'normal'" in refused(Stated)
    assert "returned torch.float32 of shape (2, 4) for 2 codes; it must return images" in refused(Shapeless)
    assert "returned votes, coupling and capsules of torch.float32 of shape (2, 2, 3)" in refused(Votes)
    assert "route(images) of mine fails: AttributeError" in refused(Untold)
    assert coding_of(nn.Sequential(nn.Flatten()), (1, 4, 4), "plain") is None
    held = nn.Module()
    held.codes = nn.Identity()  # a part of that name is no method
    assert coding_of(held, (1, 4, 4), "plain") is None


def test_options_and_attributes_are_refused_in_words(data, tmp_path):
    def refused(**more):
        settings = {
            "data": data,
            "models": [planted.entry("both")],
            "layers": "-1",
            "methods": "codes",
            **more,
            "actors": 0,
        }
        with pytest.raises(InputError) as refusal:
            audit(load_config(out=tmp_path / "run", **settings))
        return str(refusal.value)

    assert "has no attribute 'hight'. Did you mean 'high'?" in refused(**{"codes.attributes": "hight"})
    assert "'size=3' is no setting of a network" in refused(**{"codes.classifier": "factory:a:b;size=3"})
    assert "--codes.classifier: " in refused(**{"codes.classifier": "factory:tests.planted:nothing"})
    assert "codes.steps" in refused(**{"codes.steps": 1})
    assert not (tmp_path / "run").exists()
    assert stated_spec("factory:a:b;input_size=32;mean=0.1;std=0.3").mean == (0.1,)


def test_attributes_are_numbers_or_names_of_classes(data):
    found = stated(Dataset(data), None)
    assert found.names == ("class", "high", "low", "right", "wide")
    assert not found.classes.any()  # two classes are a number
    assert set(np.unique(found.values[:, 0])) == {0, 1}


class VAE(nn.Module):
    """The public VAE of 20 latents on digits, as an adapter."""

    def __init__(self):
        super().__init__()
        for name, inputs, outputs in (
            ("1", 784, 400),
            ("21", 400, 20),
            ("22", 400, 20),
            ("3", 20, 400),
            ("4", 400, 784),
        ):
            self.add_module(f"fc{name}", nn.Linear(inputs, outputs))

    def codes(self, images):
        return self.fc21(torch.relu(self.fc1(images.flatten(1))))[:, None]

    def decode(self, codes, group):
        return torch.sigmoid(self.fc4(torch.relu(self.fc3(codes)))).view(-1, 1, 28, 28)

    def latents(self):
        return [Normal()] * 20


def vae():
    """Make it."""
    return VAE()


@pytest.mark.slow
def test_a_public_vae_has_axes_that_are_more_specific_than_chance(test_data, tmp_path):
    folder = test_data / "mnist10k"
    with (
        gzip.open(folder / "t10k-images-idx3-ubyte.gz") as file,
        gzip.open(folder / "t10k-labels-idx1-ubyte.gz") as own,
    ):
        digits = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 28, 28)[:400]
        labels = np.frombuffer(own.read()[8:], np.uint8)[:400].tolist()
    weights = test_data / "weights"
    model = {"source": f"factory:tests.pipeline.methods.test_codes:vae@{weights / 'vae20_mnist.pth'}", "name": "vae",
             "input_size": 28, "mean": [0.0], "std": [1.0]}  # fmt: skip
    lenet = f"factory:tests.planted.victims:lenet5@{weights / 'lenet5_mnist.pth'};input_size=32;mean=0.1307;std=0.3081"
    run = audit_here(
        tmp_path / "run", data=write(tmp_path / "data", digits, labels), models=[model], layers="-1", methods="codes",
        **{"codes.moved": 30, "codes.bases": 24, "codes.directions": 100, "codes.classifier": lenet},
    )  # fmt: skip
    (row,) = findings.headline(run).iter_rows(named=True)
    assert row["codes"] == 20
    assert row["specificity"] == pytest.approx(0.37, abs=0.04)
    assert row["specificity_random"] == pytest.approx(0.285, abs=0.03)
    assert 4 <= row["aligned"] <= 11
    codes = schemas.scan(run, "codes").collect()
    assert (codes["identity_kept"] > 0.85).all()
