"""Unit costs for `estimate`, measured: what the stages of small audits took by their ledgers, over what was asked of them."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np
from scipy.optimize import nnls

from filterscope.jobs.cost.machine import machine
from filterscope.jobs.cost.projection import Demand, demands_of
from filterscope.pipeline.run.plan import Plan

#: Networks with random weights that are audited, and layers of them: deep and early, dense and depthwise.
ZOO = {
    "torchvision:mobilenet_v2@random:0": "features.18,features.6",
    "torchvision:resnet18@random:0": "layer4,layer2",
    "torchvision:resnet50@random:0": "layer3",
    "torchvision:vgg11@random:0": "features.10",
}
#: Images of the sample that they are audited on, and of the audit before it, which imports and compiles.
IMAGES, FEW = 96, 16
METHODS = ("dissection", "anchorings", "significance")

_GPU_BATCH = 128
_DECODED, _BLOCK, _REPEATS = 64, 64, 5
#: Units, images and attributes; views, units and classes, of what methods are timed on.
_OF_ATTRIBUTES, _OF_A_HEAD = (64, 1000, 10), (500, 200, 8)
#: Strokes, and their side in pixels; images, codes and factors.
_OF_SHAPES, _OF_CODES = (64, 28), (1000, 16, 6)
#: Views, filters and side of a map that templates are grown of, and side of the input.
_OF_PARTS = (8, 64, 13, 224)
_UNITS = {"stored_byte": "bytes", "table_pair": "bytes", "table_concept": "bytes"}
_UNITS |= {"gpu_gflop": "GPU seconds", "gpu_melement": "GPU seconds", "extract_over_pass": "times"}


@dataclass(frozen=True)
class Measured:
    """A finished audit, in a process that had audited before."""

    run: Path
    plan: Plan
    demand: Demand

    @classmethod
    def of(cls, run: Path) -> "Measured":
        """Read the plan of a run of one network, and count what it asks for."""
        from filterscope.pipeline.run.folder import RunFolder

        plan = RunFolder(run).plan()
        [demand] = demands_of(plan, (plan.models[0].batch_size,))
        return cls(run, plan, demand)

    @property
    def images(self) -> int:
        """Images of its data set."""
        return self.plan.views.image_count

    def seconds(self, stage: str) -> dict[str, float]:
        """Return the processor seconds of a stage by layer; all layers of an image block are extracted together."""
        found: dict[str, float] = defaultdict(float)
        for path in (self.run / "ledger" / stage).rglob("*.json"):
            record: dict[str, Any] = json.loads(path.read_bytes())
            found[record["key"].split("/")[2] if stage != "masks" else ""] += record["core_seconds"]
        return found

    @property
    def forward(self) -> float:
        """Seconds of forward passes and writing."""
        return max(self.seconds("extract").values())

    def bytes(self, name: str) -> int:
        """Return the bytes of all files under a folder of the run."""
        return sum(file.stat().st_size for file in (self.run / name).rglob("*") if file.is_file())


def measure(tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Audit the networks of `ZOO` on a drawn sample, and return what one of everything cost; takes minutes.

    Parameters
    ----------
    tell : callable
        Receives a line for each network.

    Returns
    -------
    list of dict
        Rows of a ``bench.json``: name, value, unit, machine.
    """
    from filterscope.jobs.config.audit import load_config
    from filterscope.jobs.runs.audit import audit
    from filterscope.pipeline.datasets.sample import draw_sample

    with TemporaryDirectory(prefix="filterscope-costs-") as name:
        folder, audits = Path(name), []
        for count in (FEW, IMAGES):
            draw_sample(folder / f"data-{count}", images=count)
        for number, (source, layers) in enumerate(ZOO.items(), start=1):
            tell(f"measuring unit costs, {number} of {len(ZOO)}: {source} on {IMAGES} images")
            for count in (FEW, IMAGES):
                audit(
                    load_config(
                        data=folder / f"data-{count}", out=folder / f"{number}-{count}", models=[source], layers=layers,
                        methods=METHODS, min_images=1, actors=0,
                    )
                )  # fmt: skip
            audits.append(Measured.of(folder / f"{number}-{IMAGES}"))
        return rows_of(factors(audits))


def rows_of(found: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return factors as rows of a ``bench.json``."""
    return [
        {"name": f"unit_cost.{name}", "value": float(value), "unit": unit_of(name), "machine": machine()}
        for name, value in found.items()
    ]


def unit_of(name: str) -> str:
    """Return what a factor is measured in."""
    return _UNITS.get(name, "core seconds")


def factors(audits: Sequence[Measured]) -> dict[str, float]:
    """Return the factors that explain what audits took; each audit has the same relative weight."""
    megabyte = max(_write_seconds(audit) for audit in audits)
    over = [
        (audit.forward - 2e-6 * audit.demand.elements * audit.images * megabyte) / (audit.demand.forward * audit.images)
        for audit in audits
    ]
    layers = [(audit, layer) for audit in audits for layer in audit.plan.models[0].layers]
    dissect = fit(
        [
            (1e-6 * a.images * layer.channels * layer.height * layer.width, a.images * layer.channels)
            for a, layer in layers
        ],
        [audit.seconds("dissect")[layer.name] for audit, layer in layers],
    )
    pairs = sum(audit.images * audit.demand.units for audit in audits)
    concepts = sum(_concepts(audit) * audit.demand.units for audit in audits)
    tables = sum(audit.bytes("tables") for audit in audits)
    by_concept = sum(audit.bytes("tables/unit_concept") for audit in audits)
    return {
        "masks_image": float(np.median([audit.seconds("masks")[""] / audit.images for audit in audits])),
        "decode_megapixel": _decode_seconds(audits[0].plan.data),
        "extract_over_pass": float(np.median(over)),
        "store_megabyte": megabyte,
        "dissect_melement": dissect[0],
        "dissect_pair": dissect[1],
        "anchorings_pair": sum(sum(audit.seconds("anchorings").values()) for audit in audits) / pairs,
        "significance_pair": sum(sum(audit.seconds("null").values()) for audit in audits) / pairs,
        "stored_byte": sum(audit.bytes("activations.zarr") for audit in audits)
        / sum(2 * audit.demand.elements * audit.images for audit in audits),
        "table_pair": (tables - by_concept) / pairs,
        "table_concept": by_concept / concepts,
        "attribute_pair": _attribute_seconds(),
        "head_gflop": _head_seconds(),
        "code_shape": _shape_seconds(),
        "code_pair": _association_seconds(),
        **_part_factors(),
        **_gpu_factors(audits),
    }


def fit(counts: Sequence[Sequence[float]], seconds: Sequence[float]) -> np.ndarray:
    """Fit non-negative factors (float64, shape (factors,)), every measurement counting the same in relative terms."""
    weight = 1 / np.asarray(seconds)
    return nnls(np.asarray(counts) * weight[:, None], np.ones(len(seconds)))[0]


def _concepts(audit: Measured) -> int:
    from filterscope.pipeline.datasets.layout import Dataset

    return Dataset(audit.plan.data).rows("concepts")


def _shortest(run: Callable[[], object]) -> float:
    """Return the least processor seconds of some calls; a first one fills caches."""
    times = []
    for _ in range(_REPEATS + 1):
        began = process_time()
        run()
        times.append(process_time() - began)
    return min(times[1:])


def _decode_seconds(data: Path) -> float:
    """Time the decoding of a megapixel."""
    from filterscope.pipeline.datasets.layout import Dataset
    from filterscope.pipeline.views.decode import decode
    from filterscope.pipeline.views.geometry import Geometry

    dataset = Dataset(data)
    images = dataset.images.slice(0, _DECODED)
    paths = dataset.files(range(images.num_rows))
    seconds = _shortest(lambda: decode(paths, Geometry("squash", (224, 224), 256, "bilinear")))
    return seconds / (np.multiply(*(images[side].to_numpy().astype(float) for side in ("height", "width"))).sum() / 1e6)


def _write_seconds(audit: Measured) -> float:
    """Time the writing of a megabyte of a network's activations, of the layer that takes longest."""
    from filterscope.pipeline.stores.activations import ActivationStore

    [model] = audit.plan.models
    views, found = min(_BLOCK, audit.plan.view_count), []
    for layer in model.layers:
        maps = ActivationStore(audit.run, model.name, layer.name).read(0, views, slice(0, layer.channels))
        maxima = maps.max(axis=(2, 3))
        with TemporaryDirectory(prefix="filterscope-costs-") as folder:
            store = ActivationStore(Path(folder), model.name, layer.name)
            store.create(views, *maps.shape[1:], image_block=_BLOCK, unit_block=_BLOCK)
            write = store.write
            found.append(_shortest(lambda: write(0, maps, maxima)) / (1e-6 * maps.nbytes))  # noqa: B023
    return max(found)


def _attribute_seconds() -> float:
    """Time the comparison of units with attributes on random numbers, for a unit, an image and an attribute."""
    from filterscope.operators.attributes.separability import separability
    from filterscope.pipeline.methods.unit_attribute.stage import PERMUTATIONS

    units, images, attributes = _OF_ATTRIBUTES
    random = np.random.default_rng(0)
    responses = random.random((units, images), np.float32)
    values, group = random.integers(0, 2, (images, attributes), np.int8), np.arange(images)
    seconds = _shortest(lambda: separability(responses, values, group, range(PERMUTATIONS)))
    return seconds / (units * images * attributes)


def _head_seconds() -> float:
    """Time making and factoring the Hessian of a head, for 1e9 operations."""
    from threadpoolctl import threadpool_limits

    from filterscope.operators.influence.head import Data, train
    from filterscope.operators.influence.hessian import Hessian

    views, units, classes = _OF_A_HEAD
    random = np.random.default_rng(0)
    data = Data.of(random.normal(size=(views, units)), np.arange(views) % classes, classes)
    head, count = train(data, 1.0), (classes - 1) * (units + 1)
    with threadpool_limits(1):
        seconds = _shortest(lambda: Hessian(data, head, 0.01).factor)
    return seconds / (1e-9 * (classes * (classes - 1) * views * (units + 1) ** 2 + count**3 / 3))


def _shape_seconds() -> float:
    """Time measuring the shape of strokes, for a thousand pixels of an image."""
    from filterscope.operators.codes.morphometry import morphometry

    count, side = _OF_SHAPES
    across = np.linspace(-1, 1, side)
    radius = np.hypot(across, across[:, None])[None] - np.linspace(0.4, 0.7, count)[:, None, None]
    rings = np.clip(3 - 20 * abs(radius), 0, 1)  # a curve of three pixels, as a digit has it
    return _shortest(lambda: morphometry(rings)) / (count * side**2 / 1e3)


def _association_seconds() -> float:
    """Time the comparison of codes with factors on random numbers, for an image, a code and a factor."""
    from threadpoolctl import threadpool_limits

    from filterscope.operators.codes.dependence import association, partial_spearman
    from filterscope.operators.codes.scores import scores

    images, count, factors = _OF_CODES
    random = np.random.default_rng(0)
    codes, values = (random.normal(size=(images, n)) for n in (count, factors))
    named = np.zeros(factors, bool)

    def compare() -> None:
        association(codes, values, 0)
        partial_spearman(codes, values)
        for _ in ("codes", "rotated codes"):
            scores(codes, values, named, 0)

    with threadpool_limits(1):
        return _shortest(compare) / (images * count * factors)


def _part_factors() -> dict[str, float]:
    """Time And-Or graphs on random numbers: a million responses, a million places of patterns, and a pattern on a view."""
    from filterscope.operators.and_or.growing import grow
    from filterscope.operators.and_or.parsing import parse
    from filterscope.operators.and_or.responses import LayerResponses, standardise, usual_sums
    from filterscope.operators.localization.patches import Lattice

    views, channels, cells, side = _OF_PARTS
    stride = side / cells
    maps = np.random.default_rng(0).normal(size=(views, channels, cells, cells)).astype(np.float32)
    response = standardise(maps, np.zeros(channels), np.ones(channels))
    lattice = Lattice((stride / 2,) * 2, (stride,) * 2)
    layer = LayerResponses(response, np.zeros(response.shape[1:]), lattice)
    down, right = layer.reach(side)
    rows, part, seen = np.zeros(1, np.int64), np.full((1, 2), side / 2), np.arange(views)
    usual = _shortest(lambda: usual_sums(response, (down, right), (8.0, 8.0)))
    grown = _shortest(lambda: grow([layer], rows, part, side))
    template = grow([layer], rows, part, side)
    parsed = _shortest(lambda: parse(template, [layer], seen, (side, side)))
    places = channels * cells**2 * (2 * down + 1) * (2 * right + 1)
    return {
        "usual_melement": usual / (1e-6 * response.size),
        "grow_mmove": grown / (1e-6 * places),
        "parse_pattern": parsed / (template.count * views),
    }


def _gpu_factors(audits: Sequence[Measured]) -> dict[str, float]:
    """Time the networks on the GPU of this machine; nothing where there is none."""
    import torch

    if not torch.cuda.is_available():
        return {}
    from filterscope.pipeline.models.model import open_model
    from filterscope.pipeline.models.timing import seconds_an_image

    times = []
    for audit in audits:
        [model] = audit.plan.models
        layers = [layer.name for layer in model.layers]
        times.append(seconds_an_image(open_model(model.spec), layers, (_GPU_BATCH,), "cuda")[_GPU_BATCH])
    gflop, melement = fit([(audit.demand.gflop, audit.demand.melement) for audit in audits], times)
    return {"gpu_gflop": gflop, "gpu_melement": melement}


def saved(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows into a ``bench.json``; other rows that it has stay."""
    named = {row["name"] for row in rows}
    kept = [row for row in json.loads(path.read_text()) if row["name"] not in named] if path.exists() else []
    path.write_text(json.dumps([*kept, *rows], indent=1) + "\n")


__all__ = ["Measured", "factors", "measure", "rows_of", "saved", "unit_of"]
