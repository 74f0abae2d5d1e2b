"""The inner loop of dissection against the light re-implementation's, and how its cost grows."""

from collections.abc import Callable, Iterator

import numpy as np

from filterscope.operators.dissection.anchoring import resize_axis
from filterscope.operators.dissection.tally import Tally, add_to_tally, half_values
from tests import naive
from tests.bench.real import MASK_SIZE, Subject, subject
from tests.bench.row import Row, interleaved

#: Images of the light loop, which is slow; the ratio is taken on the same ones.
_LIGHT_IMAGES = 32

#: How often our tally takes the 128 images, so that it is that of an audit of 1,024.
_PASSES = 8
_SHAPE = MASK_SIZE, MASK_SIZE


def _ours(of: Subject, passes: int = 1) -> Callable[[], None]:
    """Tally all images, `passes` times over, as an audit does: a block of units meets all images before the next."""
    side, half = of.maps.shape[2], half_values()
    axis = resize_axis(side, MASK_SIZE)
    units, concepts, categories = of.maps.shape[1], len(of.category), int(of.category.max()) + 1
    work = []
    for images, span, masks in of.blocks():
        # as the store hands them over: a block of its own
        work.append((span, np.ascontiguousarray(of.maps[images, span]), of.maxima[images, span].copy(), masks))
    blocks = len(work) // len({span.start for span, *_ in work})
    visits = [visit for first in range(0, len(work), blocks) for visit in work[first : first + blocks] * passes]
    tallies = {
        span.start: Tally.empty(len(range(*span.indices(units))), concepts, categories, _SHAPE) for span, *_ in work
    }

    def run() -> None:
        for span, maps, maxima, masks in visits:
            args = (maps, maxima, of.threshold[span], masks, of.category, axis, axis, half)
            add_to_tally(tallies[span.start], *args)

    return run


def _light(of: Subject) -> Callable[[], None]:
    layers = [naive.dissection.layer_labels(image, _SHAPE) for image in of.labels]
    maps, category = of.maps.astype(np.float32), np.concatenate([[0], of.category + 1])
    intersection = np.zeros((maps.shape[1], len(category)), np.int64)

    def run() -> None:
        for image, own in zip(maps, layers, strict=True):
            naive.dissection.light_tally(image, of.threshold, own, category, intersection)

    return run


def _first(of: Subject, images: int) -> Subject:
    return Subject(of.maps[:images], of.maxima[:images], of.threshold, of.labels[:images], of.category)


def tally_vs_light() -> Iterator[Row]:
    """Time a pair of a unit and an image whose maximum is above the unit's threshold, on one core."""
    for side, least in ((7, 100), (14, 20), (28, 20), (56, 20)):
        for colors in (True, False):
            whole = subject(side, colors=colors)
            few = _first(whole, _LIGHT_IMAGES)
            ours, light = interleaved([_ours(whole, _PASSES), _light(few)], repeats=5)
            mine, peer = 1e6 * ours / whole.active / _PASSES, 1e6 * light / few.active
            name = f"tally_vs_light.{side}x{side}" + ("" if colors else ".without_colors")
            yield Row(name, mine, "us/active pair", f"light loop {peer:.0f} us", peer / mine, f">= {least}")
            yield Row(f"{name}.cell", 1e9 * ours / whole.active_cells / _PASSES, "ns/active cell")


def tally_scaling() -> Iterator[Row]:
    """Fit the exponent of the cost in units, images and concepts per image, on 7 x 7 maps."""
    whole = subject(7, colors=True)
    units = {n: _ours(_of_units(whole, n), 2) for n in (256, 512, 1024, 2048)}
    images = {n: _ours(_of_units(whole, 128), n // len(whole.maps)) for n in (1024, 2048, 4096, 8192)}
    concepts = {n: _ours(_of_concepts(whole, n)) for n in (5, 20, 80)}
    for name, runs in (("units", units), ("images", images), ("concepts", concepts)):
        times = interleaved(list(runs.values()), repeats=7)
        exponent = np.polyfit(np.log(list(runs)), np.log(times), 1)[0]
        peer = ", ".join(f"{n}: {1e3 * time:.1f} ms" for n, time in zip(runs, times, strict=True))
        yield Row(f"tally_scaling.{name}", float(exponent), "exponent", peer, target="<= 1.05")


def _of_units(of: Subject, units: int) -> Subject:
    """Take every so many units, or repeat them, so that all counts have the same mix."""
    chosen = np.arange(units) * of.maps.shape[1] // units
    return Subject(of.maps[:, chosen], of.maxima[:, chosen], of.threshold[chosen], of.labels, of.category)


def _of_concepts(of: Subject, concepts: int) -> Subject:
    """Give every image the first masks of one shuffled order of all images' masks, under new names."""
    masks = [mask for image in of.labels for mask in image.values() if mask.any()]
    order = np.random.default_rng(0).permutation(len(masks))
    drawn = {number: masks[place] for number, place in enumerate(order[:concepts])}
    return Subject(of.maps, of.maxima, of.threshold, [drawn] * len(of.maps), np.zeros(concepts, np.int64))
