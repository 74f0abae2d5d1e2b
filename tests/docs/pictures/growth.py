"""Detectors on nested samples of the images, as annotated and by chance."""

import numpy as np

from filterscope.operators.dissection.growth import nested_samples
from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.operators.statistics.permutation import Strata
from tests.docs.pictures.svg import (
    BLUE,
    PALE,
    RED,
    SOFT,
    Plot,
    Sheet,
)  # fmt: skip


def planted_growth():
    """Return sizes of nested samples, and detectors on each: as annotated, and mean under 10 permutations."""
    rng, images, units, concepts, side = np.random.default_rng(1), 200, 48, 12, 14

    def spot(size):
        y, x = rng.uniform(0, side - size, 2).astype(int)
        mask = np.zeros((side, side), bool)
        mask[y : y + size, x : x + size] = True
        return mask.ravel()

    labels = np.zeros((images, concepts, side * side), np.float32)
    active = np.zeros((images, units, side * side), np.float32)
    for image in range(images):
        for concept in np.flatnonzero(rng.random(concepts) < 0.12):
            labels[image, concept] = spot(5)
        for unit in np.flatnonzero(rng.random(units) < 0.06):
            active[image, unit] = spot(3)
        for unit in np.flatnonzero(labels[image, np.arange(14) % concepts].any(1)):
            active[image, unit] = np.maximum(active[image, unit], labels[image, unit % concepts] * (rng.random() < 0.6))
    strata = Strata(np.arange(images), np.arange(images), np.ones((images, 1), bool))
    samples = nested_samples(np.arange(images), (8, 4, 2, 1), 0)

    def detectors(sample, source):
        # annotations move among the images of the sample alone
        within = np.flatnonzero(sample)
        giver = within[np.argsort(np.argsort(source[within]))]
        common = np.einsum("nup,ncp->uc", active[within], labels[giver])
        union = active[within].sum((0, 2))[:, None] + labels[giver].sum((0, 2)) - common
        return int(((common / np.maximum(union, 1)).max(1) > DETECTOR_IOU).sum())

    seen = [detectors(sample, np.arange(images)) for sample in samples]
    chance = [np.mean([detectors(sample, strata.permuted(draw)) for draw in range(10)]) for sample in samples]
    return samples.sum(1), units, seen, chance


def picture():
    """Draw detectors on nested samples, as annotated and by chance."""
    sizes, units, seen, chance = planted_growth()
    sheet = Sheet(760, 290, "Detectors on an eighth, a quarter, half and all of the images, as annotated and by chance")
    for row, (size, part) in enumerate(zip(sizes, ("an eighth", "a quarter", "half", "all"), strict=True)):
        for column in range(32):
            inside = column < round(32 * size / sizes[-1])
            sheet.box(16 + column * 7, 66 + row * 44, 5.5, 16, fill=BLUE if inside else PALE)
        sheet.text(16, 60 + row * 44, f"{part}: {size} images", size=12, colour=SOFT)
    sheet.text(16, 30, "Nested samples, in one seeded order", bold=True)
    plot = Plot(sheet, (320, 52, 270, 170), (4.4, 7.8), (0, 30))
    ticks = [(np.log2(size), str(size)) for size in sizes]
    plot.axes(ticks, [(v, str(v)) for v in range(0, 31, 10)], ("images", f"detectors among {units} planted units"))
    for counts, colour, words in ((seen, BLUE, "as annotated"), (chance, RED, "annotations permuted")):
        places = plot.points(np.log2(sizes), counts)
        sheet.lines(places, colour, 2)
        for x, y in places:
            sheet.dot(x, y, fill=colour)
        sheet.note(places[-1][0] + 12, places[-1][1] - 8, words, f"{counts[-1]:g} on all", colour=colour)
    sheet.note(16, 276, "Where the lines meet, labels say nothing. Here 14 units were planted to follow a concept.")
    return sheet.svg()
