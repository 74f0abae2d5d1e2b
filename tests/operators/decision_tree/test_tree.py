"""Growing a tree equals trying every merge; planted modes come out; the order of images does not matter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterscope.operators.decision_tree.alpha import PENALTY, chosen
from filterscope.operators.decision_tree.controls import clustered, shuffled
from filterscope.operators.decision_tree.explain import Explained, assign, cosines, parsed, right_signs, score_error
from filterscope.operators.decision_tree.pool import Pooled, pool
from filterscope.operators.decision_tree.tree import Nodes, grow
from tests.naive.decision_tree import merge_gains

CELLS = 9


def pooled(x, g, score, positive=None):
    positive = np.ones(len(score), bool) if positive is None else positive
    return pool(np.asarray(x, float), np.asarray(g, float), np.asarray(score, float), CELLS, positive)


def drawn(seed, count, filters, negatives):
    """Random images with positive scores, and negatives."""
    random = np.random.default_rng(seed)
    x, g = random.uniform(0, 2, (count + negatives, filters)), random.normal(size=(count + negatives, filters))
    score = np.append(random.uniform(0.1, 3, count), random.uniform(-3, 1, negatives))
    both = pooled(x, g, score, np.arange(len(score)) < count)
    return both.take(np.arange(count)), both.take(np.arange(count, count + negatives))


def modes(seed, per=20, negatives=60, noise=0.0):
    """Three modes: images of mode m respond in filters 4 m to 4 m + 3, and the score is w_m . x where the gate m is open.

    `noise` blurs the gradients, a mode's own weights having lengths of about 2.
    """
    random = np.random.default_rng(seed)
    weights = np.kron(np.eye(3), np.ones(4)) * random.uniform(0.5, 1.5, 12)
    mode = random.permutation(np.repeat(np.arange(3), per))
    own = np.kron(np.eye(3), np.ones(4))[mode]
    x = own * random.uniform(1, 2, own.shape) + random.uniform(0, 0.02, own.shape)
    x = np.concatenate([x, random.uniform(0, 0.5, (negatives, 12))])
    g = weights[np.append(mode, random.integers(3, size=negatives))]
    g = g + noise * random.normal(size=g.shape)
    both = pooled(x, g, (g * x).sum(axis=1) / CELLS, np.arange(len(x)) < len(mode))
    return both.take(np.arange(len(mode))), both.take(np.arange(len(mode), len(x))), mode


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.integers(1, 4), st.integers(0, 5), st.sampled_from([None, 7]))
def test_every_merge_is_the_best_of_all(seed, count, filters, negatives, nearest):
    images, others = drawn(seed, count, filters, negatives)
    tree = grow(images, others, nearest=nearest)
    gamma = 1 / images.y.mean()
    alive = {i: [i] for i in range(count)}
    stopped = False
    for made in range(count, 2 * count - 1):
        nodes = sorted(alive)
        gains = merge_gains([alive[n] for n in nodes], images.g, images.x, images.y, images.b, others.x, gamma)
        best, (p, q) = max(gains.values()), (int(tree.left[made]), int(tree.right[made]))
        assert gains[nodes.index(p), nodes.index(q)] == pytest.approx(best, abs=1e-7)
        assert tree.gain[made] == pytest.approx(best, abs=1e-7)
        if abs(best) > 1e-7 and not stopped:
            stopped = best < 0
            assert stopped == (len(nodes) <= tree.second)
        alive[made] = alive.pop(p) + alive.pop(q)


@pytest.mark.parametrize(("mode", "noise"), [("ones", 0.0), ("ones", 0.2), ("lasso", 0.2), ("binary", 0.2)])
def test_three_planted_modes_are_three_nodes(mode, noise):
    metrics = pytest.importorskip("sklearn.metrics")
    for seed in range(10):
        images, others, mode_of = modes(seed, noise=noise)
        tree = grow(images, others, mode=mode)
        assert tree.second == 3
        assert metrics.adjusted_rand_score(mode_of, tree.at(tree.second)) >= 0.95
        node = tree.at(3)[parsed(tree, cosines(images, tree.nodes))]
        assert metrics.adjusted_rand_score(mode_of, node) >= 0.95


def test_contributions_of_planted_filters_are_exact():
    images, others, mode = modes(0)
    tree = grow(images, others)
    node = tree.at(3)[parsed(tree, cosines(images, tree.nodes))]
    found = Explained.by(images, tree.nodes.take(node))
    # a mode's gradient is the same for all its images, so that each filter gives w_d x_d / cells
    np.testing.assert_allclose(found.contributions, images.g * images.x, atol=1e-3)
    np.testing.assert_allclose(found.score, images.y, atol=1e-3)
    assert found.fitness(images).min() > 0.999
    root = Explained.by(images, tree.nodes.take([-1] * len(node)))
    assert root.fitness(images).mean() < 0.7
    parts = found.parts(np.repeat([0, 1, -1], 4), 2)
    np.testing.assert_allclose(parts[mode == 0, 0], found.contributions[mode == 0, :4].sum(axis=1))
    assert parts.shape == (60, 2)


def test_a_linear_head_is_one_node():
    random = np.random.default_rng(1)
    x, w = random.uniform(0, 2, (40, 6)), random.normal(size=6) + 1
    score = x @ w / CELLS + 0.3
    both = pooled(x, np.tile(w, (40, 1)), score, score > score.mean())
    images, others = both.take(score > score.mean()), both.take(score <= score.mean())
    tree = grow(images, others)
    assert tree.second == 1
    found = Explained.by(images, tree.nodes.take([-1] * len(images.y)))
    assert found.fitness(images).min() == pytest.approx(1)
    np.testing.assert_allclose(found.score, images.y)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_images_does_not_matter(seed):
    images, others, _ = modes(seed % 100, per=8, noise=0.1)
    order = np.random.default_rng(seed).permutation(len(images.y))
    one, two = grow(images, others), grow(images.take(order), others)
    assert one.second == two.second
    for cut in (2, 3, 5, 10):
        assert partition(one.at(cut)) == partition(two.at(cut)[np.argsort(order)])


def partition(labels):
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


def test_positives_alone_collapse_as_flat_scores_are_likelier():
    images, others, _ = modes(0)
    assert grow(images, others, omega="positives").second < grow(images, others).second


def test_few_neighbours_find_what_all_pairs_find():
    images, others, _ = modes(3, noise=0.3)
    few, all_pairs = grow(images, others, nearest=3), grow(images, others, nearest=None)
    assert partition(few.at(3)) == partition(all_pairs.at(3))
    assert grow(images, others, nearest=59).left.tolist() == all_pairs.left.tolist()


def test_a_tree_of_one_image():
    images, others = drawn(0, 1, 3, 2)
    tree = grow(images, others)
    assert (tree.second, tree.leaves, tree.at(1).tolist()) == (1, 1, [0])
    assert parsed(tree, cosines(images, tree.nodes)).tolist() == [0]


def test_cuts_undo_merges_from_the_top():
    images, others, _ = modes(0, per=5)
    tree = grow(images, others)
    assert [len(np.unique(tree.at(k))) for k in range(1, 16)] == list(range(1, 16))
    assert tree.at(1).tolist() == [28] * 15
    assert tree.at(15).tolist() == list(range(15))
    for k in range(1, 15):
        assert len(set(zip(tree.at(k).tolist(), tree.at(k + 1).tolist(), strict=True))) == k + 1  # nested


def test_pooling_keeps_what_the_gradient_says_of_each_filter():
    x, g = np.array([[9.0, 0, 18], [9, 0, 0]]), np.array([[1.0, 5, -2], [2, 5, 0]])
    found = pool(x, g, np.array([7.0, 4]), CELLS, np.array([True, True]))
    np.testing.assert_allclose(found.x, [[1, 0, 2], [1, 0, 0]])
    np.testing.assert_allclose(found.g * found.x * found.length[:, None], x * g / CELLS)
    np.testing.assert_allclose((found.g**2).sum(axis=1), 1)
    np.testing.assert_allclose((found.g * found.x).sum(axis=1) + found.b, found.y)
    np.testing.assert_allclose(found.y * found.length, [7, 4])
    silent = pool(x, 0 * g, np.array([7.0, 4]), CELLS, np.array([True, True]))
    assert silent.length.tolist() == [0, 0]
    assert not silent.g.any()


@pytest.mark.parametrize("penalty", [0.5, 0.05, 1e-3])
def test_lasso_is_that_of_scikit_learn(penalty):
    linear = pytest.importorskip("sklearn.linear_model")
    random = np.random.default_rng(0)
    z = random.normal(size=(60, 8)) + 1
    y = z @ [1, 1, 0, 0, 0.5, 0, -1, 0] + 0.1 * random.normal(size=60) + 3
    theirs = linear.Lasso(alpha=penalty / 2, tol=1e-12, max_iter=100_000).fit(z, y)
    np.testing.assert_allclose(chosen("lasso", z, y, penalty), theirs.coef_, atol=1e-6)


def test_elimination_drops_what_gives_nothing_and_never_raises_the_objective():
    random = np.random.default_rng(0)
    z = random.normal(size=(50, 6))
    y = z[:, :3].sum(axis=1) + 2
    assert chosen("binary", z, y).tolist() == [1, 1, 1, 0, 0, 0]
    assert chosen("ones", z, y).tolist() == [1] * 6
    assert chosen("lasso", z[:1], y[:1]).tolist() == [1] * 6

    def objective(alpha):
        rest = y - z @ alpha
        return ((rest - rest.mean()) ** 2).mean() + PENALTY * np.sqrt(50) * np.abs(alpha).sum()

    for mode in ("lasso", "binary"):
        assert objective(chosen(mode, z, y)) <= objective(np.ones(6))


def test_controls():
    images, others, mode = modes(0)
    tree = grow(images, others)
    other = shuffled(tree, images, "ones", seed=1)
    sizes = [sorted(np.unique(t.at(3), return_counts=True)[1].tolist()) for t in (tree, other)]
    assert sizes[0] == sizes[1]
    assert partition(tree.at(3)) != partition(other.at(3))
    np.testing.assert_allclose(other.nodes.weights[-1], tree.nodes.weights[-1])
    labels = clustered(images.g, 3, seed=0)
    assert partition(labels) == partition(mode)
    assert len(np.unique(clustered(np.tile(images.g[0], (9, 1)), 4, seed=0))) == 1


def test_filters_go_to_the_part_that_is_most_often_nearest():
    peaks = np.array(
        [[[0.0, 0], [9, 9], [np.nan, np.nan]], [[0, 1], [0, 2], [np.nan, np.nan]], [[9, 8], [8, 8], [1, 1]]]
    )
    peaks[2, 2] = np.nan
    centres = np.tile([[0.0, 0], [10, 10]], (3, 1, 1))
    assert assign(peaks, centres).tolist() == [0, 1, -1]
    centres[1] = np.nan
    assert assign(peaks, centres).tolist() == [0, 1, -1]
    inside = np.zeros((3, 3, 2), bool)
    inside[0, 1, 0] = inside[2, 1, 0] = True
    assert assign(peaks, centres, inside).tolist() == [0, 0, -1]
    assert assign(peaks, np.zeros((3, 0, 2))).tolist() == [-1, -1, -1]


def test_scores_and_signs():
    assert score_error(np.array([1.0, 2, 4]), np.array([1.0, 3, 5])) == pytest.approx(2 / 3 / 4)
    assert np.isnan(score_error(np.ones(3), np.ones(3)))
    assert right_signs(np.array([1.0, -1, 2]), np.array([1.0, 1, 2])) == pytest.approx(2 / 3)
    silent = Pooled(np.ones((1, 2)), np.zeros((1, 2)), np.zeros(1), np.zeros(1), np.zeros(1))
    assert np.isnan(Explained.by(silent, Nodes(np.ones((1, 2)), np.ones((1, 2)), np.zeros(1))).fitness(silent)).all()
