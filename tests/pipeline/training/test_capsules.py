"""The losses of capsules by hand, and shifts of images."""

import numpy as np
import pytest
import torch

from filterscope.pipeline.training.capsules import margin_loss, shifted


def test_the_margin_loss_is_that_of_the_paper() -> None:
    scores = torch.tensor([[0.95, 0.05, 0.3], [0.5, 0.1, 0.9]])
    assert margin_loss(scores, torch.tensor([0, 0])).tolist() == pytest.approx([0.5 * 0.2**2, 0.4**2 + 0.5 * 0.8**2])


def test_images_are_shifted_by_whole_pixels_and_what_comes_in_is_black() -> None:
    pixels = np.random.default_rng(0).integers(1, 255, (3, 5, 6, 3)).astype(np.uint8)
    found = shifted(pixels, np.array([[0, 0], [2, -1], [-1, 2]]))
    assert (found[0] == pixels[0]).all()
    assert (found[1, 2:, :-1] == pixels[1, :-2, 1:]).all()
    assert not found[1, :2].any()
    assert not found[1, :, -1].any()
    assert (found[2, :-1, 2:] == pixels[2, 1:, :-2]).all()
    assert not found[2, -1].any()
    assert not found[2, :, :2].any()
    assert (shifted(pixels, np.zeros((3, 2), np.int64)) == pixels).all()
