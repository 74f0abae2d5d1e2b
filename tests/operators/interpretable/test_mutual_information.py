"""The information loss: against a twin, against automatic differentiation, and what it pulls where."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from filterscope.operators.interpretable.mutual_information import information, loss_gradient
from filterscope.operators.interpretable.templates import Templates, strongest
from tests.naive import interpretable as naive


def batch(seed, shape=(6, 3, 4, 5), scale=20.0):
    rng = np.random.default_rng(seed)
    maps = np.maximum(rng.normal(0, scale, shape), 0)
    maps[0, 0] = 0
    return maps, rng.random(shape[:2]) < 0.6


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 20.0, 2000.0]))
def test_information_and_derivative_are_those_of_the_formulas(seed, scale):
    maps, own = batch(seed, scale=scale)
    position = strongest(maps)
    found, pull = (of(maps, position, own, Templates.of(4, 5)) for of in (information, loss_gradient))
    for f in range(maps.shape[1]):
        assert found[f] == pytest.approx(naive.information(maps[:, f], position[:, f], own[:, f]), abs=1e-9)
        expected = naive.loss_gradient(maps[:, f], position[:, f], own[:, f])
        np.testing.assert_allclose(pull[:, f], expected, rtol=1e-9, atol=1e-15)


def automatic(maps, position, own, templates):
    """-sum q log(q N) in torch, Z and p(x) held fixed, templates as they are assigned."""
    masks = torch.from_numpy(templates.masks)[torch.from_numpy(position).clamp(min=0)]
    chosen = torch.from_numpy(own)[:, :, None, None]
    template = templates.tau * torch.where(chosen, masks, -torch.ones_like(masks))
    power = (maps * template).sum((2, 3)).exp()
    loss = 0
    for kind in (torch.from_numpy(own), ~torch.from_numpy(own)):
        mine = torch.where(kind, power, 0)
        z, p_x = mine.sum(0).detach(), 1 / kind.sum(0).clamp(min=1)
        q = mine / z.clamp(min=1e-300)
        loss = loss - torch.where(kind, q * torch.log(torch.where(kind, q, 1) / p_x), 0).sum()
    return loss


@pytest.mark.parametrize("scale", [1.0, 20.0, 300.0])
def test_the_derivative_is_that_of_automatic_differentiation_to_1e_6(scale):
    maps, own = batch(3, (8, 4, 5, 5), scale)
    templates, position = Templates.of(5, 5), strongest(maps)
    values = torch.from_numpy(maps).requires_grad_()
    (expected,) = torch.autograd.grad(automatic(values, position, own, templates), values)
    expected = expected.numpy()
    expected[position < 0] = 0
    found = loss_gradient(maps, position, own, templates)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * abs(expected).max())


def test_the_derivative_is_that_of_finite_differences_to_1e_6():
    maps, own = batch(5, (5, 2, 3, 3))
    maps[0, 0] = 1.5
    templates, position = Templates.of(3, 3), strongest(maps)
    values = torch.from_numpy(maps)
    # q changes with its own map alone while Z is fixed: differences of automatic(), whose Z is that of the point itself
    found, step = loss_gradient(maps, position, own, templates), 1e-4
    masks = templates.tau * templates.masks[position]
    masks[~own] = -templates.tau
    fit = (maps * masks).sum((2, 3))

    def value(moved):
        total = 0.0
        for kind in (own, ~own):
            z = np.where(kind, np.exp(fit), 0).sum(0)
            q = np.where(kind, np.exp((moved * masks).sum((2, 3))) / np.where(z > 0, z, 1), 0)
            total -= np.where(kind, q * np.log(np.where(kind, q, 1) * kind.sum(0)), 0).sum()
        return total

    assert value(maps) == pytest.approx(float(automatic(values, position, own, templates)))
    for place in [(0, 0, 1, 1), (1, 1, 0, 2), (4, 0, 2, 2)]:
        up, down = maps.copy(), maps.copy()
        up[place] += step
        down[place] -= step
        assert found[place] == pytest.approx((value(up) - value(down)) / (2 * step), rel=1e-6, abs=1e-12)


def test_maps_of_equal_fit_are_pulled_alike_and_tell_nothing():
    maps = np.zeros((4, 1, 3, 3))
    maps[:, 0, 1, 1] = 2.0
    own = np.array([[True], [True], [False], [False]])
    templates = Templates.of(3, 3)
    position = strongest(maps)
    assert information(maps, position, own, templates) == pytest.approx([0.0], abs=1e-12)
    found = loss_gradient(maps, position, own, templates)
    # q = 1/2 and log(q N) = 0: half of the template, towards it; the other images are pushed down everywhere
    np.testing.assert_allclose(found[0, 0], -0.5 * templates.tau * templates.masks[4])
    np.testing.assert_allclose(found[2, 0], np.full((3, 3), 0.5 * templates.tau))


@pytest.mark.parametrize("own", [True, False])
def test_a_batch_of_one_kind_has_a_finite_derivative(own):
    maps, _ = batch(1)
    chosen = np.full(maps.shape[:2], own)
    assert np.isfinite(loss_gradient(maps.astype(np.float32), strongest(maps), chosen, Templates.of(4, 5))).all()


def test_single_precision_gives_the_same_to_its_digits():
    maps, own = batch(9)
    templates, position = Templates.of(4, 5), strongest(maps)
    found = loss_gradient(maps.astype(np.float32), position, own, templates)
    assert found.dtype == np.float32
    expected = loss_gradient(maps, position, own, templates)
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-7)
