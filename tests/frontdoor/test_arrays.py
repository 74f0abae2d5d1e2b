"""`filterscope.dissect` against an audit of the same numbers, against the slow twin, and on what it must refuse."""

import numpy as np
import pytest
import torch

import filterscope
from filterscope.operators.dissection.anchoring import receptive_field_axis, resize_axis
from filterscope.operators.dissection.masks import unpack
from filterscope.pipeline.methods.dissection.options import mask_key, mask_size
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.masks import MaskStore
from tests import planted
from tests.frontdoor.conftest import ASKED, SEEN
from tests.naive import activations as naive_activations
from tests.naive import dissection as naive
from tests.planted.labels import VALUES

CATEGORIES = {"red": "color", "grey": "color", "striped": "texture"}


def stored(run):
    """What an audit stored of its only layer: maps, and masks by concept."""
    plan = run.plan
    model, count = plan.models[0], plan.view_count
    layer = model.layers[0]
    maps = ActivationStore(run.path, model.name, layer.name).read(0, count, slice(0, layer.channels))
    block = MaskStore(run.path, mask_key(plan, model)).read("images-000000")
    rows, columns = mask_size(plan, model)
    masks, drawn = np.zeros((len(CATEGORIES), count, rows, columns), bool), unpack(block.words, columns)
    for image in range(count):
        for pair in range(block.first[image], block.first[image + 1]):
            bitmap = block.bitmap[pair]
            masks[block.concept[pair], image] = drawn[bitmap] if bitmap >= 0 else True
    return maps, dict(zip(CATEGORIES, masks, strict=True))


def centres(run):
    """Axes of the receptive fields of the only layer."""
    plan = run.plan
    layer, size = plan.models[0].layers[0], mask_size(plan, plan.models[0])
    shape, field = (layer.height, layer.width), layer.field
    rows, columns = (
        receptive_field_axis(shape[a], size[a], extent=planted.SIZE, centre=field.centre[a], stride=field.stride[a])
        for a in (0, 1)
    )
    return rows, columns


@pytest.mark.parametrize("anchoring", ["resize", "receptive_field"])
@pytest.mark.parametrize(("network", "layer"), [(planted.network, "1"), (planted.two_layers, "3")])
def test_the_numbers_are_those_of_an_audit(data, tmp_path, network, layer, anchoring):
    asked = {**ASKED, "layers": layer, "anchoring": anchoring}
    run = filterscope.audit(network(), data, out=tmp_path / "run", actors=0, **SEEN, **asked)
    maps, masks = stored(run)
    axes = centres(run) if anchoring == "receptive_field" else "resize"
    found = filterscope.dissect(maps, masks, quantile=0.05, anchoring=axes, categories=CATEGORIES, min_images=3)
    units = run.units.join(run.thresholds, on="unit").sort("unit").collect()
    assert found.frame().equals(units.select(found.frame().columns))
    pairs = run.unit_concept.sort("unit", maintain_order=True).collect()
    assert found.pairs().equals(pairs.select(found.pairs().columns))
    assert found.frame()["detector"].any()


def drawn(kind, images=9, units=3, shape=(5, 7), size=(12, 10), concepts=4, seed=0):
    rng = np.random.default_rng(seed)
    maps = VALUES[kind](rng, (images, units, *shape)).astype(np.float16) + np.float16(0)
    masks = rng.random((images, concepts, *size)) < rng.choice([0.0, 0.2, 0.8, 1.0], (images, concepts, 1, 1))
    return maps, masks


@pytest.mark.parametrize("kind", VALUES)
def test_the_numbers_are_those_of_the_definition(kind):
    maps, masks = drawn(kind)
    names = ["a", "b", "c", "d"]
    categories = {"a": "x", "b": "y", "c": "x", "d": "y"}
    found = filterscope.dissect(maps, masks, quantile=0.1, concepts=names, categories=categories)
    labels = [{c: mask for c, mask in enumerate(image) if mask.any()} for image in masks]
    for unit in range(maps.shape[1]):
        threshold = naive_activations.threshold(maps[:, unit].astype(float).ravel(), 0.1)
        assert found.thresholds[unit] == threshold
        activated = np.stack([naive.upsample(raw, 12, 10) > threshold for raw in maps[:, unit]])
        slow = naive.dissect(activated, labels, [0, 1, 0, 1])
        assert found.iou[unit].tolist() == slow["iou"].tolist()
        assert found.scores.activated[unit].tolist() == slow["a"].tolist()
        np.testing.assert_allclose(found.scores.association[unit], slow["association"])
        best = int(np.argmax(slow["iou"]))
        assert found.best[unit] == (names[best] if slow["iou"][best] > 0 else None)
        assert found.best_iou[unit] == slow["iou"][best]


def test_blocks_of_images_and_units_change_nothing(monkeypatch):
    maps, masks = drawn("spread")
    whole = filterscope.dissect(maps, masks, quantile=0.1)
    monkeypatch.setattr("filterscope.arrays._IMAGES", 2)
    monkeypatch.setattr("filterscope.arrays._UNITS", 2)
    parts = filterscope.dissect(maps, masks, quantile=0.1)
    assert parts.frame().equals(whole.frame())
    assert parts.pairs().equals(whole.pairs())


@pytest.mark.parametrize("kind", ["float32", "float64", "torch", "bfloat16"])
def test_wider_numbers_are_rounded_as_an_audit_stores_them(kind):
    rng = np.random.default_rng(0)
    wide, (_, masks) = rng.standard_normal((9, 3, 5, 7)), drawn("spread")
    if kind == "bfloat16":
        wide = torch.from_numpy(wide).bfloat16().double().numpy()
    given = {
        "float32": lambda: wide.astype(np.float32),
        "float64": lambda: wide,
        "torch": lambda: torch.from_numpy(wide).float().requires_grad_(),
        "bfloat16": lambda: torch.from_numpy(wide).bfloat16(),
    }[kind]()
    narrow = torch.from_numpy(wide).float().half().numpy() if kind != "float64" else wide.astype(np.float16)
    found, expected = (filterscope.dissect(maps, masks, quantile=0.1) for maps in (given, narrow))
    assert found.frame().equals(expected.frame())
    assert found.pairs().equals(expected.pairs())


def test_what_is_given_is_not_changed():
    """A negative zero is a zero in the tally, but stays what it is with the caller."""
    maps, masks = drawn("rectified")
    maps[maps == 0] = -0.0
    before = maps.tobytes(), masks.tobytes()
    found = filterscope.dissect(maps, masks, quantile=0.5)
    assert (maps.tobytes(), masks.tobytes()) == before
    assert found.frame().equals(filterscope.dissect(maps + np.float16(0), masks, quantile=0.5).frame())


def test_concepts_are_named_by_a_dict_by_a_list_or_by_number():
    maps, masks = drawn("spread", concepts=2)
    plain = filterscope.dissect(maps, masks, quantile=0.1)
    assert plain.concepts == ("0", "1")
    listed = filterscope.dissect(maps, masks, quantile=0.1, concepts=["cat", "dog"])
    named = filterscope.dissect(maps, {"cat": masks[:, 0], "dog": masks[:, 1]}, quantile=0.1)
    assert listed.concepts == named.concepts == ("cat", "dog")
    assert listed.pairs().equals(named.pairs())
    assert (plain.iou == named.iou).all()


def test_concepts_in_few_images_label_nothing_where_more_are_asked():
    maps, masks = np.zeros((4, 1, 2, 2), np.float16), np.zeros((4, 2, 4, 4), bool)
    maps[0, 0, 0, 0] = 1
    masks[0, 0, :2, :2] = masks[1:, 1] = True
    assert filterscope.dissect(maps, masks, quantile=0.1).best == ("0",)
    assert filterscope.dissect(maps, masks, quantile=0.1, min_images=2).best == (None,)


def test_images_without_any_label_of_the_category_do_not_count():
    """One activated image of two is labelled: the other tells nothing, unless what it shows is said."""
    maps, masks = np.zeros((4, 1, 1, 2), np.float16), np.zeros((4, 1, 1, 2), bool)
    maps[:2, 0, 0, 0] = 1
    masks[0, 0, 0, 0] = True
    assert filterscope.dissect(maps, masks, quantile=0.25).iou.item() == 1.0
    background = {"cat": masks[:, 0], "background": ~masks[:, 0]}
    assert filterscope.dissect(maps, background, quantile=0.25).iou[0, 0] == 0.5


MAPS, MASKS = drawn("spread", images=2)


def changed(value):
    maps = MAPS.astype(np.float32)
    maps[1, 0, 0, 0] = value
    return maps


@pytest.mark.parametrize(
    ("maps", "masks", "asked", "message"),
    [
        (MAPS[0], MASKS, {}, r"activations: received shape \(3, 5, 7\); expected \(images, units, height, width\)"),
        (MAPS[:0], MASKS[:0], {}, r"received shape \(0, 3, 5, 7\)"),
        (MAPS.astype(int), MASKS, {}, "activations: received int64; expected float16, float32 or float64"),
        (changed(70000), MASKS, {}, "beyond 65504, .* in 1 of 2 images, first in image 1; multiply"),
        (changed(np.nan), MASKS, {}, "hold NaN, infinity or numbers beyond 65504"),
        (MAPS, MASKS[:1], {}, "activations are of 2 images and masks of 1"),
        (MAPS, MASKS[:, 0], {}, r"masks: received shape \(2, 12, 10\); expected \(images, concepts, height, width\)"),
        (MAPS, MASKS.astype(np.uint8), {}, "masks: received uint8; expected bool, such as `masks > 0`"),
        (MAPS, {}, {}, r"masks: received shapes \[\]"),
        (MAPS, {"a": MASKS[:, 0], "b": MASKS[:, 0, :3]}, {}, r"received shapes \[\(2, 3, 10\), \(2, 12, 10\)\]"),
        (MAPS, {"a": MASKS[:, 0]}, {"concepts": ["a"]}, "name their concepts already"),
        (MAPS, MASKS, {"concepts": ["a", "b"]}, "received 2 different names for 4 masks"),
        (MAPS, MASKS, {"concepts": ["a", "b", "c", "a"]}, "received 3 different names for 4 masks"),
        (MAPS, MASKS, {"quantile": 1}, "quantile: received 1; expected a probability"),
        (MAPS, MASKS, {"quantile": "0.1"}, "quantile: received '0.1'; expected a probability"),
        (MAPS, MASKS, {"min_images": "ten"}, "min_images: received 'ten'; expected a number of images"),
        (MAPS, MASKS, {"anchoring": "receptive_field"}, "anchoring: received 'receptive_field'; expected 'resize'"),
        (
            MAPS,
            MASKS,
            {"anchoring": (resize_axis(5, 12), resize_axis(5, 12))},
            r"samples maps \(5, 5\) to masks \(12, 12\)",
        ),
        (MAPS, MASKS, {"categories": {"0": "x", "2": "y"}}, "received none for '1', '3'"),
    ],
)
def test_what_is_no_activations_or_masks_is_refused(maps, masks, asked, message):
    with pytest.raises(filterscope.InputError, match=message):
        filterscope.dissect(maps, masks, **asked)
