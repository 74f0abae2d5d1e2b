"""Gradients of planted networks are those of calculus; real ones those of torch and of finite differences."""

import shutil

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from filterscope import schemas
from filterscope.jobs.config.audit import load_config
from filterscope.jobs.runs.audit import audit
from filterscope.jobs.runs.doctor import examine, repair
from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.methods.gradients.findings import coverage
from filterscope.pipeline.models.arithmetic import settle_torch
from filterscope.pipeline.stores.gradients import GradientStore
from tests import planted
from tests.audits import audit_here
from tests.pipeline.methods.test_outputs import CLASSIFIER, IMAGES, write_flat
from tests.planted import SIZE

HEAD = np.array([[1, 0, 0], [2, 0, 0], [2, 0, 0], [-1, 4, 0]])
#: What `classifier` scores highest on the flat images.
PREDICTED = [3, 1, 1, 1, 1, 1, 3, 1, 1]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    data = write_flat(tmp_path_factory.mktemp("gradients") / "data")
    return {
        "data": data, "models": [CLASSIFIER], "layers": "0,1", "image_block": 4, "unit_block": 2,
        "methods": "outputs,gradients",
    }  # fmt: skip


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("own") / "run", **settings)


def gradients(run, layer):
    return GradientStore(run, "planted", layer).read(0, len(IMAGES), slice(0, 3))


def analytic(classes):
    """Return the gradients of the scores of classes with respect to the layers: mean pooling, then the head; ReLU's gate."""
    after = HEAD[classes][:, :, None, None] / SIZE**2 * np.ones((1, 1, SIZE, SIZE))
    red = np.array([level > 0 for level, *_ in IMAGES])
    gate = np.stack([red, np.zeros_like(red), np.zeros_like(red)], axis=1)
    return {"0": after * gate[:, :, None, None], "1": after}


def test_gradients_are_those_of_calculus(run):
    expected = analytic(PREDICTED)
    for layer in ("0", "1"):
        found = gradients(run, layer)
        assert found.dtype == np.float32
        assert np.array_equal(found, expected[layer])


def test_the_class_differentiated_is_the_one_that_outputs_ranks_first(run):
    found = schemas.scan_gradient_views(run).sort("layer", "view").collect()
    assert found["class"].to_list() == PREDICTED * 2
    best = schemas.scan_outputs(run).filter(pl.col("rank") == 0).sort("view").collect()
    assert best["class"].to_list() == PREDICTED
    assert found["view"].to_list() == [*range(9)] * 2
    assert found.filter(layer="1")["largest"].to_list() == [(4 if k == 3 else 2) / SIZE**2 for k in PREDICTED]


def test_a_gradient_that_is_zero_everywhere_has_scale_zero(run):
    scales = GradientStore(run, "planted", "0").read_scales(0, 9)
    assert scales[0] == 0
    assert (scales[1:] > 0).all()
    rows = {row["layer"]: row for row in coverage(run).iter_rows(named=True)}
    assert (rows["0"]["views"], rows["0"]["classes"], rows["0"]["zero share"]) == (9, 2, pytest.approx(1 / 9))
    assert (rows["1"]["zero share"], rows["1"]["largest"], rows["1"]["smallest"]) == (0, 4 / SIZE**2, 2 / SIZE**2)


@pytest.mark.parametrize("target", ["2", 2, "02"])
def test_one_class_may_be_asked_for_all_views(settings, tmp_path, target):
    run = audit_here(tmp_path / "run", **settings, **{"gradients.target": target})
    assert np.array_equal(gradients(run, "1"), analytic([2] * 9)["1"])
    assert schemas.scan_gradient_views(run).collect()["class"].unique().to_list() == [2]


def test_the_best_of_some_classes_may_be_asked(settings, tmp_path):
    run = audit_here(tmp_path / "run", **settings, **{"gradients.target": "0,3"})
    best = schemas.scan_outputs(audit_here(tmp_path / "all", **{**settings, "outputs.top": 4})).collect()
    best = best.filter(pl.col("class").is_in([0, 3])).sort("view", "rank").unique("view", keep="first").sort("view")
    asked = schemas.scan_gradient_views(run).filter(layer="1").sort("view").collect()["class"].to_list()
    assert asked == best["class"].to_list()
    assert set(asked) == {0, 3}
    assert np.array_equal(gradients(run, "1"), analytic(asked)["1"])


def test_views_without_a_true_class_have_no_gradient_of_it(settings, tmp_path):
    run = audit_here(tmp_path / "run", **{**settings, "methods": "gradients"}, **{"gradients.target": "true"})
    # without names of classes, names are no classes
    true = [3, None, None, None, 0, None, 2, None, None]
    known = np.array([k is not None for k in true])
    found = gradients(run, "1")
    assert np.isnan(found[~known]).all()
    assert np.array_equal(found[known], analytic([k for k in true if k is not None] + [0] * 6)["1"][: known.sum()])
    rows = schemas.scan_gradient_views(run).filter(layer="1").sort("view").collect()
    assert rows.select("view", "class").rows() == [(view, k) for view, k in enumerate(true) if k is not None]
    rejects = schemas.scan_rejects(run).collect()
    assert rejects["stage"].to_list() == ["gradients"] * 5
    assert "'red', which is neither the name of a class nor an index from 0 to 3" in rejects["reason"][0]


def test_an_image_that_cannot_be_decoded_has_no_gradient(settings, tmp_path):
    data = write_flat(tmp_path / "data")
    bad = data / Dataset(data).images["uri"][5].as_py()
    planted.spoil(data, 5, bad.read_bytes()[:60])
    run = audit_here(tmp_path / "run", **{**settings, "data": data, "max_rejects": 0.2})
    found = gradients(run, "1")
    assert np.flatnonzero(np.isnan(found).any(axis=(1, 2, 3))).tolist() == [5]
    seen = np.arange(9) != 5
    assert np.array_equal(found[seen], analytic(PREDICTED)["1"][seen])
    assert 5 not in schemas.scan_gradient_views(run).collect()["view"]


def contents(run):
    """Return the files that the stage left, and its markers by name."""
    places = ("gradients.zarr", "gradient_scales.zarr", "tables/gradient_views")
    return {
        path.relative_to(run): path.read_bytes()
        for place in places
        for path in (run / place).rglob("*")
        if path.is_file()
    }


def test_gradients_do_not_depend_on_blocks(run, settings, tmp_path):
    other = audit_here(tmp_path / "run", **{**settings, "image_block": 16, "unit_block": 3})
    for layer in ("0", "1"):
        assert np.array_equal(gradients(other, layer), gradients(run, layer))
    one, two = (schemas.scan_gradient_views(place).sort("layer", "view").collect() for place in (run, other))
    assert one.equals(two)


@pytest.mark.slow
def test_two_workers_leave_the_same(run, settings, audited):
    assert contents(audited(**settings, actors=2)) == contents(run)


def test_a_layer_that_is_missing_is_computed_again_as_it_was(run, settings, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    before = contents(copy)
    (marker,) = (copy / "ledger" / "gradients" / "planted" / "0").glob("images-000004.*.json")
    marker.unlink()
    for path in GradientStore(copy, "planted", "0").files(4).values():
        path.unlink()
    audit_here(copy, **settings)
    assert marker.exists()
    assert contents(copy) == before


@pytest.mark.parametrize("name", ["maps", "scales"])
def test_the_doctor_finds_a_flipped_bit_and_mends_it(run, tmp_path, name):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    before = contents(copy)
    assert examine(copy) == []
    path = GradientStore(copy, "planted", "1").files(4)[name]
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(bytes(data))
    (problem,) = problems = examine(copy)
    assert problem.path == path
    assert problem.what == "the file is not the one that was written"
    assert problem.key.text == "gradients/planted/1/images-000004"
    repair(copy, problems)
    assert contents(copy) == before


def refused(settings, tmp_path, **change):
    with pytest.raises(InputError) as error:
        audit(load_config(**{**settings, "methods": "gradients", "out": tmp_path / "run", "actors": 0, **change}))
    assert not (tmp_path / "run" / "run.toml").exists()
    return str(error.value)


def test_what_cannot_be_differentiated_is_refused_before_work(settings, tmp_path):
    said = refused(settings, tmp_path, models=[planted.PLANTED])
    assert said.startswith("planted: the network returns a tensor")
    assert said.endswith("Drop gradients from --methods, or the model.")
    said = refused(settings, tmp_path, models=[planted.entry("unheard")], layers="aside")
    assert said.startswith("planted: what is differentiated does not depend on 'aside'")
    said = refused(settings, tmp_path, **{"gradients.target": "4"})
    assert said == "--gradients.target 4: planted scores 4 classes, 0 to 3"
    said = refused(settings, tmp_path, **{"gradients.target": "highest"})
    assert "expected predicted, true or the index of a class" in said
    said = refused(settings, tmp_path, store="none")
    assert "--methods gradients" in said
    (tmp_path / "bare").mkdir()
    bare = write_flat(tmp_path / "bare" / "data", IMAGES[2:3])
    said = refused(settings, tmp_path, data=bare, **{"gradients.target": "true"})
    assert "has no attribute 'class'" in said
    assert "no attributes at all" in said


def test_gradients_that_are_no_numbers_stop_the_run(settings, tmp_path, monkeypatch):
    from filterscope.pipeline.models.network import Network

    whole = Network.gradients

    def broken(network, pixels, of, at, **more):
        found = whole(network, pixels, of, at, **more)
        found["1"][2, 0, 0, 0] = np.inf
        return found

    monkeypatch.setattr(Network, "gradients", broken)
    said = "gradients of planted with respect to '1' are NaN or infinite on view 2, of image 2"
    with pytest.raises(RunError, match=said):
        audit_here(tmp_path / "run", **settings)


class _Direct:
    """SqueezeNet without this project: images, scores and gradients by torch's own hooks, one image at a time."""

    def __init__(self, data, weights):
        from filterscope.pipeline.models.vision import torchvision

        settle_torch()
        self.network = torchvision.models.squeezenet1_1()
        self.network.load_state_dict(torch.load(weights, weights_only=True))
        self.network.eval().requires_grad_(False)
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        files = [data / uri for uri in Dataset(data).images["uri"].to_pylist()]
        pixels = [torch.from_numpy(np.array(Image.open(file).convert("RGB"))) for file in files]
        self.batch = torch.stack([(image.permute(2, 0, 1).float() / 255 - mean) / std for image in pixels])

    def gradient(self, image, layer):
        kept = []

        def keep(module, arguments, output):
            kept.append(output.requires_grad_())

        handle = self.network.get_submodule(layer).register_forward_hook(keep)
        scores = self.network(self.batch[image : image + 1])[0]
        handle.remove()
        (found,) = torch.autograd.grad(scores.max(), kept)
        return found[0].numpy(), int(scores.argmax())

    def slope(self, image, layer, place, number, step=1e-4):
        """Return how a score changes with the value of a layer at one place, by a central difference in double precision."""
        network, found = self.network.double(), []
        for sign in (1, -1):

            def shift(module, arguments, output, sign=sign):
                output[(0, *place)] += sign * step
                return output

            handle = network.get_submodule(layer).register_forward_hook(shift)
            with torch.no_grad():
                found.append(network(self.batch[image : image + 1].double())[0, number].item())
            handle.remove()
        self.network.float()
        return (found[0] - found[1]) / (2 * step)


@pytest.fixture
def threads():
    """Put back the number of threads, which an audit in this process sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


REAL = ("features.7", "features.12")


@pytest.mark.usefixtures("threads")
def test_gradients_of_a_real_network_are_those_of_torch_and_of_finite_differences(test_data, tmp_path):
    with DatasetWriter(tmp_path / "data", source={"reader": "six"}) as out:
        for path in sorted((test_data / "imagenette1000" / "images").iterdir())[::167]:
            out.image(path)
    weights = test_data / "weights" / "squeezenet1_1-rgb.pth"
    settings = {
        "data": tmp_path / "data", "models": [{"source": f"torchvision:squeezenet1_1@{weights}", "name": "planted"}],
        "layers": ",".join(REAL), "methods": "gradients", "batch_size": 4, "image_block": 3,
    }  # fmt: skip
    run = audit_here(tmp_path / "run", **settings)
    direct = _Direct(tmp_path / "data", weights)
    classes = schemas.scan_gradient_views(run).filter(layer=REAL[0]).sort("view").collect()["class"].to_list()
    for layer in REAL:
        store = GradientStore(run, "planted", layer)
        units = schemas.scan_layers(run).filter(layer=layer).collect()["channels"][0]
        found = store.read(0, 6, slice(0, units))
        for image in range(6):
            expected, predicted = direct.gradient(image, layer)
            assert classes[image] == predicted
            near = np.maximum(np.abs(expected) * 1e-3, np.abs(expected).max() * 1e-5)
            assert (np.abs(found[image] - expected) <= near).all()
        place = np.unravel_index(np.abs(found[0]).argmax(), found[0].shape)
        assert direct.slope(0, layer, place, classes[0]) == pytest.approx(found[0][place], rel=2e-3)
    before = contents(run)
    (marker,) = (run / "ledger" / "gradients" / "planted" / REAL[1]).glob("images-000000.*.json")
    marker.unlink()
    GradientStore(run, "planted", REAL[1]).files(0)["maps"].unlink()
    audit_here(run, **settings)
    assert contents(run) == before
