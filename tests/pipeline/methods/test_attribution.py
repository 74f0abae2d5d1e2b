"""Maps of planted networks point where they must; every row has its controls, and what cannot be is refused in words."""

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from filterscope import schemas
from filterscope.jobs.config.audit import load_config
from filterscope.jobs.runs.audit import audit
from filterscope.operators.attribution.curves import FILLS
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.methods.attribution.block import compared, enlarged
from filterscope.pipeline.methods.attribution.costs import told
from filterscope.pipeline.methods.attribution.curves import Filled
from filterscope.pipeline.methods.attribution.curves import curves as curves_of
from filterscope.pipeline.methods.attribution.drawn import drawn_views
from filterscope.pipeline.methods.attribution.findings import curves, hits, lifts, sanity
from filterscope.pipeline.methods.attribution.regions import box_mask, may_show, named_regions, regions_of
from filterscope.pipeline.methods.attribution.stage import projected_passes
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import audit_here
from tests.planted import SIZE
from tests.planted import attribution as pictured

CLASSIFIER = planted.entry("classifier")
RED = 1


def write_squares(folder, count=12):
    """Write grey images with a red square of 8 x 8, a landmark with a box; the third lacks it, the fifth has two."""
    rng = np.random.default_rng(0)
    with DatasetWriter(folder, source={"reader": "squares"}) as out:
        concept = out.concept("square", "part")
        for number in range(count):
            pixels = np.full((SIZE, SIZE, 3), 100, np.uint8)
            places = [] if number == 2 else rng.integers(0, (12, 24), (1, 2)).tolist()
            if number == 4:
                places.append([22, 3])
            for top, left in places:
                pixels[top : top + 8, left : left + 8] = (255, 0, 0)
            path = folder.parent / f"square-{number}.png"
            Image.fromarray(pixels).save(path)
            image = out.image(path)
            for top, left in places:
                out.landmark(image, None, "square", left + 3.5, top + 3.5, (8, 8))
            if places:
                out.segment(image, concept, pixels[..., 1] == 0)
            out.attribute(image, "class", "1" if number != 7 else "none")
    return folder


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    data = write_squares(tmp_path_factory.mktemp("attribution") / "data")
    return {
        "data": data, "models": [CLASSIFIER], "layers": "0,1", "image_block": 5, "methods": "attribution",
        "attribution.methods": "grad_cam,occlusion", "attribution.control_views": 6, "attribution.curves": 4,
        "attribution.target": RED,
    }  # fmt: skip


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory):
    return audit_here(tmp_path_factory.mktemp("own") / "run", **settings)


def drawn(run, count):
    """The views with a square that are drawn; the third has none."""
    plan = RunFolder(run).plan()
    found = set(drawn_views(plan, count, plan.views.image != 2).tolist())
    assert len(found) == count
    return found


def rows(run):
    return schemas.scan_attribution_scores(run).collect()


def test_explanations_of_red_lie_in_the_red_square(run):
    found = rows(run).filter(network="trained")
    assert sorted(found["view"].unique()) == [0, 1, *range(3, 12)]  # the third image shows no square
    assert found["class"].unique().to_list() == [RED]
    assert found.filter(method="grad_cam")["hit"].to_list() == [1.0] * 11
    assert found.filter(method="grad_cam")["energy"].to_list() == [1.0] * 11
    assert found.filter(method="occlusion")["hit"].mean() > 0.9
    share = found.filter(method="grad_cam").sort("view")["share"].to_list()
    expected = [64 / SIZE**2] * 11
    expected[3] *= 2  # view 4
    assert share == expected
    np.testing.assert_allclose(found["lift"], found["energy"] / found["share"])


def test_every_method_stands_beside_the_same_controls(run):
    found = rows(run)
    of = {key: set(own["view"]) for key, own in found.group_by("method", "network")}
    whole = of["grad_cam", "trained"]
    baselines = {("centre", "none"), ("edges", "none"), ("random", "none")}
    assert set(of) == {(name, net) for name in ("grad_cam", "occlusion") for net in ("trained", "random")} | baselines
    assert all(of[key] == whole for key in (*baselines, ("occlusion", "trained")))
    control = drawn(run, 6)
    assert of["grad_cam", "random"] == of["occlusion", "random"] == control
    table = hits(run)
    assert table["method"].to_list() == ["grad_cam", "occlusion"]
    assert table.select("centre", "edges", "random", "random network").null_count().sum_horizontal().item() == 0
    assert table["on views"].to_list() == [len(control), len(control)]
    one = found.filter(method="centre")["hit"].mean()
    assert table["centre"].to_list() == [one, one]
    assert (table["low"] <= table["hit"]).all()
    assert (table["hit"] <= table["high"]).all()


def test_curves_fall_faster_where_a_method_points_right(run):
    found = curves(run)
    assert found["views"].unique().to_list() == [4]
    assert set(found["fills agree"]) <= {"yes", "no"}
    of = {row["method"]: row for row in found.iter_rows(named=True)}
    # noise of the mean colour, black, is stripes to this network: there deletion tells more of the fill than of the map
    assert of["grad_cam"]["deletion_blur"] < of["random"]["deletion_blur"]
    for fill in FILLS:
        assert of["grad_cam"][f"insertion_{fill}"] > of["random"][f"insertion_{fill}"]


def test_curves_are_areas_under_probabilities_of_changed_copies():
    pixels, values = pictured.images(1)[0], np.random.default_rng(0).random((40, 40)).astype(np.float32)
    network = pictured.network()
    image = (pixels.astype(np.float64) - 127.5) / 127.5
    blur = gaussian_filter(image, (5, 5, 0), mode="nearest", radius=(5, 5, 0))
    order = np.argsort(-values.ravel())
    found = curves_of(network, Filled.of(network, pixels), values, 0)
    for name, start, end in (
        ("deletion_blur", image, blur), ("insertion_blur", blur, image),
        ("deletion_mean", image, 0 * image), ("insertion_mean", 0 * image, image),
    ):  # fmt: skip
        probability = []
        for step in range(57):
            gone = np.zeros(1600, bool)
            gone[order[: step * 1600 // 56]] = True
            shown = np.where(gone.reshape(40, 40, 1), end, start)
            patch = shown[21:26, 10:15].sum(axis=2)
            score = 6 * (pictured.pattern() * patch).sum() / (3 * 24 * 40 / 127.5) - 3
            probability.append(1 / (1 + np.exp(-score)))
        assert found[name] == pytest.approx(np.trapezoid(probability) / 56, abs=1e-5), name


def test_a_region_that_no_control_view_shows_has_a_count_of_0_and_no_number(settings, tmp_path):
    more = {"attribution.methods": "grad_cam", "attribution.control_views": 0, "attribution.curves": 0}
    (found,) = hits(audit_here(tmp_path / "run", **{**settings, **more})).iter_rows(named=True)
    assert (found["on views"], found["random network"], found["hit"]) == (0, None, 1)


def test_sanity_is_of_the_head_and_of_all_weights(run):
    found = schemas.scan_attribution_sanity(run).collect()
    assert {key for key, _ in found.group_by("method", "randomised")} == {
        (name, which) for name in ("grad_cam", "occlusion") for which in ("top", "all")
    }
    assert found["rho"].drop_nulls().abs().max() <= 1
    table = sanity(run)
    assert table.height == 4
    assert table["views"].to_list() == [6] * 4


@pytest.mark.slow
def test_rows_do_not_depend_on_how_the_work_was_cut(run, settings, tmp_path):
    again = audit_here(tmp_path / "run", **{**settings, "image_block": 3})
    keys = ["method", "network", "view", "region"]
    assert rows(again).sort(keys).equals(rows(run).sort(keys))


def test_another_method_is_added_without_computing_the_others_again(settings, tmp_path):
    small = {**settings, "attribution.curves": 0, "attribution.control_views": 0, "attribution.methods": "grad_cam"}
    run = audit_here(tmp_path / "run", **small)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.parquet") if "attribution" in str(path)}
    audit_here(run, **{**small, "attribution.methods": "grad_cam,gradient"})
    assert set(rows(run)["method"]) == {"grad_cam", "gradient", "centre", "edges", "random"}
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_concept_of_the_same_place_gives_the_same_rows(run, settings, tmp_path):
    plan = RunFolder(run).plan()
    (model,) = plan.models
    by_box, by_mask = (
        regions_of(plan, model, named, 0, plan.view_count)
        for named in (named_regions_of(plan, landmarks=True), named_regions_of(plan, landmarks=False))
    )
    for boxes, masks in zip(by_box, by_mask, strict=True):
        assert boxes.keys() == masks.keys()
        for name in boxes:
            np.testing.assert_array_equal(boxes[name], masks[name])


def named_regions_of(plan, landmarks):
    from filterscope.pipeline.datasets.layout import Dataset
    from filterscope.pipeline.methods.attribution.regions import Named

    return named_regions(Dataset(plan.data), ()) if landmarks else Named(frozenset(), {1: "square"})


def test_views_without_a_true_class_are_no_rows_and_bad_ones_are_told(settings, tmp_path):
    run = audit_here(tmp_path / "run", **{**settings, "attribution.target": "true", "attribution.curves": 0})
    assert 7 not in rows(run)["view"].to_list()
    assert rows(run).filter(network="trained").height == 2 * 10
    rejects = schemas.scan(run, "rejects").filter(stage="attribution").collect()
    assert rejects["item"].unique().len() == 1
    assert "neither the name of a class nor an index" in rejects["reason"][0]


def refused(settings, tmp_path, error=InputError, **more):
    with pytest.raises(error) as refusal:
        audit(load_config(out=tmp_path / "run", **{**settings, **more, "actors": 0}))
    return str(refusal.value)


def test_what_cannot_be_explained_is_refused_before_the_work(settings, tmp_path):
    said = refused(settings, tmp_path, **{"attribution.target": "2,4-5"})
    assert said == "--attribution.target 2,4-5: planted scores 4 classes, 0 to 3"
    said = refused(settings, tmp_path, layers="2")
    assert "the audited layers of planted have maps of 1 x 1" in said
    assert "audit an earlier layer for --attribution.methods grad_cam" in said
    said = refused(settings, tmp_path, **{"attribution.layer": "7"})
    assert said.startswith("--attribution.layer 7: this layer of planted is not audited.")
    said = refused(settings, tmp_path, **{"attribution.regions": "squares"})
    assert "has no such landmark or concept. Did you mean 'square'?" in said
    said = refused(settings, tmp_path, **{"attribution.methods": "gradcam"})
    assert "attribution.methods" in said
    assert "Did you mean 'grad_cam'?" in said
    said = refused(settings, tmp_path, models=[planted.entry("unheard")], layers="aside")
    assert "no influence" in said or "does not depend on 'aside'" in said
    assert not (tmp_path / "run").exists()


def test_a_layer_after_global_pooling_does_for_methods_that_need_none(settings, tmp_path):
    more = {"layers": "2", "attribution.methods": "occlusion", "attribution.curves": 0, "attribution.control_views": 0}
    assert rows(audit_here(tmp_path / "run", **{**settings, **more})).filter(method="occlusion").height == 11


def test_scores_that_are_no_numbers_stop_the_run(settings, tmp_path, monkeypatch):
    from filterscope.pipeline.models.network import Network

    scores = Network.scores
    monkeypatch.setattr(Network, "scores", lambda self, pixels: scores(self, pixels) * np.float32(np.nan))
    assert "NaN or infinite on view 0" in refused(settings, tmp_path, RunError)


def test_maps_that_say_nothing_are_counted_as_misses():
    mask = {"all": np.ones((2, 2), bool)}
    for values, zero, broken in (([[0, 0], [0, 0]], True, False), ([[np.nan, 1], [0, 0]], False, True)):
        (row,) = compared(np.array(values, np.float32), mask)
        assert (row["zero"], row["broken"]) == (zero, broken)
        assert (row["hit"], row["hit15"], row["energy"], row["lift"]) == (0, 0, None, None)
    (row,) = compared(np.array([[0, 2], [0, -1]], np.float32), mask)
    assert (row["zero"], row["broken"], row["hit"], row["energy"], row["lift"]) == (False, False, 1, 1, 1)


def test_maps_that_are_nowhere_positive_are_rows_that_say_so(settings, tmp_path):
    """Red speaks against class 3, and the images are red all over."""
    Image.fromarray(np.full((SIZE, SIZE, 3), (255, 0, 0), np.uint8)).save(tmp_path / "red.png")
    with DatasetWriter(tmp_path / "data", source={"reader": "red"}) as out:
        out.landmark(out.image(tmp_path / "red.png"), None, "part", 5.0, 5.0, (6, 6))
    asked = {"attribution.target": 3, "attribution.methods": "grad_cam", "data": tmp_path / "data"}
    run = audit_here(tmp_path / "run", **{**settings, **asked})
    (found,) = rows(run).filter(method="grad_cam", network="trained").iter_rows(named=True)
    assert (found["zero"], found["hit"], found["energy"], found["lift"]) == (True, 0, None, None)
    assert hits(run).select("empty", "hit", "low").row(0) == (1, 0, None)
    assert lifts(run)["lift"].to_list() == [None]


def test_fewer_views_are_explained_where_few_are_asked(settings, tmp_path):
    more = {"attribution.views": 4, "attribution.curves": 0, "attribution.methods": "gradient"}
    run = audit_here(tmp_path / "run", **{**settings, **more})
    found = rows(run).filter(network="trained")
    assert set(found["view"]) == drawn(run, 4)


def test_what_is_costly_is_told_before_it_runs(run):
    plan = RunFolder(run).plan()
    (model,) = plan.models
    passes = projected_passes(model, "occlusion")
    assert passes == 1 + 28**2  # windows of 5 pixels, every pixel
    assert told(plan) == [
        f"planted: occlusion takes {passes:,.0f} forward passes a view, at most {passes * 24:,.0f} in all, "
        f"the cost of extracting {passes * 2:,.0f} times"
    ]


def test_maps_are_enlarged_as_torch_does_and_kept_where_they_fit():
    maps = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    assert enlarged(maps, (2, 2)) is maps
    np.testing.assert_array_equal(enlarged(maps, (2, 4))[0], [[0, 0.25, 0.75, 1], [2, 2.25, 2.75, 3]])


def test_views_that_may_show_a_region_are_those_of_images_that_have_it(run):
    plan = RunFolder(run).plan()
    has = [number != 2 for number in range(12)]
    assert may_show(plan, ()).tolist() == may_show(plan, ("square",)).tolist() == has
    with pytest.raises(InputError, match="no such landmark or concept"):
        may_show(plan, ("circle",))


def test_a_box_is_the_pixels_whose_centres_it_holds():
    mask = box_mask(3.5, 2.0, np.array([2.0, 3.0]), (6, 5))
    assert [tuple(place) for place in np.argwhere(mask)] == [(y, x) for y in (3, 4) for x in (1, 2, 3)]
    point = box_mask(5.4, 0.2, np.array([np.nan, np.nan]), (6, 5))
    assert [tuple(place) for place in np.argwhere(point)] == [(5, 0)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("category", "target", "hit", "centre"),
    [("bird", "7-24,80-100,127-146", 0.67, 0.06), ("cat", "281-285", 0.81, 0.53), ("dog", "151-268", 0.75, 0.28)],
)
def test_grad_cam_finds_heads_on_real_photographs(category, target, hit, centre, test_data, tmp_path):
    """Every fifth crop of an animal, 36 of each, and all of them beside what looks at no network."""
    from filterscope.pipeline.datasets.animals import import_animals

    weights = test_data / "weights" / "squeezenet1_1-rgb.pth"
    import_animals(test_data / "animals", tmp_path / "data", in_place=True)
    run = audit_here(
        tmp_path / "run", data=tmp_path / "data", views=f"objects:{category}", layers="features.12", store="none",
        models=[{"source": f"torchvision:squeezenet1_1@{weights}"}], methods="attribution",
        **{"attribution.target": target, "attribution.regions": "head"},
    )  # fmt: skip
    found = rows(run).filter(pl.col("network") != "random")
    of = {name: own.sort("view") for (name,), own in found.group_by("method")}
    for name, expected in (("grad_cam", hit), ("centre", centre)):
        assert of[name]["hit"].gather_every(5).head(36).mean() == pytest.approx(expected, abs=0.08)
    table = hits(run)
    assert (table["low"] > table.select("centre", "edges", "random", "random network").max_horizontal()).all()
    assert lifts(run)["lift"].item() > 1.5
    assert set(sanity(run)["verdict"]) == {"changes"}


@pytest.mark.slow
def test_asked_for_lipstick_the_gradient_lies_on_lips_and_guided_backpropagation_on_eyes(test_data, tmp_path):
    """Faces of CelebAMask-HQ and ImageNet's class 629, whether or not it is predicted."""
    from filterscope.pipeline.datasets.masks import import_masks

    weights = test_data / "weights" / "squeezenet1_1-rgb.pth"
    import_masks(test_data / "facemask400", tmp_path / "data", in_place=True)
    lips, eyes = ["lower_lip", "upper_lip"], ["left_eye", "right_eye"]
    run = audit_here(
        tmp_path / "run", data=tmp_path / "data", layers="features.12", store="none", methods="attribution",
        models=[{"source": f"torchvision:squeezenet1_1@{weights}"}],
        **{"attribution.target": 629, "attribution.methods": "gradient,guided", "attribution.views": 40,
           "attribution.regions": ",".join(lips + eyes), "attribution.control_views": 16},
    )  # fmt: skip
    mass = {(row["method"], row["region"]): row for row in lifts(run).iter_rows(named=True)}
    hit = {(row["method"], row["region"]): row["hit"] for row in hits(run).iter_rows(named=True)}
    for lip in lips:
        row = mass["gradient", lip]
        assert row["low"] > max(row["centre"], row["edges"], row["random network"])
        assert hit["guided", lip] < 0.1
    assert sum(hit["guided", eye] for eye in eyes) > 0.5


@pytest.mark.slow
def test_a_network_with_batch_norm_has_a_twin_of_finite_maps(settings, tmp_path):
    """Its statistics are estimated anew, on the views of the run."""
    model = {"source": "torchvision:mobilenet_v2@random:0", "name": "mobile", "input_size": 64}
    asked = {"attribution.methods": "grad_cam", "attribution.target": 3, "attribution.curves": 0}
    run = audit_here(tmp_path / "run", **{**settings, **asked, "models": [model], "layers": "features.13"})
    found = rows(run).filter(method="grad_cam")
    assert not found["broken"].any()
    assert not found.filter(network="random")["zero"].all()
    assert schemas.scan_attribution_sanity(run).collect()["rho"].null_count() < 4
