"""Samples of images: nested, of the sizes asked for, and never a part of an image."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.dissection.growth import nested_samples


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60).map(sorted), st.integers(0, 2**64))
def test_samples_are_nested_and_hold_whole_images(group, seed):
    group = np.array(group)
    samples = nested_samples(group, (8, 4, 2, 1), seed)
    images = len(np.unique(group))
    assert samples[-1].all()
    for part, smaller, larger in zip((8, 4, 2, 1), samples, [*samples[1:], samples[-1]], strict=True):
        assert (smaller <= larger).all()
        inside = set(group[smaller].tolist())
        assert len(inside) == -(-images // part)
        assert not inside & set(group[~smaller].tolist())


def test_the_seed_decides_which_images_come_first():
    drawn = {nested_samples(np.arange(64), (8,), seed).tobytes() for seed in range(20)}
    assert len(drawn) == 20
    assert np.mean([nested_samples(np.arange(64), (8,), seed)[0, 0] for seed in range(400)]) < 0.25
