"""The chain has the planted prior's law; without prior and noise it is plain ascent."""

import numpy as np
import pytest
import torch

from filterscope.operators.synthesis.chain import RELEASE, Weights, log_probability, moved
from filterscope.operators.synthesis.spread import matched, share_above, share_below, spread


def test_the_chain_has_the_mean_and_covariance_of_the_planted_gaussian():
    """The autoencoder removes noise of deviation s in the best way: its step is s^2 times the slope of the log-density."""
    generator, s = torch.Generator().manual_seed(0), 0.1
    mean, covariance = torch.tensor([1.0, -2.0]), torch.tensor([[1.0, 0.6], [0.6, 0.8]])
    shrink = covariance @ torch.linalg.inv(covariance + s**2 * torch.eye(2))
    codes, weights = torch.zeros(8000, 2), Weights(4.0, 0.0, s * np.sqrt(2 * 4.0))
    for _ in range(400):
        denoised = mean + (codes - mean) @ shrink.T
        noise = torch.randn(codes.shape, generator=generator)
        codes = moved(codes, denoised, torch.zeros_like(codes), noise, weights)
    assert codes.mean(0).numpy() == pytest.approx(mean.numpy(), rel=0.05)
    assert codes.T.cov().numpy() == pytest.approx(covariance.numpy(), rel=0.05)


def test_without_prior_and_noise_it_is_plain_ascent_of_the_log_probability():
    random = np.random.default_rng(0)
    matrix, start, unit, rate = random.normal(size=(4, 3)), random.normal(size=3), 2, 0.3
    codes = torch.from_numpy(start)[None]
    by_hand = start.copy()
    for _ in range(5):
        here = codes.clone().requires_grad_()
        (slope,) = torch.autograd.grad(
            log_probability(here @ torch.from_numpy(matrix).T, torch.tensor([unit])).sum(), here
        )
        codes = moved(codes, 7 + codes, slope, torch.ones_like(codes), Weights(0.0, rate, 0.0))
        scores = matrix @ by_hand
        p = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
        by_hand = by_hand + rate * matrix.T @ (np.eye(4)[unit] - p)
    assert codes[0].numpy() == pytest.approx(by_hand)


def test_the_release_drops_the_part_of_the_other_units():
    values = torch.tensor([[1.0, 2.0, 0.5], [0.0, 0.0, 3.0]], requires_grad=True)
    units = torch.tensor([1, 0])
    found = log_probability(values, units, RELEASE)
    p = torch.softmax(values, 1).detach()
    assert found.detach().numpy() == pytest.approx(p[[0, 1], units].log().numpy())
    (slope,) = torch.autograd.grad(found.sum(), values)
    expected = np.zeros((2, 3))
    expected[[0, 1], units] = 1 - p[[0, 1], units].numpy()
    assert slope.numpy() == pytest.approx(expected)


def test_steps_have_the_rate_and_codes_their_bounds():
    codes, ones = torch.zeros(2, 3, 2), torch.ones(2, 3, 2)
    slope = torch.stack([torch.full((3, 2), 5.0), torch.full((3, 2), -0.1)])
    found = moved(codes, codes, slope, ones, Weights(0.5, 1.0, 0.0), rate=0.2)
    assert found[0].numpy() == pytest.approx(0.2)
    assert found[1].numpy() == pytest.approx(-0.2)
    assert moved(codes, codes, slope, ones, Weights(0.5, 1.0, 0.0), rate=0.2, low=0.0)[1].abs().max() == 0
    assert moved(codes, codes, 0 * slope, ones, Weights(0.5, 1.0, 0.0), rate=0.2).abs().max() == 0


def test_spread_and_shares():
    assert spread(np.array([[0.0, 0], [3, 4], [0, 0]])) == pytest.approx(10 / 3)
    assert np.isnan(spread(np.zeros((1, 2))))
    values, among = np.array([0.0, 2, 9]), np.array([3.0, 1, 2, 2])
    assert share_above(values, among).tolist() == [1, 0.75, 0]
    assert share_below(values, among).tolist() == [0, 0.75, 1]


def test_units_are_matched_by_correlation():
    random = np.random.default_rng(1)
    own = random.normal(size=(50, 3))
    others = np.column_stack(
        [random.normal(size=50), 2 * own[:, 2] + 1, -own[:, 0], own[:, 1] + 0.1 * own[:, 0], np.ones(50)]
    )
    assert matched(own, others)[1:].tolist() == [3, 1]
