"""What filters see of features: principal directions, scale."""

import numpy as np
import pytest

from filterscope.pipeline.training.features import principal_directions, standard_scale


def maps(seed=0, shape=(300, 6, 4, 5)):
    rng = np.random.default_rng(seed)
    mixed = np.einsum("cd,ndhw->nchw", rng.normal(size=(6, 6)) * np.arange(1, 7), rng.normal(size=shape))
    return (mixed + 3).astype(np.float16)


def test_directions_are_those_of_the_singular_value_decomposition():
    values = maps()
    mean, directions = principal_directions(values, 4)
    flat = np.moveaxis(values, 1, -1).reshape(-1, 6).astype(np.float64)
    _, singular, vectors = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(mean, flat.mean(axis=0))
    scaled = vectors[:4] / (singular[:4] / np.sqrt(len(flat))).mean()
    np.testing.assert_allclose(directions, scaled * np.sign((scaled * directions).sum(axis=1))[:, None], atol=1e-6)
    assert (np.take_along_axis(directions, abs(directions).argmax(axis=1)[:, None], 1) > 0).all()


def test_directions_in_which_nothing_varies_are_left_out():
    values = maps()
    values[:, 5] = values[:, 4]
    _, directions = principal_directions(values, 6)
    assert (abs(directions[:5]).max(axis=1) > 0).all()
    assert not directions[5].any()


def test_the_scale_makes_the_mean_square_one():
    values = maps(1)
    assert ((values.astype(np.float64) * standard_scale(values)) ** 2).mean() == pytest.approx(1)
    assert standard_scale(np.zeros((2, 3, 4, 4), np.float16)) == 1
