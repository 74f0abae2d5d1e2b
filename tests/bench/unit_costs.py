"""Unit costs for `filterscope estimate`, from the ledgers of audits, and what they project for audits of other sizes.

Every audit runs in a process that audited a few images before: imports and the loading of kernels are no unit costs.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from filterscope.jobs.cost.measure import METHODS, Measured, factors, unit_of
from filterscope.jobs.cost.projection import UnitCosts, project
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

#: Networks and layers that the factors were not fitted to, and numbers of images.
_CHECKS = {512: ("resnet34", "layer3"), 1024: ("mobilenet_v2", "features.13")}


def _data(folder: Path, images: int) -> str:
    data = folder / f"data-{images}"
    return str(data if data.exists() else repeated(data, images))


def _audited(folder: Path, model: str, layers: str, images: int) -> Measured:
    few, data = (_data(folder, count) for count in (16, images))
    run = folder / f"{model}-{images}"
    measured("warm_audit", few=few, data=data, model=source(model), layers=layers, out=str(run))
    return Measured.of(run)


def unit_costs() -> Iterator[Row]:
    """Measure the factors, then compare what they project for two other networks and sizes with what these took."""
    with TemporaryDirectory(prefix="filterscope-bench-") as name:
        folder = Path(name)
        audits = [_audited(folder, model, layers, _IMAGES) for model, layers in _ZOO.items()]
        found = factors(audits)
        for factor, value in found.items():
            yield Row(f"unit_cost.{factor}", value, unit_of(factor))
        for model, audit in zip(_ZOO, audits, strict=True):
            tested = sum(audit.seconds("null").values())
            peer = f"forward passes {audit.forward:.1f}"
            name = f"unit_costs.significance_over_forward.{model}"
            yield Row(name, tested, "core seconds", peer, tested / audit.forward, "<= 1")
        for images, (model, layers) in _CHECKS.items():
            yield _check(UnitCosts.of(found), _audited(folder, model, layers, images))


def _check(costs: UnitCosts, audit: Measured) -> Row:
    methods = registry.chosen(METHODS)
    asked = {"images": audit.images, "models": 1, "megapixels": 0.0, "concepts": 80, "on_gpu": False}
    projection = project(costs, [audit.demand], methods=methods, **asked)
    stages = "masks", "dissect", "anchorings", "null"
    taken = audit.forward + sum(sum(audit.seconds(stage).values()) for stage in stages)
    projected = sum(projection.core_seconds.values())
    stored = audit.bytes("activations.zarr")
    forward = sum(projection.core_seconds[stage] for stage in ("forward", "store"))
    held = f"activations {projection.activation_bytes / stored:.2f} of {stored / 1e6:.0f} MB"
    peer = f"measured {taken:.1f}; forward {forward:.1f} of {audit.forward:.1f}; {held}"
    return Row(f"unit_costs.check.{audit.images}", projected, "core seconds", peer, projected / taken, "0.8 to 1.2")
