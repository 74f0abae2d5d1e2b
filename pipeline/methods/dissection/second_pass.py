"""The two passes of network dissection over the images of a block of units.

The first gives thresholds and the strongest images; the second, which needs the thresholds, tallies. Both take image blocks
one after the other; what is left of different images merges, so that they may run over parts of the data set.
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from filterscope.operators.activations.histogram import binned
from filterscope.operators.activations.quantile import Moments, fraction_above, moments, upper_quantile
from filterscope.operators.activations.strongest import Strongest
from filterscope.operators.dissection.activated import add_drawn_to_tally
from filterscope.operators.dissection.masks import MaskBlock
from filterscope.operators.dissection.tally import Tally, add_to_tally, half_values
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.methods.dissection.anchors import axes_of, survey_drawing
from filterscope.pipeline.methods.dissection.concepts import Vocabulary
from filterscope.pipeline.methods.dissection.options import DissectionOptions, mask_size
from filterscope.pipeline.methods.tasks import BlockTask
from filterscope.schemas.results import TABLES

#: Images a unit keeps in `unit_image` when the run asks for `top`.
_TOP_ROWS = 1000

#: Bins of a unit's histogram.
HISTOGRAM_BINS = 48


def kept_images(options: DissectionOptions) -> int:
    """Return how many of a unit's strongest images the second pass needs to know."""
    return max(options.top_images, _TOP_ROWS if options.unit_image == "top" else 0)


@dataclass(frozen=True)
class Statistics:
    """What the first pass finds of U units.

    Attributes
    ----------
    threshold : float32 ndarray of shape (U,)
        T, as it is compared with stored values.
    moments : Moments
        Of all activations.
    count : int64 ndarray of shape (U,)
        Activations.
    activated_fraction : float64 ndarray of shape (U,)
        Share of activations above T.
    strongest : Strongest
        Images of largest maximum.
    histogram : int64 ndarray of shape (U, HISTOGRAM_BINS)
        Activations in equal bins from the smallest to the largest.
    """

    threshold: np.ndarray
    moments: Moments
    count: np.ndarray
    activated_fraction: np.ndarray
    strongest: Strongest
    histogram: np.ndarray

    @classmethod
    def of(cls, counts: np.ndarray, strongest: Strongest, quantile: float) -> "Statistics":
        """Take them from the histogram of all images, int64 of shape (U, 65536)."""
        threshold = upper_quantile(counts, quantile)
        found = moments(counts)
        histogram = binned(counts, found.minimum, found.maximum, HISTOGRAM_BINS)
        return cls(threshold, found, counts.sum(axis=1), fraction_above(counts, threshold), strongest, histogram)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return them as named arrays."""
        return {
            "threshold": self.threshold,
            "count": self.count,
            "activated_fraction": self.activated_fraction,
            **vars(self.moments),
            "top_image": self.strongest.image,
            "top_maximum": self.strongest.maximum,
            "histogram": self.histogram,
        }

    @classmethod
    def of_arrays(cls, found: dict[str, np.ndarray]) -> "Statistics":
        """Return what `arrays` named."""
        return cls(
            found["threshold"],
            Moments(*(found[name] for name in ("minimum", "maximum", "mean", "standard_deviation"))),
            found["count"],
            found["activated_fraction"],
            Strongest(found["top_image"], found["top_maximum"]),
            found["histogram"],
        )


@dataclass
class SecondPass:
    """Tallies a block of units.

    Attributes
    ----------
    tally : Tally
        Of the images added so far.
    top_maps : dict
        Raw maps of the top images that were met, by (place of the unit in the block, image).
    """

    task: BlockTask
    statistics: Statistics
    top_maps: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        task, plan = self.task, self.task.plan
        self.units = np.arange(task.start, task.stop)
        self._views, vocabulary = plan.views, Vocabulary.of(Dataset(plan.data))
        self._category, self._half = vocabulary.category, half_values()
        self._axes = axes_of(plan, task.model, task.layer)
        survey = plan.of(DissectionOptions).mask_mode == "survey"
        self._draw = survey_drawing(plan, task.model, task.layer) if survey else None
        self.tally = Tally.empty(
            len(self.units), len(vocabulary.names), len(vocabulary.categories), mask_size(plan, task.model)
        )

    def add(self, images: np.ndarray, maxima: np.ndarray, maps: np.ndarray, masks: MaskBlock) -> pa.Table:
        """Tally n views and return their rows of `unit_image`; views of one source image must come together.

        Parameters
        ----------
        images : int64 ndarray of shape (n,)
            Numbers of the views, ascending.
        maxima : float32 ndarray of shape (n, U)
            Maximum of each map.
        maps : float16 ndarray of shape (n, U, height, width)
            Raw maps.
        masks : MaskBlock
            Labels of the same images.
        """
        activated = self._tally(maps, maxima, masks, self._views.image[images])
        self._keep_top_maps(images, maps)
        return self._unit_image_rows(images, maxima, maps, activated)

    def _tally(self, maps: np.ndarray, maxima: np.ndarray, masks: MaskBlock, image: np.ndarray) -> np.ndarray:
        threshold = self.statistics.threshold
        if self._draw is not None:
            drawn = self._draw(maps, maxima, threshold)
            return add_drawn_to_tally(self.tally, drawn, masks, self._category, image)
        return add_to_tally(self.tally, maps, maxima, threshold, masks, self._category, *self._axes, self._half, image)

    def _keep_top_maps(self, images: np.ndarray, maps: np.ndarray) -> None:
        top = self.statistics.strongest.image[:, : self.task.plan.of(DissectionOptions).top_images]
        for unit, place in zip(*np.nonzero(np.isin(top, images)), strict=True):
            image = int(top[unit, place])
            here = int(np.searchsorted(images, image))
            self.top_maps[int(unit), image] = maps[here, unit].astype("<f2").tobytes()

    def _unit_image_rows(
        self, images: np.ndarray, maxima: np.ndarray, maps: np.ndarray, activated: np.ndarray
    ) -> pa.Table:
        mode = self.task.plan.of(DissectionOptions).unit_image
        chosen = maxima > self.statistics.threshold
        if mode == "off":
            chosen[:] = False
        elif mode == "top":
            strongest = self.statistics.strongest.image
            chosen &= np.stack([np.isin(images, row[:_TOP_ROWS]) for row in strongest], axis=1)
        image, unit = np.nonzero(chosen)
        position = maps[image, unit].reshape(len(image), -1).argmax(axis=1) if len(image) else np.zeros(0, np.int64)
        width = self.task.layer.width
        return self.rows(
            "unit_image",
            unit,
            image=self._views.image[images[image]],
            view=images[image].astype(np.int32),
            maximum=self.natural(maxima[image, unit]),
            y=(position // width).astype(np.uint16),
            x=(position % width).astype(np.uint16),
            activated=activated[image, unit],
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what the images added so far left, as named arrays."""
        place = np.array(list(self.top_maps), np.int64).reshape(-1, 2)
        top_maps = np.frombuffer(b"".join(self.top_maps.values()), np.uint8).reshape(
            len(place), -1 if len(place) else 0
        )
        tally = {name: getattr(self.tally, name) for name in ("pairs", "categories", "planes")}
        if self.tally.lost.shape[1]:
            tally["lost"] = self.tally.lost
        return {**tally, "top_place": place, "top_maps": top_maps}

    def merge(self, found: dict[str, np.ndarray]) -> None:
        """Add what other images left."""
        lost = found.get("lost", self.tally.lost[:, :0])
        self.tally += Tally(found["pairs"], found["categories"], found["planes"], self.tally.columns, lost)
        for (unit, image), values in zip(found["top_place"].tolist(), found["top_maps"], strict=True):
            self.top_maps[unit, image] = values.tobytes()

    def natural(self, values: np.ndarray) -> np.ndarray:
        """Undo the activation scale, a power of two."""
        return values / values.dtype.type(self.task.plan.options.activation_scale)

    def rows(self, table: str, unit: np.ndarray, **columns: object) -> pa.Table:
        """Return rows of a table about units, int64 by their place in the block."""
        count = len(unit)
        named = {
            "model": pa.array([self.task.model.name] * count, pa.string()),
            "layer": pa.array([self.task.layer.name] * count, pa.string()),
            "unit": self.units[unit].astype(np.int32),
        }
        return pa.table({**named, **columns}, schema=TABLES[table])
