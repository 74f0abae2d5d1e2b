"""Labels are worth on unseen images what a run says they are; without anything to find, a run says that too.

Every figure is the mean of many random splits or permutations, each judged by the stages themselves (`tests.subsets`).
"""

import numpy as np
import pytest

from filterscope.operators.statistics.significance import significance
from filterscope.pipeline.datasets.masks import import_masks
from tests.audits import audit_here
from tests.planted import entry, write_shapes
from tests.planted.videos import shaken, write_scenes
from tests.subsets import Subset

SPLITS, SCENES, FRAMES = 20, 6, 50


def halves(images, seed):
    """Return a random half of the images."""
    return np.isin(np.arange(images), np.random.default_rng(seed).permutation(images)[: images // 2])


def splits(run, layer, images, **options):
    """Labels over 0.04 of each random half: in-sample, expected, lowest, highest and unseen IoU; (5, labels) per split."""
    found = []
    for seed in range(SPLITS):
        half = halves(images, 1000 + seed)
        subset = Subset(run, layer, half, **options)
        own, live, expected = subset.judged()
        seen = subset.elsewhere(own["label"], ~half)
        label = live & (own["observed"] > 0.04)
        found.append(np.stack([own["observed"], *(expected[n] for n in ("mean", "low", "high")), seen])[:, label])
    return found


def replicating(run, layer, images, **options):
    """Labels that replicate on each random half with its masks permuted, and in each permutation of those."""
    found = []
    for seed in range(SPLITS):
        half, masks_of = halves(images, 1000 + seed), np.arange(images)
        masks_of[half] = np.random.default_rng(2000 + seed).permutation(masks_of[half])
        own, live, _ = Subset(run, layer, half, masks_of=masks_of, **options).judged()
        found.append((own["replicates"][live].sum(), own["null_replicates"][:, live].sum(axis=1)))
    return found


def assert_calibrated(found, within):
    """Fail unless the mean expected IoU is the unseen one, and 90 % intervals hold 85 to 95 % of the unseen IoUs."""
    over, expected, low, high, seen = np.concatenate(found, axis=1)
    assert over.mean() > 1.2 * seen.mean()  # else there would be nothing to correct
    assert expected.mean() == pytest.approx(seen.mean(), rel=within)
    assert 0.85 <= ((low <= seen) & (seen <= high)).mean() <= 0.95


def assert_in_range(found):
    """Fail unless labels of permuted masks replicate as often as in the permutations that a run makes."""
    assert sum(again.min() <= count <= again.max() for count, again in found) >= 18
    # and neither always as often as in the highest, nor as in the lowest
    assert 0.2 < np.mean([(again < count).mean() + (again == count).mean() / 2 for count, again in found]) < 0.8
    assert np.mean([again.mean() for _, again in found]) > 1


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    write_shapes(folder / "data", images=320)
    settings = {"models": [entry("filters")], "layers": "1", "unit_block": 64, "quantile": 0.03}
    return audit_here(folder / "run", data=folder / "data", metrics="dissection,growth", **settings)


def test_labels_have_the_expected_iou_on_the_other_half(shapes):
    assert_calibrated(splits(shapes, "1", 320), 0.05)


def test_labels_of_permuted_masks_replicate_by_chance(shapes):
    """At a threshold so low that a few do."""
    assert_in_range(replicating(shapes, "1", 320, quantile=0.1))


@pytest.fixture(scope="module")
def permuted_scenes(tmp_path_factory):
    """Significant labels of a drawn video whose scenes have each other's masks: with groups, and as single frames."""
    folder = tmp_path_factory.mktemp("video")
    write_scenes(folder / "data", shaken(SCENES, FRAMES, light=0.1), FRAMES)
    settings = {"models": [entry("filters")], "layers": "1", "unit_block": 64, "quantile": 0.03}
    run = audit_here(folder / "run", data=folder / "data", metrics="dissection,growth", **settings)
    frames, scene = np.ones(SCENES * FRAMES, bool), np.repeat(np.arange(SCENES), FRAMES)
    found = []
    for seed in range(40):
        order = np.random.default_rng(seed).permutation(SCENES)
        masks_of = order[scene] * FRAMES + np.arange(len(frames)) % FRAMES
        for group in (scene * FRAMES, np.arange(len(frames))):
            own, live, _ = Subset(run, "1", frames, masks_of=masks_of, group=group, fewest=2).judged()
            q = significance(own["observed"][live], own["null"][:, live]).q_value
            found.append((q <= 0.05).sum())
    return np.array(found).reshape(-1, 2)


@pytest.mark.slow
def test_frames_of_permuted_scenes_are_significant_as_seldom_as_promised(permuted_scenes):
    grouped = permuted_scenes[:, 0]
    assert (grouped > 0).mean() <= 0.05


@pytest.mark.slow
def test_frames_taken_for_images_of_their_own_would_be_significant(permuted_scenes):
    single = permuted_scenes[:, 1]
    assert (single > 0).mean() > 0.5
    assert single.mean() > 5


@pytest.mark.slow
def test_labels_of_a_real_network_have_the_expected_iou_on_unseen_photographs(test_data, tmp_path):
    """Clothing, 125 photographs to choose and 125 unseen: .056 in-sample, .0135 expected, .0125 seen."""
    weights = test_data / "weights" / "mobilenet_v2-b0353104.pth"
    if not (test_data / "ccp250").is_dir() or not weights.is_file():
        pytest.skip(f"no ccp250 or {weights.name} in {test_data}")
    import_masks(test_data / "ccp250", tmp_path / "data", in_place=True)
    model = {"source": f"torchvision:mobilenet_v2@{weights}", "name": "mobilenet_v2"}
    settings = {"models": [model], "layers": "features.18", "unit_block": 1280}
    run = audit_here(tmp_path / "run", data=tmp_path / "data", metrics="dissection,growth", **settings)
    assert_calibrated(splits(run, "features.18", 250), 0.15)
    assert_in_range(replicating(run, "features.18", 250))
