"""Frames of drawn videos look like frames; photographs, streets of one kind and aligned images do not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from filterscope.operators.images.sequences import SIZE, WINDOW, shares_alike
from tests import naive
from tests.planted import videos


def thumbnails(frames, *, windows=60):
    """Windows spread evenly over frames, as thumbnails of block means."""
    frames = np.stack(list(frames))
    starts = np.linspace(0, len(frames) - WINDOW, min(windows, len(frames) // WINDOW)).astype(int)
    small = frames.reshape(len(frames), SIZE, videos.HEIGHT // SIZE, SIZE, videos.WIDTH // SIZE, 3).mean((2, 4))
    return small[starts[:, None] + np.arange(WINDOW)]


SEQUENCES = {
    "shaken": (videos.shaken, {}, 0.85),
    "shaken in changing light and noise": (videos.shaken, {"noise": 15, "light": 0.3}, 0.85),
    "one scene": (videos.shaken, {"scenes": 1, "frames": 100, "jitter": 6}, 0.75),
    "panned": (videos.panned, {}, 0.95),
    "panned faster": (videos.panned, {"step": 8}, 0.9),
    "driven": (videos.driven, {}, 0.95),
    "driven in many streets": (videos.driven, {"frames": 30, "streets": 8}, 0.9),
    "still camera": (videos.watched, {}, 0.9),
    "still camera before a crowd": (videos.watched, {"movers": 20}, 0.9),
    "bursts": (videos.bursts, {"places": 60}, 0.6),
    "twos": (videos.bursts, {"places": 120, "least": 2, "most": 2}, 0.42),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_frames_of_a_video_look_alike(name):
    draw, settings, at_least = SEQUENCES[name]
    assert shares_alike(thumbnails(draw(**settings)))[0] >= at_least


@pytest.mark.parametrize("cameras", [2, 3])
def test_cameras_whose_frames_alternate_are_seen_at_their_number(cameras):
    several = [videos.panned(seed=1), videos.watched(seed=2), videos.driven(seed=3)]
    shares = shares_alike(thumbnails(videos.interleaved(*several[:cameras])))
    assert shares[cameras - 1] >= 0.7
    assert np.delete(shares, cameras - 1).max() <= 0.05


def aligned(images=240):
    """Yield images that are all alike: one scene in which half of the contrast is each image's own."""
    rng = np.random.default_rng(0)
    common = next(videos.independent(1)).astype(float)
    for image in videos.independent(images, seed=1):
        yield np.clip((common + image) / 2 + rng.normal(0, 5, image.shape), 0, 255)


@pytest.mark.parametrize("draw", [videos.independent, lambda images: videos.driven(1, streets=images), aligned])
def test_images_of_their_own_do_not(draw):
    assert shares_alike(thumbnails(draw(240))).max() <= 0.05


def test_motion_of_a_quarter_of_the_frame_is_not_seen():
    """A limit that the documentation states."""
    assert shares_alike(thumbnails(videos.panned(step=videos.WIDTH // 4))).max() < 0.15


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 9), st.just(WINDOW), st.just(2), st.just(2), st.sampled_from((1, 3)))),
    st.integers(0, 9),
    st.integers(0, 2**32 - 1),
)
def test_the_kernel_equals_its_slow_twin(windows, kept, seed):
    """Hypothesis likes flat images; some windows hold frames of a random scene."""
    rng = np.random.default_rng(seed)
    windows = windows.copy()
    for window in windows[:kept]:
        window[:] = np.clip(rng.integers(0, 256, window.shape[1:]) + rng.normal(0, 20, window.shape), 0, 255)
    expected = naive.images.shares_alike(windows.reshape(*windows.shape[:2], -1).tolist())
    np.testing.assert_array_equal(shares_alike(windows), [np.nan if share is None else share for share in expected])


def test_flat_images_take_part_in_no_pair():
    frames = thumbnails(videos.panned())
    with_gaps = np.concatenate([np.zeros_like(frames), frames])
    np.testing.assert_array_equal(shares_alike(with_gaps), shares_alike(frames))
    assert np.isnan(shares_alike(np.zeros((60, WINDOW, SIZE, SIZE, 3)))).all()


def test_fewer_than_twenty_pairs_say_nothing():
    frames = thumbnails(videos.shaken(1, 28), windows=7)  # 21 neighbours, 14 and 7 pairs further apart
    np.testing.assert_array_equal(np.isnan(shares_alike(frames)), [False, True, True])
    assert np.isnan(shares_alike(frames[:6])).all()
    assert np.isnan(shares_alike(frames[:1])).all()
