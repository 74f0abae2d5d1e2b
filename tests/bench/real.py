"""Real images, labels and activations for the rows: small nets see large sparsity only on real photographs."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from filterscope.operators.activations.quantile import add_to_histogram, empty_histogram, upper_quantile
from filterscope.operators.dissection.masks import MaskBlock, mask_block
from filterscope.pipeline.datasets.layout import Dataset, decode_mask

#: Images of a block, as in an audit.
IMAGE_BLOCK = 64
MASK_SIZE = 112

#: Layers of mobilenet_v2 with 7 x 7, 14 x 14, 28 x 28 and 56 x 56 maps.
MOBILENET_LAYERS = {7: "features.18", 14: "features.13", 28: "features.6", 56: "features.3"}


class RowSkippedError(Exception):
    """A row cannot be measured here; the message says why."""


def data_folder() -> Path:
    """Return the folder of real data, or skip the row."""
    default = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("FILTERSCOPE_TEST_DATA", default))
    if not folder.is_dir():
        raise RowSkippedError(f"no real data at {folder}; set FILTERSCOPE_TEST_DATA")
    return folder


@cache
def coco(*, colors: bool) -> Dataset:
    """Import the 128 COCO images, with or without the 11 colours."""
    from filterscope.pipeline.datasets.coco import import_coco

    folder = Path(mkdtemp(prefix="filterscope-bench-")) / "coco"
    import_coco(data_folder() / "coco128", folder, colors=colors, in_place=True)
    return Dataset(folder)


def image_files() -> list[Path]:
    """Return the JPEG files of the 128 images."""
    dataset = coco(colors=False)
    return [dataset.path(uri) for uri in dataset.images["uri"].to_pylist()]


@cache
def labels(*, colors: bool) -> list[dict[int, np.ndarray]]:
    """Return, for each image, concept -> mask (bool, 112 x 112)."""
    from filterscope.pipeline.views.geometry import Geometry

    dataset, geometry = coco(colors=colors), Geometry("squash", (224, 224), 256, "bilinear")
    heights, widths = (dataset.images[side].to_pylist() for side in ("height", "width"))
    found: list[dict[int, np.ndarray]] = [{} for _ in heights]
    for row in dataset.segments(0, len(found)):
        image = row["image"]
        mask = geometry.mask(decode_mask(row["mask"], heights[image], widths[image]), (MASK_SIZE, MASK_SIZE))
        found[image][row["concept"] - 1] = found[image].get(row["concept"] - 1, False) | mask
    return found


def category_numbers(*, colors: bool) -> np.ndarray:
    """Return the category of each concept as a number."""
    names = coco(colors=colors).concepts["category"].to_pylist()
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def forward(layers: Sequence[str]) -> Callable[[Sequence[Path]], dict[str, np.ndarray]]:
    """Return what decodes images and runs mobilenet_v2 on them, on one thread, as an extracting actor does."""
    import torch

    from filterscope.pipeline.models.model import open_model
    from filterscope.pipeline.models.spec import ModelSpec
    from filterscope.pipeline.models.taps import Taps
    from filterscope.pipeline.models.tensors import normalisation, prepare
    from filterscope.pipeline.views.decode import decode
    from filterscope.pipeline.views.geometry import Geometry

    torch.set_num_threads(1)
    weights = data_folder() / "weights" / "mobilenet_v2-b0353104.pth"
    model = open_model(ModelSpec(f"torchvision:mobilenet_v2@{weights}"))
    module = model.module.to(memory_format=torch.channels_last)
    taps, (mean, std) = Taps(module, tuple(layers), dtype=torch.float16), normalisation(model, "cpu")

    @torch.inference_mode()
    def run(files: Sequence[Path]) -> dict[str, np.ndarray]:
        pixels = decode(list(files), Geometry.of(model.transform, "squash")).pixels
        batches = [pixels[start : start + 16] for start in range(0, len(pixels), 16)]
        parts = [taps(prepare(batch, mean, std, "cpu")) for batch in batches]
        return {layer: np.concatenate([part[layer].numpy() for part in parts]) for layer in layers}

    return run


@cache
def activations() -> dict[int, np.ndarray]:
    """Return float16 maps of mobilenet_v2 on the 128 images, by the side of the map."""
    from filterscope.operators.numerics.half import settle

    maps_of = forward(list(MOBILENET_LAYERS.values()))(image_files())
    found = {side: maps_of[layer] for side, layer in MOBILENET_LAYERS.items()}
    for maps in found.values():
        settle(maps)
    return found


@dataclass(frozen=True)
class Subject:
    """What a dissection reads of one layer: maps, maxima, thresholds and labels."""

    maps: np.ndarray
    maxima: np.ndarray
    threshold: np.ndarray
    labels: Sequence[dict[int, np.ndarray]]
    category: np.ndarray

    @property
    def active(self) -> int:
        """Pairs of a unit and an image whose maximum is above the unit's threshold."""
        return int((self.maxima > self.threshold).sum())

    @property
    def active_cells(self) -> int:
        """Raw values above their unit's threshold."""
        return int((self.maps > self.threshold[:, None, None]).sum())

    def blocks(self, unit_block: int = 64) -> list[tuple[slice, slice, MaskBlock]]:
        """Return image and unit blocks in the order an audit visits them, with the labels of the images."""
        images, units = self.maps.shape[:2]
        spans = [slice(i, min(i + IMAGE_BLOCK, images)) for i in range(0, images, IMAGE_BLOCK)]
        masks = [mask_block(list(self.labels[span]), MASK_SIZE, MASK_SIZE) for span in spans]
        return [
            (span, slice(u, min(u + unit_block, units)), block)
            for u in range(0, units, unit_block)
            for span, block in zip(spans, masks, strict=True)
        ]


def subject(side: int, *, colors: bool, units: int = 0) -> Subject:
    """Return a layer with `side` x `side` maps, at most `units` units of it."""
    maps = np.ascontiguousarray(activations()[side][:, : units or None])
    counts = empty_histogram(maps.shape[1])
    add_to_histogram(counts, maps)
    return Subject(
        maps,
        maps.max(axis=(2, 3)).astype(np.float32),
        upper_quantile(counts, 0.005),
        labels(colors=colors),
        category_numbers(colors=colors),
    )
