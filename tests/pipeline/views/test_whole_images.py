"""Views of one image stay together, however blocks are cut."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.dissection.masks import mask_block
from filterscope.pipeline.views.whole_images import whole_images
from tests.planted.labels import draw_labels


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.lists(st.integers(0, 20)), st.integers(0, 2**32 - 1))
def test_the_same_views_come_out_and_every_image_ends_in_its_part(sizes, cuts, seed):
    rng = np.random.default_rng(seed)
    image = np.repeat(np.arange(len(sizes)), sizes)
    labels, rejected = draw_labels(rng, len(image), 3, (4, 5)), rng.random(len(image)) < 0.2
    parts = []
    for start, stop in pairwise([0, *sorted(min(cut, len(image)) for cut in cuts), len(image)]):
        views = np.arange(start, stop)[~rejected[start:stop]]
        parts.append((views, mask_block([labels[v] for v in views], 4, 5), (views * 2,)))
    out = list(whole_images(parts, image))
    assert [v for views, _, _ in out for v in views] == np.flatnonzero(~rejected).tolist()
    holders = [set(image[views].tolist()) for views, _, _ in out]
    assert sum(map(len, holders)) == len(set().union(*holders))
    for views, masks, (double,) in out:
        np.testing.assert_array_equal(double, views * 2)
        expected = mask_block([labels[v] for v in views], 4, 5)
        for name in ("first", "concept", "area", "band"):
            np.testing.assert_array_equal(getattr(masks, name), getattr(expected, name), err_msg=name)
        for mine, own in zip(masks.bitmap, expected.bitmap, strict=True):
            assert (mine < 0) == (own < 0)
            if own >= 0:
                np.testing.assert_array_equal(masks.words[mine], expected.words[own])
