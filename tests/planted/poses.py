"""Planted poses: a part that lies elsewhere, and is shown by other filters, in each of three poses of unequal frequency."""

import numpy as np

from filterscope.operators.and_or.inquiry import Answer
from filterscope.operators.and_or.responses import LayerResponses, standardise, usual_sums
from filterscope.operators.localization.patches import Lattice

EXTENT, CELLS, STRIDE = (112, 112), 14, 8.0
FREQUENCIES = (0.7, 0.2, 0.1)
#: Where the part is in each pose, and where three filters of the pose fire, from there.
_PARTS = np.array([[35.0, 35.0], [75.0, 40.0], [50.0, 78.0]])
_FROM = np.array([[0.0, 0.0], [14.0, 10.0], [-8.0, 18.0]])
#: How far the object moves, and each of its places beside it; pixels.
_OBJECT, _PLACE = 8.0, 1.0


def planted_poses(images, seed):
    """Return the pose of each image, y and x of its part, and the responses of nine filters of poses and three of noise."""
    rng = np.random.default_rng([seed, 7])
    pose = rng.choice(3, images, p=FREQUENCIES)
    part = np.clip(_PARTS[pose] + rng.normal(0, _OBJECT, (images, 2)), 4, 107)
    centre = STRIDE / 2 - 0.5
    places = centre + np.arange(CELLS) * STRIDE
    maps = np.zeros((images, 12, CELLS, CELLS))
    for image in range(images):
        peaks = [(3 * pose[image] + k, part[image] + _FROM[k] + rng.normal(0, _PLACE, 2)) for k in range(3)]
        peaks += [(unit, rng.uniform(0, 112, 2)) for unit in range(9, 12)]
        for unit, (y, x) in peaks:
            bump = np.exp(-((places[:, None] - y) ** 2 + (places - x) ** 2) / (2 * (0.7 * STRIDE) ** 2))
            maps[image, unit] += rng.uniform(0.6, 1.4) * bump
    maps[maps < 0.05] = 0
    response = standardise(maps, maps.mean(axis=(0, 2, 3)), maps.std(axis=(0, 2, 3)))
    layer = LayerResponses(response, np.zeros(response.shape[1:]), Lattice((centre,) * 2, (STRIDE,) * 2))
    usual = usual_sums(response, layer.reach(112.0), (3.0, 3.0)) / images
    return pose, part, LayerResponses(response, usual, layer.lattice)


def answer_of(inquiry, view, pose, part, known):
    """Answer as one who knows pose and part; `known` maps poses to templates and learns new ones."""
    at = tuple(part[view].tolist())
    if pose[view] not in known:
        known[pose[view]] = len(known)
        return Answer(view, "new", known[pose[view]], at)
    centre, _, template = inquiry.parsed(np.array([view]))
    if template[0] != known[pose[view]]:
        return Answer(view, "other", known[pose[view]], at)
    if np.hypot(*(centre[0] - part[view])) < STRIDE / 2:
        return Answer(view, "right", known[pose[view]], tuple(centre[0].tolist()))
    return Answer(view, "place", known[pose[view]], at)
