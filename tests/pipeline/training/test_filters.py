"""Filters on planted parts: what each follows with the pull and without; categories; what is refused."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from filterscope.operators.location.location_instability import PROTOCOLS, compare, crop_centre, field_centres
from filterscope.operators.statistics.paired_bootstrap import poisson_weights
from filterscope.pipeline.datasets.layout import NEGATIVE
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.architectures.interpretable_cnn import InterpretableCNN
from filterscope.pipeline.models.trained import Description
from filterscope.pipeline.training.features import Features
from filterscope.pipeline.training.filters import Categories, FilterTraining, Seen, single
from filterscope.pipeline.training.lesson import CATEGORIES, Lesson
from filterscope.pipeline.views.transform import Transform
from tests.planted.parts import EXTENT, planted_layer, planted_parts

CELLS, CHANNELS, FILTERS, IMAGES = 14, 12, 16, 160
TRANSFORM = Transform(EXTENT, 224, "bilinear", (0.5,) * 3, (0.25,) * 3)


def training(seed, kappa, mode="paper"):
    """New filters on planted channels, each of which follows one of three parts; a third of the images is held out."""
    parts = planted_parts(IMAGES, seed)
    layer, empty = (
        planted_layer(where, CELLS, CHANNELS, 4, seed + more, peaks=1, mixed=1)
        for more, where in enumerate((parts, np.full((IMAGES // 2, 3, 2), -500.0)))
    )
    maps = np.concatenate([np.maximum(layer.maps, 0), np.maximum(empty.maps, 0)])
    held = np.arange(len(maps)) % 3 == 0
    target = (np.arange(len(maps)) < IMAGES).astype(np.int64)
    lesson = Lesson(CATEGORIES, (NEGATIVE, "object"), target, np.flatnonzero(~held), np.flatnonzero(held))
    train = maps[~held]
    known = np.ones(len(train), bool), np.ones(held.sum(), bool)
    features = Features(np.stack([train, train[..., ::-1]]), maps[held], Path("none"), known, {})
    torch.manual_seed(seed)
    network = InterpretableCNN(
        "torchvision:squeezenet1_1", "features.12", maps.shape[1], CELLS, CELLS, FILTERS, 2, mode if kappa else "none"
    )
    seen = Seen(features.train, features.heldout, float(1 / maps.astype(np.float64).std()))
    found = FilterTraining(
        network, Description("interpretable-cnn", {}, TRANSFORM, about={"name": "planted"}), lesson, Categories.of(lesson),
        features, seen, kappa=kappa, batch=32, learning_rate=1e-3, flips=False,
    )  # fmt: skip
    return found, parts[np.flatnonzero(held & (target == 1))], layer


def epochs(found, count, first=0):
    for number in range(first, count):
        torch.manual_seed(number)
        measures = found.epoch(number, np.random.default_rng(number))
    return {(measure.split, measure.metric): measure.value for measure in measures}


@cache
def followed(seed, kappa):
    """Accuracy, location instability (mean over parts) and the best tracking of a part, of each filter; and which part."""
    found, parts, layer = training(seed, kappa)
    measures = epochs(found, 30)
    rows = np.flatnonzero(found.lesson.target[found.lesson.heldout] == 1)
    maps = np.concatenate([found._maps(values) for values in found._batches(found.seen.heldout, rows)])
    position = maps.reshape(*maps.shape[:2], -1).argmax(axis=2).T
    places = field_centres(position, CELLS, layer.centre, layer.stride)
    fixed = np.broadcast_to(crop_centre(EXTENT), places.shape)[:, :, None]
    groups = np.broadcast_to(np.arange(len(rows)), position.shape)
    against = [
        compare(
            places, np.broadcast_to(parts[:, part], places.shape), fixed, groups, EXTENT, PROTOCOLS["survey"],
            poisson_weights(len(rows), 1, 10),
        )
        for part in range(3)
    ]  # fmt: skip
    tracking = np.array([one.tracking for one in against])
    instability = np.mean([one.instability for one in against], axis=0)
    return measures["heldout", "accuracy"], instability, tracking.max(axis=0), tracking.argmax(axis=0)


@pytest.mark.slow
def test_with_the_pull_most_filters_follow_one_part_and_all_parts_are_followed():
    """Those of a twin without it fire on whichever part is strongest."""
    results = [(followed(seed, 16.0), followed(seed, 0.0)) for seed in range(3)]
    ratio = [mine[1].mean() / plain[1].mean() for mine, plain in results]
    share = [(mine[2] > 0.8).mean() for mine, _ in results]
    assert np.median(ratio) <= 0.5
    assert np.median(share) >= 0.8
    assert min(share) > max((plain[2] > 0.8).mean() for _, plain in results)
    assert all(set(mine[3].tolist()) == {0, 1, 2} for mine, _ in results)
    assert all(mine[0] >= plain[0] - 0.08 for mine, plain in results)


def test_the_state_of_a_training_is_all_that_its_next_epoch_depends_on():
    whole, _, _ = training(1, 4.0)
    epochs(whole, 3)
    part, _, _ = training(1, 4.0)
    epochs(part, 2)
    resumed, _, _ = training(1, 4.0)
    resumed.load_state(part.state())
    epochs(resumed, 3, first=2)
    assert resumed.step == whole.step
    for name, value in whole.weights().items():
        assert torch.equal(resumed.weights()[name], value), name
    assert np.array_equal(resumed.assigned.category, whole.assigned.category)


def test_the_released_mode_learns_and_moves_its_widths():
    found, _, _ = training(0, 4.0, "release")
    measures = epochs(found, 15)
    assert measures["heldout", "accuracy"] > 0.85
    assert (found.network.mask.fall != 2.0).any()


def test_mirror_images_are_those_of_the_mirrored_views():
    found, _, _ = training(0, 0.0)
    count = len(found.lesson.train)
    flat = found.seen.train.reshape(-1, *found.seen.train.shape[2:])
    assert np.array_equal(flat[count + 5], flat[5][..., ::-1])


def lesson_of(names, target):
    rows = np.arange(len(target))
    return Lesson(CATEGORIES, names, np.array(target), rows, rows)


def test_images_without_an_object_are_of_no_category():
    found = Categories.of(lesson_of(("bird", "cat", NEGATIVE), [0, 2, 1]))
    assert found.names == ("bird", "cat")
    assert found.member.tolist() == [[True, False], [False, False], [False, True]]


def test_all_objects_can_be_one_category():
    found = single(lesson_of(("bird", "cat", NEGATIVE), [0, 2, 1]))
    assert (found.names, found.target.tolist()) == ((NEGATIVE, "object"), [1, 0, 1])


def test_one_category_needs_images_without_it():
    with pytest.raises(InputError, match="takes --views objects and --negatives"):
        single(lesson_of(("bird", "cat"), [0, 1]))


def test_a_category_that_no_filter_has_is_no_ones_own():
    found, _, _ = training(0, 4.0)
    assert not found._own(found.lesson.train).any()  # before the first epoch
    found.assigned.category[:] = 0
    found.assigned.category[3] = -1
    own = found._own(np.array([0, IMAGES]))
    assert own.tolist() == [[column != 3 for column in range(FILTERS)], [False] * FILTERS]
