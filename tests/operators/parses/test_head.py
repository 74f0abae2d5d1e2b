"""Learning an And-Or head: gradients, Adam beside torch's, and the planted split of drawn objects."""

import numpy as np
import pytest
import torch

from filterscope.operators.parses.boxes import box_cells
from filterscope.operators.parses.grid import grid_of, named
from filterscope.operators.parses.head import Head, Learner, class_scores, initial, leaf_scores, learned, pooled
from filterscope.operators.parses.parsing import folding, leaf_weights, parse
from filterscope.pipeline.datasets.sample import composed
from filterscope.pipeline.datasets.sample.dice import Dice


@pytest.mark.parametrize("folded", [True, False])
@pytest.mark.parametrize("mode", ["mean", "sum"])
def test_steps_are_those_of_torch(folded, mode):
    rng = np.random.default_rng(0)
    cells, target = rng.normal(size=(20, 4, 5)), rng.integers(0, 3, 20)
    features = pooled(cells, 2)
    head = initial(2, 5, 3, mode, rng)
    weight, bias = (torch.tensor(value, requires_grad=True) for value in (head.weight.copy(), head.bias.copy()))
    adam = torch.optim.Adam([weight, bias], lr=3e-3, weight_decay=1e-2)
    learner = Learner(head, features, target)
    for _ in range(5):
        leaf = torch.einsum("nrd,rdc->ncr", torch.tensor(features), weight) + bias.T
        leaf = leaf * torch.tensor(leaf_weights(2, mode))
        if folded:
            scores = leaf @ torch.tensor(folding(2))
        else:
            chosen = parse(leaf.detach().numpy().reshape(-1, 9), 2).leaves.reshape(leaf.shape)
            scores = (leaf * torch.tensor(chosen)).sum(dim=2)
        loss = torch.nn.functional.cross_entropy(scores, torch.tensor(target))
        adam.zero_grad()
        loss.backward()
        adam.step()
        assert learner.update(folded=folded) == pytest.approx(loss.item(), rel=1e-9)
    assert np.allclose(head.weight, weight.detach().numpy(), atol=1e-9)
    assert np.allclose(head.bias, bias.detach().numpy(), atol=1e-9)


def drawn(count, k):
    """Return cells of drawn objects, by what a filter for each part would see, and whether the parts stand side by side."""
    cells, beside = [], []
    for number in range(count):
        found = composed.draw(Dice(0, number))
        red, green, blue = found.pixels.astype(float).transpose(2, 0, 1) / 255
        boxes = list(found.parts.values())
        box = np.array([[*boxes[0][:2], *boxes[1][2:]]]) / composed.SIDE
        cells.append(box_cells(np.stack([red - blue, blue - red, green])[None], box, k)[0])
        beside.append(found.factors["class"] == "beside")
    cells = np.array(cells, np.float64)
    return (cells - cells.mean(axis=(0, 1))) / cells.std(), np.array(beside, np.int64)


def splits(cells, target, fit):
    head = learned(pooled(cells[:fit], 2), target[:fit], 2, 2, mode="mean", steps=120, random=np.random.default_rng(0))
    features = pooled(cells[fit:], 2)
    predicted = class_scores(head, features).argmax(axis=1)
    leaf = leaf_scores(head, features)[np.arange(len(predicted)), predicted]
    return predicted, np.array([named(2, own) for own in parse(leaf, 2).leaves])


def test_the_planted_split_is_found_and_random_features_find_it_by_chance():
    cells, target = drawn(300, 2)
    planted = np.array(["1:1-2 2:1-2", "1-2:1 1-2:2"])
    predicted, trees = splits(cells, target, 150)
    assert (predicted == target[150:]).mean() > 0.95
    assert (trees == planted[target[150:]]).mean() > 0.95
    _, random = splits(np.random.default_rng(1).normal(size=cells.shape), target, 150)
    right, wrong = ((random == planted[kind]).mean() for kind in (target[150:], 1 - target[150:]))
    assert abs(right - wrong) < 0.1
    assert right < 0.5


def test_boxes_of_exact_shares_are_those_of_fine_samples():
    from tests.naive import parses as naive

    maps, box = np.random.default_rng(2).normal(size=(1, 2, 5, 7)), np.array([[0.13, 0.2, 0.81, 0.97]])
    assert np.allclose(box_cells(maps, box, 2)[0], naive.box_cells(maps[0], box[0], 2), atol=0.03)
    whole = box_cells(maps, np.array([[0.0, 0.0, 1.0, 1.0]]), 2)[0]
    assert whole.mean(axis=0) == pytest.approx(maps[0].mean(axis=(1, 2)), rel=1e-5)


@pytest.mark.slow
def test_boxes_are_those_of_roi_align():
    try:
        from torchvision.ops import roi_align
    except RuntimeError:
        pytest.skip("this torchvision has no compiled operators")
    maps = np.random.default_rng(3).normal(size=(1, 3, 12, 12)).repeat(4, axis=2).repeat(4, axis=3)
    box = np.array([[0.1, 0.2, 0.7, 0.9]])
    theirs = roi_align(torch.tensor(maps), [torch.tensor(box * 48)], 3, sampling_ratio=64, aligned=True)
    assert np.allclose(box_cells(maps, box, 3)[0], theirs[0].reshape(3, 9).T.numpy(), atol=0.05)


def test_a_head_of_one_cell_is_a_linear_classifier():
    features = np.random.default_rng(4).normal(size=(6, 1, 3))
    head = Head(np.arange(6.0).reshape(1, 3, 2), np.array([[0.5, -0.5]]), 1, "mean")
    assert np.allclose(class_scores(head, features), features[:, 0] @ head.weight[0] + head.bias[0])
    assert len(grid_of(1).rectangles) == 1
