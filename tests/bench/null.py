"""A row about what the stage `null` costs beside what it did before labels were measured on folds of the images."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from filterscope.operators.statistics.permutation import LEFT_OUT, Strata, add_intersections, iou_of
from filterscope.operators.statistics.place import add_shifted, random_shifts
from filterscope.operators.statistics.replication import overlaps, random_words
from filterscope.pipeline.engine.keys import blocks
from filterscope.pipeline.methods.dissection.annotated import AnnotatedBlock, Maps
from filterscope.pipeline.methods.significance.null import PERMUTATIONS, SHIFTS, find_null
from filterscope.pipeline.methods.tasks import BlockTask
from tests.bench.dataflow import source
from tests.bench.real import MASK_SIZE, data_folder
from tests.bench.row import Row, interleaved
from tests.bench.staged import staged

_SAMPLES = 1000
#: 7 x 7 and 56 x 56 maps: labels and pixels cost the most.
_LAYERS = {"7x7": "features.18", "56x56": "features.3"}


#: 16-bit fractions below which a Poisson number of mean 1 is at most 0, 1, 2, ...
_CUMULATIVE = np.cumsum(np.exp(-1.0) / np.cumprod([1, 1, 2, 3, 4, 5, 6, 7, 8])) * 65536


def _poisson(start: int, stop: int) -> np.ndarray:
    fractions = random_words(0, start, stop, _SAMPLES // 4).astype("<u8", copy=False).view("<u2")
    return np.searchsorted(_CUMULATIVE, fractions, side="right").astype(np.uint8)


def null_over_before() -> Iterator[Row]:
    """Compare the stage with the one before it on 250 photographs of clothes, in processor time."""
    from filterscope.jobs.config.audit import load_config
    from filterscope.jobs.runs.audit import audit
    from filterscope.pipeline.datasets.masks import import_masks
    from filterscope.pipeline.run.folder import RunFolder

    with TemporaryDirectory(prefix="filterscope-bench-") as place:
        data, out = Path(place) / "data", Path(place) / "run"
        import_masks(data_folder() / "ccp250", data, in_place=True)
        model = {"source": source("mobilenet_v2"), "layers": list(_LAYERS.values())}
        audit(load_config(data=data, out=out, models=[model], metrics="dissection,significance", keep_activations=True))
        tasks = [work.task for work in staged(RunFolder(out).plan(), "null")[1]]
        for side, layer in _LAYERS.items():
            own = [task for task in tasks if task.layer.name == layer]
            now, before = interleaved([lambda own=own: [find_null(task) for task in own], lambda own=own: _before(own)])
            peer = f"two passes, 1,000 bootstrap samples: {before:.2f} s"
            yield Row(f"null_over_before.{side}", now, "processor s", peer, now / before, "<= 2")


def _before(tasks: list[BlockTask]) -> None:
    """Do what the stage did: every permutation and two folds in one pass, then overlaps, bootstrap and shifts.

    Made of the operators that it used, as they are now; what it wrote, and the choices of folds, are left out.
    """
    for task in tasks:
        block = AnnotatedBlock(task)
        views, fold = block.decoded, np.arange(len(block.image)) % 2
        strata, draws = Strata(views, block.image[views], block.kinds[views]), PERMUTATIONS + 2
        source = np.full((draws, len(fold)), LEFT_OUT, np.int32)
        for number in range(PERMUTATIONS):
            source[number, views] = strata.permuted(number)[views]
        for number in (0, 1):
            own = views[fold[views] == number]
            source[PERMUTATIONS + number, own] = own
        intersection = np.zeros((draws, len(block.eligible), block.units), np.int64)
        activated = np.zeros((block.categories, block.units), np.int64)
        for part in _parts(block):
            drawn, area = block.activated(part, block.threshold)
            add_intersections(intersection, drawn, block.masks, block.slot, source[:, part.views])
            activated += block.kinds[part.views].T.astype(np.int64) @ area
        labelled = np.bincount(block.masks.concept, block.masks.area, len(block.category)).astype(np.int64)
        iou = iou_of(intersection, activated[block.category[block.eligible]], labelled[block.eligible, None])
        _follow(block, block.named(iou[-2:].sum(axis=0).argmax(axis=0)))


def _follow(block: AnnotatedBlock, label: np.ndarray) -> None:
    samples = np.zeros((2, _SAMPLES, block.units), np.int64)
    shifted = np.zeros((SHIFTS, block.units), np.int64)
    for part in _parts(block):
        views = part.views
        drawn, area = block.activated(part, block.threshold)
        weights = _poisson(int(views[0]), int(views[-1]) + 1)[views - views[0]].T.astype(np.float64)
        # on each image the concept that the other fold chose; and once more the label
        held_out, common = (overlaps(drawn, block.masks, views, np.broadcast_to(label, area.shape)) for _ in range(2))
        for number, values in enumerate((held_out, area + common)):
            samples[number] += (weights @ values.astype(np.float64)).astype(np.int64)
        shifts = random_shifts(0, int(views[0]), int(views[-1]) + 1, SHIFTS, (MASK_SIZE, MASK_SIZE))[views - views[0]]
        add_shifted(shifted, drawn, block.masks, views, label, MASK_SIZE, shifts)
    np.quantile(samples[0] / np.maximum(samples[1], 1), [0.025, 0.975], axis=0)


def _parts(block: AnnotatedBlock) -> Iterator[Maps]:
    """Read maxima and maps in every pass."""
    plan, units = block.task.plan, slice(block.task.start, block.task.stop)
    for _, start, stop in blocks("images", plan.view_count, plan.options.image_block):
        views = block.decoded[slice(*np.searchsorted(block.decoded, (start, stop)))]
        if len(views):
            maxima = block.store.read_maxima(start, stop, units).astype(np.float32)
            yield Maps(views, maxima[views - start], block.store.read(start, stop, units)[views - start])
