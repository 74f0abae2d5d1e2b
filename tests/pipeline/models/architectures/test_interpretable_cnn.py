"""The network of interpretable filters: masks, the pull on the way back, where its backbone ends."""

import numpy as np
import pytest
import torch
from torch import nn

from filterscope.operators.interpretable import released
from filterscope.operators.interpretable.mutual_information import loss_gradient
from filterscope.operators.interpretable.templates import Templates, strongest
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.architectures.interpretable_cnn import InterpretableCNN, PartMask, behind, reached

ARGUMENTS = {
    "backbone": "torchvision:squeezenet1_1", "layer": "features.12", "channels": 512, "height": 13, "width": 13,
    "filters": 6, "outputs": 3, "reduced": 8,
}  # fmt: skip


def maps(seed=0, shape=(5, 4, 6, 7), dtype=torch.float64):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_masks_are_those_of_the_operators():
    values = maps()
    paper, release = PartMask("paper", 4, 6, 7), PartMask("release", 4, 6, 7)
    release.fall = torch.tensor([1.5, 2.0, 2.5, 3.0])
    expected = Templates.of(6, 7).masks[strongest(values.numpy())]
    np.testing.assert_allclose(paper.of(values).numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(paper(values).numpy(), np.maximum(values.numpy() * expected, 0), atol=1e-6)
    mask = released.masks(values.numpy(), release.fall.numpy())
    np.testing.assert_allclose(release.of(values).numpy(), mask, atol=1e-12)
    assert torch.equal(PartMask("none", 4, 6, 7)(values), values)


def test_the_derivative_of_the_masked_maps_is_that_of_finite_differences_for_fixed_positions():
    mask, values = PartMask("paper", 2, 4, 4), maps(1, (2, 2, 4, 4)).requires_grad_()
    mask.masks = mask.masks.double()
    assert torch.autograd.gradcheck(lambda x: mask(x), (values,), eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("kappa", [0.5, 4.0])
def test_the_pull_is_added_to_the_other_derivative_in_its_size_times_kappa(kappa):
    mask, values = PartMask("paper", 4, 6, 7), maps(2).requires_grad_()
    own = np.random.default_rng(0).random((5, 4)) < 0.5
    weight = maps(3) - 0.5
    ones = np.ones(4)
    (weight * mask.pulled(values, own, kappa, (ones, ones))).sum().backward()
    pull = loss_gradient(values.detach().numpy(), strongest(values.detach().numpy()), own, mask.templates)
    pull *= kappa * abs(weight.numpy()).mean() / abs(pull).mean()
    np.testing.assert_allclose(values.grad.numpy(), weight.numpy() + pull, rtol=1e-6)


def test_the_pull_of_the_release_is_its_own_at_a_fixed_weight():
    mask, values = PartMask("release", 4, 6, 7), maps(4).requires_grad_()
    own = np.random.default_rng(1).random((5, 4)) < 0.5
    ones = np.ones(4)
    mask.pulled(values, own, 0.25, (ones, ones)).sum().backward()
    seen = values.detach().numpy()
    pull = released.loss_gradient(seen, released.masks(seen, np.full(4, 2.0)), own, (ones, ones))
    np.testing.assert_allclose(values.grad.numpy(), 1 + 0.25 * pull, rtol=1e-6)


def test_a_step_against_the_pull_of_the_paper_raises_the_fit_to_its_template():
    mask, values = PartMask("paper", 4, 6, 7), maps(5)
    own, position = np.ones((5, 4), bool), strongest(values.numpy())
    pull = loss_gradient(values.numpy(), position, own, mask.templates)
    template = mask.templates.masks[position]
    before, after = ((template * x).sum((2, 3)) for x in (values.numpy(), values.numpy() - pull))
    assert (after > before).all()


def test_widths_move_towards_what_the_maps_want_and_the_state_keeps_them():
    mask = PartMask("release", 2, 7, 7)
    narrow = torch.zeros(3, 2, 7, 7)
    narrow[:, 0, 3, 3], narrow[:, 1] = 1.0, 1.0
    for _ in range(200):
        mask.widen(narrow, np.ones((3, 2), bool))
    assert mask.fall.tolist() == pytest.approx([3.0, 1.5], abs=1e-3)
    other = PartMask("release", 2, 7, 7)
    other.load_state_dict(mask.state_dict())
    assert torch.equal(other.fall, mask.fall)


class Twice(nn.Module):
    """Calls one convolution twice, then a head."""

    def __init__(self):
        super().__init__()
        self.conv, self.rectify, self.head = nn.Conv2d(3, 3, 1), nn.ReLU(inplace=True), nn.Linear(3, 2)

    def forward(self, images):
        return self.head(self.rectify(self.conv(self.conv(images))).mean((2, 3)))


def test_a_pass_ends_at_the_layer_and_no_later_module_changes_what_it_gave():
    module, image = Twice(), torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        once = module.conv(image)
        assert torch.equal(reached(module, "conv#0", image), once)
        assert torch.equal(reached(module, "conv#1", image), module.conv(once))
    assert behind(module, "conv#1", image) == ["head"]
    assert not module.conv._forward_hooks
    with pytest.raises(RuntimeError, match="not reached"):
        reached(module, "conv#2", image)


@pytest.mark.parametrize("mode", ["none", "paper", "release"])
def test_what_is_behind_the_layer_is_not_part_of_the_network(mode):
    network = InterpretableCNN(**ARGUMENTS, mode=mode, dropped=["classifier"]).eval()
    assert not any(name.startswith("backbone.classifier") for name in network.state_dict())
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = network(images)
        features = network.features(images)
        assert torch.equal(found, network.scores(network.relu(network.filters(features))))
    assert found.shape == (2, 3)
    with torch.device("meta"):
        assert {*InterpretableCNN(**ARGUMENTS, dropped=["classifier"], mode=mode).state_dict()} == {
            *network.state_dict()
        }


@pytest.mark.parametrize(
    "backbone",
    [
        "factory:os:system",
        "torchvision:nothing",
        "torchvision:fcn_resnet50",
        "timm:hf-hub:some/one",
        "timm:local-dir:/",
    ],
)
def test_only_named_classifiers_are_built(backbone):
    with pytest.raises(InputError, match="classifiers of torchvision"):
        InterpretableCNN(**{**ARGUMENTS, "backbone": backbone})


@pytest.mark.parametrize("argument", ["weights", "checkpoint_path", "pretrained", "pretrained_cfg"])
@pytest.mark.parametrize("backbone", ["torchvision:squeezenet1_1", "timm:resnet18"])
def test_no_weights_are_read_or_fetched_for_a_checkpoint(backbone, argument):
    with pytest.raises(InputError, match="would read or fetch weights"):
        InterpretableCNN(**{**ARGUMENTS, "backbone": backbone, "arguments": {argument: "IMAGENET1K_V1"}})


def test_networks_of_timm_can_be_the_backbone():
    network = InterpretableCNN(
        **{**ARGUMENTS, "backbone": "timm:resnet10t", "layer": "layer2", "channels": 128, "height": 8, "width": 8},
        dropped=["layer3", "layer4", "fc"],
    ).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 3)


def test_maps_without_places_are_refused():
    with pytest.raises(InputError, match="maps of 1 x 1 have no parts to learn"):
        InterpretableCNN(**{**ARGUMENTS, "height": 1, "width": 1})
