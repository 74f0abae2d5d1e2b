"""The method saliency through whole audits: maps and their sanity, images for classes and their controls."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr

from filterscope import schemas
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.methods.saliency import drawn, told
from filterscope.pipeline.methods.saliency.drawing import most_frequent
from filterscope.pipeline.methods.saliency.findings import images as images_of
from filterscope.pipeline.methods.saliency.findings import maps, sanity
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here
from tests.jobs.report.pages import Page, written_here

SIDE = 24
HERE = "tests.pipeline.methods.test_saliency"
MODEL = {**planted.entry("network", "squares"), "source": f"factory:{HERE}:squares", "input_size": SIDE}
MODEL |= {"mean": [0.5] * 3, "std": [0.5] * 3}
SETTINGS = {
    "models": [MODEL], "layers": "1", "methods": "saliency", "image_block": 4, "saliency.views": 5, "saliency.classes": 2,
    "saliency.steps": 20,
}  # fmt: skip


def squares():
    """Score three classes by colour, each in a third of the columns; ReLU first."""
    conv = torch.nn.Conv2d(3, 3, 3, padding=1, bias=False)
    torch.nn.init.normal_(conv.weight, generator=torch.Generator().manual_seed(1))
    head = torch.nn.Linear(3 * SIDE * SIDE, 3, bias=False)
    torch.nn.init.normal_(head.weight, 0, 0.02, generator=torch.Generator().manual_seed(2))
    weight = head.weight.data.view(3, 3, SIDE, SIDE)
    for index in range(3):
        outside = torch.ones(SIDE, dtype=torch.bool)
        outside[index * SIDE // 3 : (index + 1) * SIDE // 3] = False
        weight[index, :, :, outside] = 0
    return torch.nn.Sequential(conv, torch.nn.ReLU(), torch.nn.Flatten(), head)


def smooth():
    """Return the same with a SiLU."""
    module = squares()
    module[1] = torch.nn.SiLU()
    return module


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, random = tmp_path_factory.mktemp("noise") / "data", np.random.default_rng(0)
    with DatasetWriter(folder, source={"reader": "noise"}) as out:
        for number in range(9):
            path = folder.parent / f"{number}.png"
            Image.fromarray(random.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(path)
            out.image(path)
    return folder


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("squares") / "run", data=data, **SETTINGS)


def batch_of(pixels):
    return torch.from_numpy(np.moveaxis(pixels, 3, 1).astype(np.float32) / 127.5 - 1)


def opened(values):
    return np.stack([np.asarray(Image.open(io.BytesIO(data))) for data in values])


def test_maps_and_their_correlations_are_those_of_the_network_and_its_twin(run, data):
    rows = schemas.scan_saliency(run).filter(rule="saliency").sort("view").collect()
    assert rows.height == 5
    pixels = np.stack([np.asarray(Image.open(data.parent / f"{image}.png")) for image in rows["image"]])
    inputs, module = batch_of(pixels).requires_grad_(), squares()
    scores = module(inputs)
    classes = scores.argmax(1)
    assert rows["class"].to_list() == classes.tolist()
    slopes = torch.autograd.grad(scores.gather(1, classes[:, None]).sum(), [inputs])[0].abs().amax(1).numpy()
    shown = opened(rows["picture"])[:, :, SIDE + 4 : 2 * SIDE + 4, 0]
    for one, slope in zip(shown, slopes, strict=True):
        expected = np.rint(np.clip(slope / np.quantile(slope, 0.995), 0, 1) * 255)
        assert np.abs(one - expected).max() <= 1
    twins = opened(rows["picture"])[:, :, 3 * SIDE + 12 :, 0]
    rho = [spearmanr(slope.ravel(), twin.ravel()).statistic for slope, twin in zip(slopes, twins, strict=True)]
    assert rows["rho_all"].to_numpy() == pytest.approx(rho, abs=0.02)
    assert (rows["rho_top"] < 0.6).all()  # evidence lies in a third of the image that the shuffled head ignores


def test_rules_count_what_they_replaced_and_sanity_is_printed(run):
    rows = schemas.scan_saliency(run).collect()
    assert rows.group_by("rule").len().sort("rule").rows() == [("deconvnet", 5), ("guided", 5), ("saliency", 5)]
    assert set(rows.filter(rule="guided")["rectifiers"]) == {1}
    assert rows.filter(rule="saliency")["rectifiers"].is_null().all()
    table = sanity(run)
    assert table["rule"].to_list() == ["saliency", "deconvnet", "guided"]
    own = rows.filter(rule="guided")["rho_top"].median()
    assert table["head shuffled"].to_list()[2] == pytest.approx(own)
    assert table["sanity"].to_list() == ["too alike" if value > 0.5 else "" for value in table["head shuffled"]]


def test_what_stands_in_for_a_rectifier_has_no_ruled_map_and_says_why(data, tmp_path):
    settings = {**SETTINGS, "models": [{**MODEL, "source": f"factory:{HERE}:smooth"}], "saliency.classes": 0}
    found = audit_here(tmp_path / "run", data=data, **settings)
    rows = schemas.scan_saliency(found).collect()
    for row in rows.filter(rule="guided").to_dicts():
        assert "1 SiLU" in row["reason"]
        assert row["picture"] is None
    assert rows.filter(rule="saliency")["reason"].is_null().all()
    assert sanity(found)["rule"].to_list() == ["saliency"]
    assert schemas.scan_class_models(found).collect().height == 0


def test_images_for_classes_raise_their_scores_above_all_controls(run):
    rows = schemas.scan_class_models(run).sort("class").collect()
    seen = schemas.scan_saliency(run).filter(rule="saliency").collect()["class"].to_numpy()
    assert rows["class"].to_list() == sorted(most_frequent(seen, 2).tolist())
    pixels, module, at = opened(rows["picture"]), squares(), np.arange(2)
    with torch.no_grad():
        scores = module(batch_of(pixels)).numpy()
    classes = rows["class"].to_numpy()
    assert rows["score"].to_numpy() == pytest.approx(scores[at, classes], rel=1e-4)
    assert (rows["score"] > rows["noise_score"] + 0.1).all()
    assert (rows["score"] > rows["dataset_maximum"]).all()
    assert (rows["score"] > rows["scrambled_score"]).all()
    assert (rows["score"] > rows["shuffled_score"]).all()
    assert (rows["twin_gain"] > 0).all()
    assert images_of(run)["name"].to_list() == [str(index) for index in classes]


def test_the_image_of_a_linear_score_is_its_weights():
    """Where S - lambda |I|^2 is largest, I is the weights over 2 lambda."""
    from filterscope.pipeline.methods.saliency.drawing import ClassScore
    from filterscope.pipeline.models.network import Network
    from filterscope.pipeline.models.taps import Taps

    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 4)).eval().requires_grad_(False)
    zero = torch.zeros(1, 3, 1, 1)
    network = Network(Taps(linear, ()), (), 2, 1.0, "cpu", zero, zero + 255)
    classes = torch.tensor([3, 1])
    found, _ = network.optimise(ClassScore(classes, 0.05), np.zeros((2, 3, 8, 8), np.float32), 300, 0.05)
    expected = linear[1].weight[classes].view(2, 3, 8, 8).numpy() / 0.1
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_costs_are_told_and_pages_show_the_pictures(run, tmp_path):
    plan = RunFolder(run).plan()
    assert drawn(plan) == 3 * (9 * 5 + 2 * 2 * 20)
    (line,) = told(plan)
    assert line.endswith("the scores of 5 views and makes images for at most 2 classes in 20 updates each, as long as 375 "
                         "forward passes")  # fmt: skip
    page = Page(written_here(run, tmp_path / "site") / "index.html")
    pictures = [entry for tag, entry in page.tags if tag == "img" and "data:image/webp" in (entry["src"] or "")]
    assert len(pictures) == 15 + 2
    assert maps(run)["rule"].to_list()[:3] == ["saliency", "deconvnet", "guided"]
    for words in ("Whether saliency maps depend on what was learned", "Saliency maps", "Images made for classes"):
        assert words in page.text
