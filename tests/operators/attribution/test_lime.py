"""LIME's linear model is that of scikit-learn, captum and the package `lime`."""

import numpy as np
import pytest
import torch

from filterscope.operators.attribution.lime import draw_masks, fit_ridge, proximity, segment_means


def drawn(samples=200, segments=9, seed=0):
    """Masks, and scores that hang on two of the segments, on their product and on noise."""
    masks = draw_masks(samples, segments, seed)
    random = np.random.default_rng(seed)
    scores = 0.1 + 0.5 * masks[:, 2] - 0.2 * masks[:, 5] + 0.1 * masks[:, 2] * masks[:, 5]
    return masks, scores + random.normal(0, 0.02, samples)


def test_the_first_copy_shows_all_and_the_others_half() -> None:
    masks = draw_masks(4000, 11, 3)
    assert masks[0].all()
    assert masks[1:].mean() == pytest.approx(0.5, abs=0.01)
    assert np.array_equal(masks, draw_masks(4000, 11, 3))
    assert not np.array_equal(masks, draw_masks(4000, 11, 4))


@pytest.mark.parametrize("alpha", [0.01, 1.0, 30.0])
def test_the_model_is_ridge_regression_of_scikit_learn(alpha) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    masks, scores = drawn()
    weights = proximity(masks)
    model = fit_ridge(masks, scores, weights, alpha)
    oracle = linear_model.Ridge(alpha=alpha).fit(masks, scores, sample_weight=weights)
    assert model.weights == pytest.approx(oracle.coef_, rel=1e-6)
    assert model.fit == pytest.approx(oracle.score(masks, scores, sample_weight=weights), rel=1e-6)
    assert model.weights.argmax() == 2
    assert model.weights.argmin() == 5


def test_distances_are_cosine_and_a_copy_that_shows_nothing_is_at_one() -> None:
    pairwise = pytest.importorskip("sklearn.metrics.pairwise")
    masks, _ = drawn()
    masks[7] = False
    distance = pairwise.cosine_distances(masks, masks[:1])[:, 0]
    assert proximity(masks, 0.4) == pytest.approx(np.sqrt(np.exp(-(distance**2) / 0.4**2)), rel=1e-9)
    assert proximity(masks)[0] == 1


def test_the_model_is_that_of_the_package_lime() -> None:
    lime_base = pytest.importorskip("lime.lime_base")
    pairwise = pytest.importorskip("sklearn.metrics.pairwise")
    masks, scores = drawn()
    base = lime_base.LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / 0.25**2)), random_state=0)
    distances = pairwise.pairwise_distances(masks.astype(float), np.ones((1, 9)), metric="cosine").ravel()
    _, found, fit, _ = base.explain_instance_with_data(masks.astype(float), scores[:, None], distances, 0, 100)
    model = fit_ridge(masks, scores, proximity(masks))
    assert model.weights == pytest.approx([weight for _, weight in sorted(found)], rel=1e-6)
    assert model.fit == pytest.approx(fit, rel=1e-6)


def test_the_model_is_that_of_captum() -> None:
    attr = pytest.importorskip("captum.attr")
    linear_model = pytest.importorskip("captum._utils.models.linear_model")
    masks, scores = drawn()
    score = {mask.tobytes(): value for mask, value in zip(masks, scores, strict=True)}
    copies = iter(masks)

    def forward(shown):
        return torch.tensor([score[row.bool().numpy().tobytes()] for row in shown], dtype=torch.float64)

    def similarity(original, shown, interpretable, **options):
        return torch.from_numpy(proximity(interpretable.bool().numpy()))

    lime = attr.LimeBase(
        forward,
        linear_model.SkLearnRidge(alpha=1.0),
        similarity,
        lambda original, **options: torch.from_numpy(next(copies)[None]).double(),
        perturb_interpretable_space=True,
        from_interp_rep_transform=lambda shown, original, **options: shown,
        to_interp_rep_transform=None,
    )
    found = lime.attribute(torch.ones(1, 9, dtype=torch.float64), n_samples=len(masks))
    # a copy drawn twice has one score there, and captum keeps single precision
    ours = fit_ridge(masks, np.array([score[mask.tobytes()] for mask in masks]), proximity(masks)).weights
    assert ours == pytest.approx(found[0].numpy(), abs=1e-6 * np.abs(ours).max())


def test_scores_that_do_not_vary_have_no_weights_and_no_fit() -> None:
    masks = draw_masks(50, 4, 0)
    model = fit_ridge(masks, np.full(50, 0.3), proximity(masks))
    assert model.weights.tolist() == [0] * 4
    assert np.isnan(model.fit)


def test_segments_show_their_mean_colour() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)
    segments = np.random.default_rng(1).integers(0, 3, (5, 6))
    found = segment_means(pixels, segments)
    for number in range(3):
        here = segments == number
        assert found[here] == pytest.approx(np.tile(pixels[here].mean(axis=0), (here.sum(), 1)), rel=1e-6)
