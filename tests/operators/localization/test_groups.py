"""Groups hold what moves with a part where it fires, and find the part on views that did not choose them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.localization.groups import FEWEST_IMAGES, choose_group, pointed_at, score_weights
from filterscope.operators.localization.measures import image_means, interval
from tests import naive

LEARNING, VIEWS, NODES = 60, 100, 300
FOLLOWERS = (17, 40, 133, 250)
OFFSET = np.array([12.0, -30.0])


def planted(seed=0):
    """Return positions, scores and the part: four nodes follow it on a third of the views, on which they fire strongly."""
    rng = np.random.default_rng(seed)
    part = rng.uniform(50, 170, (VIEWS, 2))
    position = rng.uniform(0, 224, (VIEWS, NODES, 2))
    score = rng.uniform(0.2, 0.6, (VIEWS, NODES))
    for number, node in enumerate(FOLLOWERS):
        fires = (np.arange(VIEWS) + number) % 3 == 0
        position[fires, node] = part[fires] - OFFSET + rng.normal(0, 3, (fires.sum(), 2))
        score[fires, node] = 4.0
    return position, score, part


def found(position, score, part, count, *, images=None):
    rows = np.arange(LEARNING)
    weight = score_weights(score, rows)
    images = np.arange(LEARNING) if images is None else images
    return weight, choose_group(position[rows], weight[rows], part[rows], images, count)


def test_a_group_is_what_follows_the_part_where_it_fires():
    _, group = found(*planted(), len(FOLLOWERS))
    assert sorted(group.members.tolist()) == list(FOLLOWERS)
    np.testing.assert_allclose(group.offset, np.broadcast_to(OFFSET, (4, 2)), atol=4)
    assert (np.diff(group.deviation) >= 0).all()
    assert group.deviation.max() < 20


def test_a_group_finds_the_part_on_views_that_did_not_choose_it():
    position, score, part = planted()
    weight, group = found(position, score, part, len(FOLLOWERS))
    held, usual = np.arange(LEARNING, VIEWS), part[:LEARNING].mean(axis=0)
    place, each = pointed_at(group, position[held], weight[held], usual)
    apart = np.linalg.norm(place - part[held], axis=1)
    plain = np.linalg.norm(each.mean(axis=1) - part[held], axis=1)
    constant = np.linalg.norm(usual - part[held], axis=1)
    # weights of 25 to less than 1 make the scores' word count; without them, most of the group points anywhere
    assert apart.mean() < 0.2 * constant.mean()
    assert apart.mean() < 0.4 * plain.mean()


def test_nodes_that_rest_on_few_images_are_in_no_group():
    position, score, part = planted()
    lucky = 5
    score[:, lucky] = 0.0
    score[:3, lucky], position[:3, lucky] = 1.0, part[:3] - OFFSET  # steady beyond all others, on three images
    _, group = found(position, score, part, NODES)
    assert lucky not in group.members
    assert (group.images >= FEWEST_IMAGES).all()
    # a crop and its mirror image are one: no node rests on 8 of 7 images
    _, none = found(position, score, part, NODES, images=np.arange(LEARNING) % 7)
    assert len(none.members) == 0
    place, each = pointed_at(none, position[:4], score_weights(score, np.arange(LEARNING))[:4], part[0])
    np.testing.assert_array_equal(place, np.broadcast_to(part[0], (4, 2)))
    assert each.shape == (4, 0, 2)


def test_where_no_member_fires_the_part_is_where_it_usually_is():
    position, score, part = planted()
    score[-1] = 0.0
    weight, group = found(position, score, part, 4)
    place, _ = pointed_at(group, position[-2:], weight[-2:], np.array([1.0, 2.0]))
    assert place[1].tolist() == [1.0, 2.0]
    assert place[0].tolist() != [1.0, 2.0]


def test_weights_are_squares_up_to_five_means_of_learning_views():
    score = np.array([[1.0, 0.0, -2.0], [3.0, 0.0, -1.0], [20.0, 5.0, 0.0], [1.0, 1.0, 3.0]])
    weight = score_weights(score, np.array([0, 1]))
    np.testing.assert_allclose(weight, [[0.25, 0, 0], [2.25, 0, 0], [25, 25, 0], [0.25, 1, 9]])


@given(st.integers(0, 2**32 - 1), st.integers(9, 20), st.integers(1, 6))
def test_groups_equal_the_twin(seed, views, nodes):
    rng = np.random.default_rng(seed)
    position, score = rng.uniform(0, 224, (views, nodes, 2)), rng.choice([0.0, 0.5, 1.0, 9.0], (views, nodes))
    position[rng.random((views, nodes)) < 0.1] = np.nan
    part, images = rng.uniform(0, 224, (views, 2)), rng.integers(0, views, views)
    rows = np.arange(views)
    weight = score_weights(score, rows)
    group = choose_group(position, weight, part, images, nodes)
    expected = naive.localization.group(position, score, part, images)
    assert group.members.tolist() == [member for member, *_ in expected]
    for row, (_, offset, deviation, rests) in enumerate(expected):
        np.testing.assert_allclose(group.offset[row], offset, rtol=1e-4, atol=1e-3)
        assert group.deviation[row] == pytest.approx(deviation, rel=1e-4, abs=1e-3)
        assert group.images[row] == pytest.approx(rests, rel=1e-4)


def test_intervals_of_means_hold_images_together():
    rng = np.random.default_rng(1)
    once = rng.normal(3.0, 1.0, 200)
    low, high = interval(image_means(once, np.arange(200), 5))
    # 1.96 standard errors of .0707 to either side
    assert low == pytest.approx(once.mean() - 1.96 * once.std() / 200**0.5, abs=0.02)
    assert high == pytest.approx(once.mean() + 1.96 * once.std() / 200**0.5, abs=0.02)
    twice = interval(image_means(np.repeat(once, 2), np.repeat(np.arange(200), 2), 5))
    assert twice == pytest.approx((low, high), abs=1e-12)
