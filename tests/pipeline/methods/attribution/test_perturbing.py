"""LIME, prediction differences and meaningful perturbation find the place that a planted network looks at."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from filterscope.operators.attribution.prediction_difference import PatchGaussian, WindowSampler
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.attribution.explainers.lime import Lime
from filterscope.pipeline.methods.attribution.explainers.meaningful import Meaningful
from filterscope.pipeline.methods.attribution.explainers.pda import PredictionDifference
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.taps import Taps
from tests import naive
from tests.planted import attribution as planted

# quickshift for images of 40 pixels
LIME = Lime(samples=120, kernel_size=2, max_dist=10)
PDA = PredictionDifference(window=5, samples=2, stride=5)
MEANINGFUL = Meaningful(iterations=12)
EXPLAINERS = pytest.mark.parametrize("explainer", [LIME, PDA, MEANINGFUL], ids=["lime", "pda", "meaningful"])


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def explained(explainer, pixels, *, network=None, seeds=None, classes=None):
    seeds = np.arange(len(pixels), dtype=np.uint64) + 7 if seeds is None else seeds
    classes = np.zeros(len(pixels), np.int64) if classes is None else classes
    return explainer(network or planted.network(), pixels, classes, seeds)


def probability(network, pixels, target=0):
    return torch.from_numpy(network.scores(pixels)).double().softmax(1)[:, target].numpy()


def test_the_best_segment_of_lime_is_the_one_at_the_place() -> None:
    pixels = planted.images(20)
    found = explained(LIME, pixels)
    best = found.maps == found.maps.max(axis=(1, 2), keepdims=True)
    middle = tuple(first + planted.FIELD // 2 for first in planted.PLACE)
    assert best[:, *middle].mean() >= 0.95
    assert best.mean() < 0.1  # so chance would be right in less than a tenth
    assert (found.fit > 0.9).all()


def test_prediction_differences_point_at_the_place() -> None:
    found = explained(replace(PDA, stride=3), planted.images(20))
    assert planted.points_there(found.maps).mean() >= 0.95
    assert found.fit is None


def test_meaningful_perturbation_points_at_the_place() -> None:
    found = explained(replace(MEANINGFUL, iterations=40), planted.images(20))
    assert planted.points_there(found.maps).mean() >= 0.95
    assert found.maps.min() >= 0
    assert found.maps.max() <= 1 + 1e-6


@EXPLAINERS
def test_what_speaks_for_one_class_speaks_against_the_other(explainer) -> None:
    pixels = planted.images(6)
    found = explained(explainer, pixels, classes=np.ones(6, np.int64)).maps
    if explainer is MEANINGFUL:  # its maps have no sign: nothing needs to be hidden
        assert found.mean() < 0.1 * explained(explainer, pixels).maps.mean()
    else:
        middle = tuple(first + planted.FIELD // 2 for first in planted.PLACE)
        assert found[:, *middle] == pytest.approx(found.min(axis=(1, 2)))
        assert (found[:, *middle] < 0).all()


@EXPLAINERS
def test_maps_depend_on_no_other_image_and_not_on_blocks(explainer) -> None:
    pixels, network = planted.images(5, seed=3), planted.network(4)
    seeds = np.array([2**63 + 5, 1, 9, 1, 30], np.uint64)
    whole = explained(explainer, pixels, network=network, seeds=seeds)
    for order in ([3, 0, 4, 2, 1], [4], [1, 2]):
        part = explained(explainer, pixels[order], network=network, seeds=seeds[order])
        assert np.array_equal(part.maps, whole.maps[order])
        if whole.fit is not None:
            assert np.array_equal(part.fit, whole.fit[order])


@EXPLAINERS
def test_a_seed_gives_one_map(explainer) -> None:
    pixels = planted.images(1).repeat(2, axis=0)
    explainer = replace(explainer, jitter=12.0) if explainer is MEANINGFUL else explainer
    same = explained(explainer, pixels, seeds=np.array([4, 4], np.uint64)).maps
    assert np.array_equal(*same)
    torch.manual_seed(np.random.default_rng().integers(1 << 30))  # torch's own state plays no part
    assert np.array_equal(explained(explainer, pixels, seeds=np.array([4, 4], np.uint64)).maps, same)
    assert not np.array_equal(*explained(explainer, pixels, seeds=np.array([4, 5], np.uint64)).maps)


@EXPLAINERS
@pytest.mark.parametrize("grey", [0, 77, 255])
def test_constant_images_have_maps_of_zeros(explainer, grey) -> None:
    pixels = np.concatenate([np.full((1, planted.SIZE, planted.SIZE, 3), grey, np.uint8), planted.images(1)])
    found = explained(explainer, pixels)
    assert (found.maps[0] == 0).all()
    assert found.maps[1].any()
    if found.fit is not None:
        assert np.isnan(found.fit[0])


@EXPLAINERS
def test_scores_that_are_not_numbers_give_maps_that_are_not(explainer) -> None:
    class Broken(planted.OnePlace):
        def forward(self, x):
            return torch.where(x.mean((1, 2, 3))[:, None] > 0.7, torch.nan, super().forward(x))

    pixels = np.concatenate([planted.images(1) // 8 + np.uint8(220), planted.images(1)])
    network = replace(planted.network(), taps=Taps(Broken().eval().requires_grad_(False), ()))
    found = explained(explainer, pixels, network=network)
    assert np.isnan(found.maps[0]).all()
    assert np.isfinite(found.maps[1]).all()


@EXPLAINERS
def test_a_class_without_a_score_is_refused(explainer) -> None:
    for target in (2, -1):
        with pytest.raises(InputError, match=rf"class {target} cannot be explained: the network scores classes 0 to 1"):
            explained(explainer, planted.images(1), classes=np.array([target]))


@EXPLAINERS
def test_passes_are_those_that_were_projected(explainer) -> None:
    counted = Counting(planted.OnePlace())
    network = replace(planted.network(8), taps=Taps(counted.eval().requires_grad_(False), ()))
    found = explained(explainer, planted.images(1), network=network)
    assert found.passes == explainer.projected_passes(planted.SIZE, planted.SIZE)
    updates = explainer.iterations if explainer is MEANINGFUL else 0
    assert counted.shown - updates == found.passes - 3 * updates


class Counting(nn.Module):
    """Counts the images it is shown that are no padding."""

    def __init__(self, module):
        super().__init__()
        self.module, self.shown = module, 0

    def forward(self, x):
        self.shown += int((x.flatten(1) != 0).any(1).sum())
        return self.module(x)


def test_one_segment_has_a_map_of_zeros_and_no_fit() -> None:
    found = explained(replace(LIME, max_dist=1000, kernel_size=8), planted.images(1))
    assert not found.maps.any()
    assert np.isnan(found.fit).all()


def test_lime_scores_copies_whose_segments_show_their_mean_colour() -> None:
    """Against copies painted by hand and fitted by scikit-learn."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    image, network = planted.images(1)[0], planted.network()
    segments = LIME.segments(image)
    random = np.random.default_rng(5)
    shown = random.random((LIME.samples, segments.max() + 1)) < 0.5
    shown[0] = True
    copies = []
    for row in shown:
        copy = image.astype(np.float32)
        for number in np.flatnonzero(~row):
            copy[segments == number] = image[segments == number].mean(axis=0)
        copies.append(copy)
    weights = np.exp(-((1 - np.sqrt(shown.mean(axis=1))) ** 2) / 0.25**2) ** 0.5
    scores = probability(network, np.stack(copies))
    ridge = linear_model.Ridge(alpha=1).fit(shown, scores, sample_weight=weights)
    found = explained(LIME, image[None], seeds=np.array([5], np.uint64))
    assert found.maps[0] == pytest.approx(ridge.coef_[segments], abs=1e-5)
    assert found.fit[0] == pytest.approx(ridge.score(shown, scores, sample_weight=weights), rel=1e-4)


@pytest.mark.parametrize("shared", [False, True])
def test_prediction_differences_are_those_of_windows_filled_one_by_one(shared) -> None:
    image, network = planted.images(1)[0], planted.network()
    gaussian = PatchGaussian.fit(image[None] if not shared else planted.images(3, seed=9), 9, 20_000, 5)
    explainer = replace(PDA, stride=4, training_images=500, gaussian=gaussian if shared else None)
    sampler, random, values = WindowSampler(gaussian, 5), np.random.default_rng(5), {}
    known = probability(network, image[None])[0]
    starts = [*range(0, planted.SIZE - 4, 4), planted.SIZE - 5]
    for corner in [(y, x) for y in starts for x in starts]:
        drawn = sampler.draw(image, np.array([corner]), random.standard_normal((1, 2, 3, 25)))[0]
        copies = np.stack([image, image]).astype(np.float32)
        copies[:, corner[0] : corner[0] + 5, corner[1] : corner[1] + 5] = drawn
        unknown = probability(network, copies).mean()
        values[corner] = naive.attribution.weight_of_evidence(known, unknown, 2, 500)
    found = explained(explainer, image[None], seeds=np.array([5], np.uint64))
    slow = naive.attribution.average_windows(values, 5, (planted.SIZE, planted.SIZE))
    assert found.maps[0] == pytest.approx(slow, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stride": 6}, "a stride of 6 leave pixels out; set a stride from 1 to 5"),
        ({"stride": 0}, "a stride of 0"),
        ({"window": 39}, "windows of 39 pixels with 2 around them do not fit images of 40 x 40"),
        (
            {"gaussian": PatchGaussian(7, np.zeros((3, 49)), np.zeros((3, 49, 49)))},
            "is of patches of 7 pixels; fit it on",
        ),
    ],
)
def test_windows_that_cannot_be_are_refused(options, words) -> None:
    with pytest.raises(InputError, match=words):
        replace(PDA, **options).projected_passes(planted.SIZE, planted.SIZE)


def test_the_mask_goes_where_probability_plus_penalties_fall() -> None:
    """The first update of Adam is a step of the learning rate along the sign of the slope, found here by differences."""
    image, network = planted.images(1), planted.network()
    explainer = Meaningful(iterations=1, jitter=0, cells=planted.SIZE, mask_blur=0.0, learning_rate=0.01)
    started = explained(replace(explainer, iterations=0), image).maps[0].astype(float)
    found = explained(explainer, image).maps[0]
    scale = planted.SIZE / 224
    filled = gaussian_filter(image[0].astype(np.float32), (10 * scale, 10 * scale, 0), mode="nearest")

    def loss(hidden):
        down, right = np.zeros_like(hidden), np.zeros_like(hidden)
        down[:-1], right[:, :-1] = np.diff(hidden, axis=0), np.diff(hidden, axis=1)
        blend = (image[0] * (1 - hidden[..., None]) + filled * hidden[..., None])[None].astype(np.float32)
        rough = ((down**2 + right**2) ** 1.5).sum()
        return 1e-4 * np.abs(hidden).sum() + 1e-2 * rough + probability(network, blend)[0]

    top, left = planted.PLACE
    for y, x in [(top, left), (top + 1, left + 2), (top + 4, left + 3), (5, 30), (20, 20)]:
        step = np.zeros_like(started)
        step[y, x] = 1e-2
        slope = loss(started + step) - loss(started - step)
        expected = np.clip(started[y, x] - 0.01 * np.sign(slope), 0, 1)
        assert found[y, x] == pytest.approx(expected, abs=1e-3)


def test_the_circle_is_the_smallest_that_takes_the_class_away() -> None:
    """Seen from the middle, the place lies between these radii."""
    started = explained(replace(MEANINGFUL, iterations=0, cells=planted.SIZE, mask_blur=0.0), planted.images(3)).maps
    middle = planted.SIZE // 2
    corners = [(y, x) for y in (0, 4) for x in (0, 4)]
    away = [np.hypot(planted.PLACE[0] + y - middle, planted.PLACE[1] + x - middle) for y, x in corners]
    radius = np.sqrt((started > 0.5).sum(axis=(1, 2)) / np.pi)
    assert (radius > min(away)).all()
    assert (radius < max(away) + 3).all()


def test_a_network_of_grey_images_is_explained_too() -> None:
    class Grey(planted.OnePlace):
        def forward(self, x):
            return super().forward(x.expand(-1, 3, -1, -1))

    half = torch.full((1, 1, 1, 1), 127.5)
    network = Network(Taps(Grey().eval().requires_grad_(False), ()), (), 16, 1.0, "cpu", half, half)
    for explainer in (replace(PDA, stride=3), replace(MEANINGFUL, iterations=40)):
        assert planted.points_there(explained(explainer, planted.images(3), network=network).maps).all()
