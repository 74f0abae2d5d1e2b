"""Class scores of planted networks are known; real ones are those that torch gives directly."""

import csv
import shutil

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from filterscope import schemas
from filterscope.jobs.config.audit import load_config
from filterscope.jobs.runs.audit import audit
from filterscope.pipeline.datasets.layout import Dataset, DatasetWriter
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.methods.outputs.findings import accuracy, confidence
from filterscope.pipeline.methods.outputs.stage import probabilities, ranks
from filterscope.pipeline.models.arithmetic import settle_torch
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here
from tests.planted import SIZE

CLASSIFIER = planted.entry("classifier")
NAMES = ["grey", "red", "crane", "crane"]
#: Level of red of each image, what its attribute says, and the class that is: an index, a name, nothing, or no class.
IMAGES = [
    (0, "3", 3), (51, "red", 1), (102, None, None), (153, "crane", None), (204, "0", 0), (255, "blue", None),
    (30, "2", 2), (60, "4", None), (90, "grey", 0),
]  # fmt: skip


def write_flat(folder, images=IMAGES, attribute="class"):
    """Write images of one colour, red on black, whose attribute says what they are of."""
    with DatasetWriter(folder, source={"reader": "flat"}) as out:
        for number, (level, value, _) in enumerate(images):
            pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
            pixels[..., 0] = level
            path = folder.parent / f"flat-{number}.png"
            Image.fromarray(pixels).save(path)
            image = out.image(path)
            if value is not None:
                out.attribute(image, attribute, value)
    return folder


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outputs")
    (folder / "classes.csv").write_text("index,name\n" + "".join(f"{n},{name}\n" for n, name in enumerate(NAMES)))
    model = {**CLASSIFIER, "classes": str(folder / "classes.csv")}
    data = write_flat(folder / "data")
    return {"data": data, "models": [model], "layers": "1", "image_block": 4, "methods": "outputs", "outputs.top": 2}


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("own") / "run", **settings)


def expected_rows():
    """What the planted network scores, worked out by hand: class 1 and 2 tie, and 1 comes first."""
    rows = []
    for view, (level, _, true) in enumerate(IMAGES):
        r = level / 255
        scores = [r, 2 * r, 2 * r, 0.5 - r]
        order = sorted(range(4), key=lambda k: (-scores[k], k))
        total = sum(np.exp(scores))
        for rank, k in enumerate(order):
            if rank < 2 or k == true:
                rows.append(("planted", view, view, k, scores[k], np.exp(scores[k]) / total, rank, k == true))
    return rows


def test_rows_are_the_highest_classes_and_the_true_one(run):
    found = schemas.scan_outputs(run).collect()
    exact = ["model", "image", "view", "class", "rank", "true"]
    expected = pl.DataFrame(expected_rows(), schema=found.schema, orient="row")
    assert found.select(exact).equals(expected.select(exact))
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found["probability"], expected["probability"], rtol=1e-6)
    tied = found.filter(pl.col("class").is_in([1, 2])).group_by("view").agg(pl.col("score").n_unique(), pl.len())
    assert tied.filter(pl.col("len") == 2)["score"].to_list() == [1] * 8


def test_classes_are_named_once_a_model(run):
    assert schemas.scan_classes(run).collect().rows() == [("planted", n, name) for n, name in enumerate(NAMES)]


def test_an_attribute_that_is_no_class_is_a_reject(run):
    found = schemas.scan_rejects(run).sort("item").collect()
    uris = Dataset(RunFolder(run).plan().data).images["uri"].to_pylist()
    assert found["stage"].to_list() == ["outputs"] * 3
    assert found["item"].to_list() == [uris[3], uris[5], uris[7]]
    reasons = found["reason"].to_list()
    assert "'crane', the name of classes 2 and 3: state the index" in reasons[0]
    assert "'blue', which is neither the name of a class nor an index from 0 to 3" in reasons[1]
    assert "'4', which is neither" in reasons[2]


def test_an_attribute_with_two_values_is_a_reject(settings, tmp_path):
    with DatasetWriter(tmp_path / "data", source={"reader": "twice"}) as out:
        Image.new("RGB", (SIZE, SIZE)).save(tmp_path / "black.png")
        image = out.image(tmp_path / "black.png")
        for value in ("1", "0", "1"):
            out.attribute(image, "kind", value)
    run = audit_here(tmp_path / "run", **{**settings, "data": tmp_path / "data", "outputs.truth": "kind"})
    (reason,) = schemas.scan_rejects(run).collect()["reason"]
    assert reason == "its attribute kind has 2 values: '0', '1' (classes of planted)"
    assert not schemas.scan_outputs(run).collect()["true"].any()


def test_what_was_a_reject_under_another_attribute_is_none_afterwards(settings, tmp_path):
    data = write_flat(tmp_path / "data", IMAGES[5:6])
    run = audit_here(tmp_path / "run", **{**settings, "data": data})
    assert schemas.scan_rejects(run).collect().height == 1
    shutil.rmtree(data)
    write_flat(data, [(255, "red", 1)])
    audit_here(run, **{**settings, "data": data}, redo="extract")
    assert schemas.scan_rejects(run).collect().height == 0
    assert schemas.scan_outputs(run).filter("true").collect()["class"].to_list() == [1]


def test_an_image_that_cannot_be_decoded_has_no_rows(settings, tmp_path):
    data = write_flat(tmp_path / "data")
    bad = data / Dataset(data).images["uri"][1].as_py()
    planted.spoil(data, 1, bad.read_bytes()[:60])
    run = audit_here(tmp_path / "run", **{**settings, "data": data, "max_rejects": 0.2})
    assert schemas.scan_outputs(run).collect()["view"].unique().sort().to_list() == [0, *range(2, 9)]
    assert bad.name in "".join(schemas.scan_rejects(run).filter(stage="extract").collect()["item"])


def test_views_of_one_image_share_its_true_class(settings, tmp_path):
    run = audit_here(tmp_path / "run", **settings, flips=True)
    found = schemas.scan_outputs(run).sort("view", "rank").collect()
    mirrored = found.filter(pl.col("view") % 2 == 1).drop("view")
    assert mirrored.equals(found.filter(pl.col("view") % 2 == 0).drop("view"))
    assert schemas.scan_rejects(run).collect().height == 3


def contents(run, *tables):
    return {
        path.relative_to(run): path.read_bytes()
        for name in tables
        for path in (run / "tables" / name).rglob("*.parquet")
    }


@pytest.mark.parametrize("change", [{"image_block": 16}, {"store": "none", "methods": "dissection,outputs"}])
def test_rows_do_not_depend_on_blocks_or_the_store(run, settings, tmp_path, change):
    if "store" in change:
        planted.write_dataset(tmp_path / "data")
        settings = {**settings, "data": tmp_path / "data", "min_images": 3, "quantile": 0.05}
        run = audit_here(tmp_path / "stored", **settings)
    other = audit_here(tmp_path / "run", **{**settings, **change})
    for name in ("outputs", "classes"):
        found, expected = (schemas.scan(place, name).collect() for place in (other, run))
        assert found.height
        assert found.equals(expected)


@pytest.mark.slow
def test_two_workers_find_the_same(run, settings, audited):
    other = audited(**settings, actors=2)
    tables = ("outputs", "classes", "rejects")
    assert contents(other, *tables) == contents(run, *tables)


def test_what_is_missing_is_computed_again_as_it_was(run, settings, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    before = contents(copy, "outputs", "classes", "rejects")
    (marker,) = (copy / "ledger" / "outputs").rglob("images-000004.*.json")
    marker.unlink()
    (part,) = (copy / "tables" / "outputs").rglob("images-000004.parquet")
    part.unlink()
    audit_here(copy, **settings)
    assert marker.exists()
    assert contents(copy, "outputs", "classes", "rejects") == before


def test_other_names_of_classes_are_other_parameters(settings, tmp_path):
    shutil.copy(settings["models"][0]["classes"], tmp_path / "classes.csv")
    own = {**settings, "models": [{**CLASSIFIER, "classes": str(tmp_path / "classes.csv")}], "out": tmp_path / "run"}
    audit(load_config(**own, actors=0))
    (tmp_path / "classes.csv").write_text("0,blue\n1,a\n2,b\n3,c\n")
    with pytest.raises(
        InputError, match=r"outputs/planted/images-000000 was computed with other parameters: classes is"
    ):
        audit(load_config(**own, actors=0))


def test_paths_of_names_start_from_the_configuration(tmp_path, settings):
    model = 'source = "factory:tests.planted:classifier"\nclasses = "own.csv"'
    (tmp_path / "run.toml").write_text(f'data = "{settings["data"]}"\nout = "run"\n[[models]]\n{model}\n')
    assert load_config(tmp_path / "run.toml").models[0].spec().classes == str(tmp_path / "own.csv")


def refused(settings, tmp_path, **change):
    with pytest.raises(InputError) as error:
        audit(load_config(**{**settings, "out": tmp_path / "run", "actors": 0, **change}))
    assert not (tmp_path / "run" / "run.toml").exists()
    return str(error.value)


def test_a_network_without_class_scores_is_refused_before_work(settings, tmp_path):
    said = refused(settings, tmp_path, models=[planted.PLANTED])
    assert said.startswith("planted: the network returns a tensor (1, 3, 32, 32), which holds no class scores")
    assert said.endswith("Drop outputs from --methods, or the model.")


def test_names_of_another_number_of_classes_are_refused_before_work(settings, tmp_path):
    (tmp_path / "two.csv").write_text("0,a\n1,b\n")
    said = refused(settings, tmp_path, models=[{**CLASSIFIER, "classes": str(tmp_path / "two.csv")}])
    assert "two.csv names 2 classes" in said
    assert "scores 4" in said
    said = refused(settings, tmp_path, models=[{**CLASSIFIER, "classes": str(tmp_path / "none.csv")}])
    assert "none.csv cannot be read" in said


def test_an_attribute_that_is_named_must_be_there(settings, tmp_path):
    said = refused(settings, tmp_path, **{"outputs.truth": "clas"})
    assert "has no attribute 'clas'" in said
    assert "Did you mean 'class'?" in said


def test_scores_that_are_no_numbers_stop_the_run(settings, tmp_path, monkeypatch):
    from filterscope.pipeline.models.network import Network

    scores = Network.scores

    def broken(network, pixels):
        found = scores(network, pixels)
        found[1, 2] = np.nan
        return found

    monkeypatch.setattr(Network, "scores", broken)
    with pytest.raises(
        RunError, match=r"scores of planted are NaN or infinite on view 1, of image 1 \(images/flat-1.png\)"
    ):
        audit_here(tmp_path / "run", **settings)


def test_ranks_break_ties_by_index_and_probabilities_add_up():
    scores = np.array([[1, 3, 3, 2, 3], [0, -0.0, 0, 0, 0], [1e4, -1e4, 0, 1e4, 5]], np.float32)
    assert ranks(scores).tolist() == [[4, 0, 1, 3, 2], [0, 1, 2, 3, 4], [0, 4, 3, 1, 2]]
    found = probabilities(scores)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    assert found[2].tolist() == [0.5, 0, 0, 0.5, 0]


def test_findings_stand_beside_chance_and_a_constant_answer(run):
    row = accuracy(run).row(0, named=True)
    # true classes known: 3 (found), 1 (0.2: 0.2, 0.4, 0.4, 0.3: found), 0, 2, 0
    assert (row["images"], row["views"], row["classes"]) == (5, 5, 4)
    assert row["top-1"] == pytest.approx(2 / 5)
    assert row["+-"] == pytest.approx(np.std([1, 1, 0, 0, 0], ddof=1) / np.sqrt(5))
    assert (row["chance"], row["constant"], row["top-5"], row["chance of 5"]) == (0.25, 0.4, 1, 1)
    best = schemas.scan_outputs(run).filter(pl.col("rank") == 0).collect()
    known = best.filter(pl.col("view").is_in([0, 1, 4, 6, 8]))["probability"].cast(pl.Float64)
    sure = confidence(run).row(0, named=True)
    assert sure["views"] == 9
    assert sure["mean probability"] == pytest.approx(best["probability"].cast(pl.Float64).mean())
    assert sure["overconfidence"] == pytest.approx(known.mean() - 2 / 5)


def test_views_of_one_image_do_not_lower_the_standard_error(run, settings, tmp_path):
    flipped = accuracy(audit_here(tmp_path / "run", **settings, flips=True)).row(0, named=True)
    once = accuracy(run).row(0, named=True)
    assert flipped["views"] == 2 * once["views"]
    assert flipped["images"] == once["images"]
    assert flipped["+-"] == pytest.approx(once["+-"])


@pytest.fixture(scope="module")
def imagenette(test_data, tmp_path_factory):
    """Four images of each of the ten classes, every other one named by its class's name."""
    folder, counts = tmp_path_factory.mktemp("imagenette") / "data", {}
    with DatasetWriter(folder, source={"reader": "imagenette"}) as out:
        for row in csv.DictReader((test_data / "imagenette1000" / "labels.csv").open()):
            counts[row["class"]] = counts.get(row["class"], 0) + 1
            if counts[row["class"]] <= 4:
                image = out.image(test_data / "imagenette1000" / "images" / row["image"])
                out.attribute(image, "class", row["name"] if counts[row["class"]] % 2 else row["class"])
    return folder


def direct_scores(data, weights):
    """Run the network without this project: 40 images in batches of 4, in the run's own order."""
    from filterscope.pipeline.models.vision import torchvision

    settle_torch()
    network = torchvision.models.squeezenet1_1()
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.eval().to(memory_format=torch.channels_last)
    pixels = np.stack(
        [np.asarray(Image.open(data / uri).convert("RGB")) for uri in Dataset(data).images["uri"].to_pylist()]
    )
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) * 255.0 for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    batch = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - mean) / std
    with torch.inference_mode():
        return torch.cat([network(part) for part in batch.split(4)])


@pytest.fixture
def threads():
    """Put back the number of threads, which an audit in this process sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_a_real_network_scores_as_torch_does_directly(test_data, imagenette, tmp_path):
    weights = test_data / "weights" / "squeezenet1_1-rgb.pth"
    run = audit_here(
        tmp_path / "run", data=imagenette, models=[f"torchvision:squeezenet1_1@{weights}"], layers="features.12",
        methods="outputs", batch_size=4,
    )  # fmt: skip
    scores = direct_scores(imagenette, weights)
    found = schemas.scan_outputs(run).sort("view", "rank").collect()
    own = torch.from_numpy(found["score"].to_numpy())
    assert torch.equal(own, scores[found["view"].to_list(), found["class"].to_list()])
    best = found.filter(pl.col("rank") == 0)["class"].to_list()
    assert best == scores.argmax(1).tolist()
    true = found.filter("true").sort("view")["class"].to_list()
    labels = {
        row["image"]: int(row["class"]) for row in csv.DictReader((test_data / "imagenette1000/labels.csv").open())
    }
    assert true == [labels[uri.rpartition("/")[2]] for uri in Dataset(imagenette).images["uri"].to_pylist()]
    right = (scores.argmax(1) == torch.tensor(true)).double().mean().item()
    row = accuracy(run).row(0, named=True)
    assert row["top-1"] == pytest.approx(right, abs=1e-12)
    print(f"top-1 {right}, top-5 {row['top-5']}")
    assert row["top-1"] > 0.3 > row["constant"] == 0.1 > row["chance"] == 0.001
    assert schemas.scan_rejects(run).collect().height == 0
