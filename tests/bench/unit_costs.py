"""Unit costs for `filterscope estimate`, from the ledgers of audits, and what they project for audits of other sizes.

Every audit runs in a process that audited a few images before: imports and the loading of kernels are no unit costs.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy.optimize import nnls

from filterscope.jobs.cost.projection import Demand, UnitCosts, demands_of, project
from filterscope.pipeline.methods import registry
from tests.bench.dataflow import measured, repeated, source
from tests.bench.row import Row

_IMAGES = 384
_ZOO = {
    "mobilenet_v2": "features.18,features.6",
    "resnet18": "layer4,layer2",
    "resnet50": "layer3",
    "vgg11": "features.10",
}

_GPU_BATCH = 128

#: Networks and layers that the factors were not fitted to, and numbers of images.
_CHECKS = {512: ("resnet34", "layer3"), 1024: ("mobilenet_v2", "features.13")}


def _data(folder: Path, images: int) -> str:
    data = folder / f"data-{images}"
    return str(data if data.exists() else repeated(data, images))


class _Audited:
    """A finished audit: what its stages took by the ledger, and what was asked of each."""

    def __init__(self, folder: Path, model: str, layers: str, images: int) -> None:
        few, data = (_data(folder, count) for count in (16, images))
        self.run = folder / f"{model}-{images}"
        measured("warm_audit", few=few, data=data, model=source(model), layers=layers, out=str(self.run))
        from filterscope.pipeline.run.folder import RunFolder

        self.plan, self.images = RunFolder(self.run).plan(), images
        [self.demand] = demands_of(self.plan, (self.plan.models[0].batch_size,))

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


def _fit(factors: Sequence[Sequence[float]], seconds: Sequence[float]) -> np.ndarray:
    """Fit non-negative factors, every measurement counting the same in relative terms."""
    weight = 1 / np.asarray(seconds)
    return nnls(np.asarray(factors) * weight[:, None], np.ones(len(seconds)))[0]


def _decode_seconds(data: Path) -> float:
    """Time the decoding of a megapixel."""
    from filterscope.pipeline.datasets.layout import Dataset
    from filterscope.pipeline.views.decode import decode
    from filterscope.pipeline.views.geometry import Geometry
    from tests.bench.row import interleaved

    images = Dataset(data).images.slice(0, 64)
    paths = [Dataset(data).path(uri) for uri in images["uri"].to_pylist()]
    [seconds] = interleaved([lambda: decode(paths, Geometry("squash", (224, 224), 256, "bilinear"))], repeats=3)
    return seconds / (np.multiply(*(images[side].to_numpy().astype(float) for side in ("height", "width"))).sum() / 1e6)


def _write_seconds() -> float:
    """Return the seconds to write a megabyte, by the slowest of the measured map sizes."""
    from tests.bench.store import store_write

    rates = [row.value for row in store_write() if row.unit == "MB/s"]
    return 1 / min(rates)


def _factors(folder: Path, audits: Sequence[_Audited]) -> dict[str, float]:
    megabyte = _write_seconds()
    over = [
        (audit.forward - 2e-6 * audit.demand.elements * _IMAGES * megabyte) / (audit.demand.forward * _IMAGES)
        for audit in audits
    ]
    layers = [(audit, layer) for audit in audits for layer in audit.plan.models[0].layers]
    dissect = _fit(
        [(1e-6 * _IMAGES * a.channels * a.height * a.width, _IMAGES * a.channels) for _, a in layers],
        [audit.seconds("dissect")[layer.name] for audit, layer in layers],
    )
    pairs = sum(_IMAGES * audit.demand.units for audit in audits)
    concepts = sum(80 * audit.demand.units for audit in audits)
    tables = sum(audit.bytes("tables") for audit in audits)
    by_concept = sum(audit.bytes("tables/unit_concept") for audit in audits)
    return {
        "masks_image": float(np.median([audit.seconds("masks")[""] / _IMAGES for audit in audits])),
        "decode_megapixel": _decode_seconds(folder / f"data-{_IMAGES}"),
        "extract_over_pass": float(np.median(over)),
        "store_megabyte": megabyte,
        "dissect_melement": dissect[0],
        "dissect_pair": dissect[1],
        "anchorings_pair": sum(sum(audit.seconds("anchorings").values()) for audit in audits) / pairs,
        "significance_pair": sum(sum(audit.seconds("null").values()) for audit in audits) / pairs,
        "stored_byte": sum(audit.bytes("activations.zarr") for audit in audits)
        / sum(2 * audit.demand.elements * _IMAGES for audit in audits),
        "table_pair": (tables - by_concept) / pairs,
        "table_concept": by_concept / concepts,
        **_gpu_factors(audits),
    }


def _gpu_factors(audits: Sequence[_Audited]) -> dict[str, float]:
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
    gflop, melement = _fit([(audit.demand.gflop, audit.demand.melement) for audit in audits], times)
    return {"gpu_gflop": gflop, "gpu_melement": melement}


_UNITS = {"stored_byte": "bytes", "table_pair": "bytes", "table_concept": "bytes"}
_UNITS |= {"gpu_gflop": "GPU seconds", "gpu_melement": "GPU seconds", "extract_over_pass": "times"}


def unit_costs() -> Iterator[Row]:
    """Measure the factors, then compare what they project for two other networks and sizes with what these took."""
    with TemporaryDirectory(prefix="filterscope-bench-") as name:
        folder = Path(name)
        audits = [_Audited(folder, model, layers, _IMAGES) for model, layers in _ZOO.items()]
        found = _factors(folder, audits)
        for factor, value in found.items():
            yield Row(f"unit_cost.{factor}", value, _UNITS.get(factor, "core seconds"))
        for model, audit in zip(_ZOO, audits, strict=True):
            tested = sum(audit.seconds("null").values())
            peer = f"forward passes {audit.forward:.1f}"
            name = f"unit_costs.significance_over_forward.{model}"
            yield Row(name, tested, "core seconds", peer, tested / audit.forward, "<= 1")
        for images, (model, layers) in _CHECKS.items():
            audit = _Audited(folder, model, layers, images)
            yield _check(UnitCosts.of(found), audit, audit.demand)


def _check(costs: UnitCosts, audit: _Audited, demand: Demand) -> Row:
    methods = registry.chosen(["dissection", "anchorings", "significance"])
    asked = {"images": audit.images, "models": 1, "megapixels": 0.0, "concepts": 80, "on_gpu": False}
    projection = project(costs, [demand], methods=methods, **asked)
    stages = "masks", "dissect", "anchorings", "null"
    taken = audit.forward + sum(sum(audit.seconds(stage).values()) for stage in stages)
    projected = sum(projection.core_seconds.values())
    stored = audit.bytes("activations.zarr")
    forward = sum(projection.core_seconds[stage] for stage in ("forward", "store"))
    held = f"activations {projection.activation_bytes / stored:.2f} of {stored / 1e6:.0f} MB"
    peer = f"measured {taken:.1f}; forward {forward:.1f} of {audit.forward:.1f}; {held}"
    return Row(f"unit_costs.check.{audit.images}", projected, "core seconds", peer, projected / taken, "0.8 to 1.2")
