"""Squashing and routing against loops, and the network of the release."""

import numpy as np
import pytest
import torch

from filterscope.pipeline.models.architectures.capsules import CapsNet, lengths, routed, squash
from tests.naive import capsules as naive


def test_squashing_shortens_and_keeps_the_direction() -> None:
    vectors = np.random.default_rng(0).normal(0, 2, (20, 8))
    found = squash(torch.from_numpy(vectors)).numpy()
    assert found == pytest.approx(np.stack([naive.squash(vector) for vector in vectors]), abs=1e-8)
    assert (np.linalg.norm(found, axis=1) < 1).all()


def test_the_gradient_of_squashing_is_right_and_finite_at_zero() -> None:
    torch.manual_seed(0)
    vectors = torch.randn(4, 3, dtype=torch.float64)
    vectors[0] = 0
    assert torch.autograd.gradcheck(squash, vectors.requires_grad_())
    assert torch.autograd.gradcheck(lengths, vectors)


@pytest.mark.parametrize("iterations", [0, 1, 2, 3, 5])
def test_routing_is_that_of_a_loop(iterations: int) -> None:
    random = np.random.default_rng(iterations)
    votes, bias = random.normal(0, 0.6, (3, 4, 7, 5)), random.normal(0, 0.1, (4, 5))
    found = [part.numpy() for part in routed(torch.from_numpy(votes), torch.from_numpy(bias), iterations)]
    for mine, twin in zip(found, naive.routed(votes, bias, iterations), strict=True):
        assert mine == pytest.approx(twin, abs=1e-7)
    assert found[1].sum(axis=1) == pytest.approx(np.ones((3, 7)))  # over classes, not over primary capsules


def test_no_routing_couples_alike() -> None:
    votes = torch.randn(2, 5, 6, 3, dtype=torch.float64)
    _, coupling = routed(votes, torch.zeros(5, 3, dtype=torch.float64), 0)
    assert coupling.numpy() == pytest.approx(np.full((2, 5, 6), 0.2))


def test_the_gradient_passes_through_all_iterations() -> None:
    torch.manual_seed(1)
    votes, bias = torch.randn(2, 3, 4, 2, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)
    given = votes.requires_grad_(), bias.requires_grad_()
    assert torch.autograd.gradcheck(lambda votes, bias: routed(votes, bias, 3), given)


def test_two_capsules_that_agree_win_over_one_that_does_not_within_three_iterations() -> None:
    same, first, last = 4 * torch.eye(3)
    votes = torch.stack([torch.stack([same, same, -same]), torch.stack([first, -first, last])])[None]
    _, coupling = routed(votes, torch.zeros(2, 3), 3)
    assert (coupling[0, 0, :2] > 0.9).all()
    assert coupling[0, 0, 2] < 0.1


def test_the_published_size_has_as_many_parameters_as_the_release_with_its_biases() -> None:
    with torch.device("meta"):
        network = CapsNet(10, 28, 28)
    assert sum(weights.numel() for weights in network.parameters()) == 8_215_728
    assert network.transformations.shape == (1152, 8, 160)


@pytest.mark.parametrize("size", [(28, 28), (32, 20), (17, 18)])
def test_scores_are_lengths_and_decoded_capsules_are_images(size: tuple[int, int]) -> None:
    torch.manual_seed(2)
    network = CapsNet(3, *size, filters=6, types=2)
    images = torch.rand(4, 1, *size)
    codes = network.codes(images)
    assert codes.shape == (4, 3, 16)
    assert torch.allclose(network(images), codes.norm(dim=2), atol=1e-4)
    decoded = network.decode(codes[:, 1], 1)
    assert decoded.shape == images.shape
    assert ((decoded > 0) & (decoded < 1)).all()
    masked = torch.zeros(4, 48)
    masked[:, 16:32] = codes[:, 1]  # the label masks: the capsules of other classes are nothing
    assert torch.allclose(decoded.flatten(1), network.decoder(masked))
    each = network.decode(codes[torch.arange(4), [0, 1, 1, 2]], torch.tensor([0, 1, 1, 2]))
    assert torch.allclose(each[2], decoded[2])


def test_votes_of_a_type_are_beside_one_another() -> None:
    torch.manual_seed(3)
    network = CapsNet(3, 20, 20, filters=4, types=3).eval()
    with torch.no_grad():
        network.primary.weight[8:16] = 0  # type 1 says nothing
        network.primary.bias[8:16] = 0
        votes = network.route(torch.rand(2, 1, 20, 20)).votes
    silent = votes.unflatten(2, (3, -1)).abs().amax(dim=(0, 1, 3, 4))
    assert (silent > 1e-4).tolist() == [True, False, True]


def test_too_small_an_input_is_refused() -> None:
    with pytest.raises(ValueError, match="16 x 28 is smaller than 17 x 17"):
        CapsNet(10, 16, 28)
