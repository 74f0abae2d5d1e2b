"""The verb `estimate`: what an audit of any size would cost, from measured unit costs; nothing is computed.

The model is linear. A core spends, for every image and network, a time proportional to the megapixels it decodes, to the
elements it stores and reads back, and to the (unit, image) pairs it tallies. The factors are rows ``unit_cost.*`` of a
``bench.json``: of the one that comes with the package, or of one's own, which ``estimate --measure`` writes by auditing
a few networks; what a method does with its factors is its own `Cost`. The forward passes of the networks that are asked
for are timed on the spot: no count of operations tells a depthwise network's time from a dense one's. For GPUs, which
need not be in this machine, they are projected from operations and elements.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from filterscope.jobs.cost.machine import machine
from filterscope.jobs.cost.price import paid
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods import registry
from filterscope.pipeline.methods.method import Cost, Method, Size

if TYPE_CHECKING:
    from filterscope.jobs.config.audit import AuditConfig
    from filterscope.pipeline.run.plan import Plan

#: CPU cores that serve one GPU, unless stated.
CORES_PER_GPU = 16

#: Unit costs that come with the package, and where one's own are by default.
SHIPPED, OWN = Path(__file__).with_name("unit_costs.json"), Path("bench.json")

_HOUR = 3600.0
_PREFIX = "unit_cost."


@dataclass(frozen=True)
class UnitCosts:
    """Measured factors: seconds of one core for one of what is named, or bytes of one.

    Attributes
    ----------
    masks_image : float
        Rasterising the labels of an image.
    decode_megapixel : float
        Decoding and resizing a megapixel.
    extract_over_pass : float
        Extracting an image, without decoding and writing, over a bare forward pass: conversions and cold caches.
    store_megabyte : float
        Writing 1e6 bytes of activations.
    stored_byte, table_pair, table_concept : float
        Bytes on disk for a byte of activations, for a (unit, image) pair, and for a (unit, concept) pair.
    gpu_gflop, gpu_melement : float, optional
        A forward pass on a GPU: 1e9 floating-point operations, and 1e6 elements of all outputs; None if the bench saw none.
    factors : mapping of str to float
        Those of methods, by the names that their `Cost` states.
    machine : str
        The processor that they were measured on; empty if it is not known.
    """

    masks_image: float
    decode_megapixel: float
    extract_over_pass: float
    store_megabyte: float
    stored_byte: float
    table_pair: float
    table_concept: float
    gpu_gflop: float | None = None
    gpu_melement: float | None = None
    factors: Mapping[str, float] = field(default_factory=dict)
    machine: str = ""

    @classmethod
    def of(cls, values: Mapping[str, float], machine: str = "") -> "UnitCosts":
        """Make them of values by their names; what is no factor of the run itself is one of a method."""
        own = {name: value for name, value in values.items() if name in _own_factors()}
        return cls(**own, factors={name: value for name, value in values.items() if name not in own}, machine=machine)

    @classmethod
    def read(cls, path: Path, methods: Iterable[Method] = ()) -> "UnitCosts":
        """Read the rows ``unit_cost.*`` of a ``bench.json``, with the factors of methods.

        Raises
        ------
        InputError
            If the file or one of the rows that are needed is missing.
        """
        advice = "`--measure` measures them on this machine and writes them there"
        try:
            read = json.loads(path.read_text())
            rows = {row["name"]: float(row["value"]) for row in read}
            machines = {str(row.get("machine", "")) for row in read if row["name"].startswith(_PREFIX)}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"no unit costs in {path} ({error}); {advice}") from None
        needed = [*_own_factors(), *(name for method in methods if method.cost for name in method.cost.factors)]
        found = {name: rows[_PREFIX + name] for name in needed if _PREFIX + name in rows}
        lacking = [name for name in needed if name not in found and not name.startswith("gpu_")]
        if lacking:
            raise InputError(f"{path} has no rows {', '.join(_PREFIX + name for name in lacking)}; {advice}")
        return cls.of(found, " and ".join(sorted(machines - {""})))


def costs_file(stated: Path | None) -> Path:
    """Return the file of unit costs: the one that is stated, else ``bench.json`` here if it has any, else the package's."""
    if stated is not None:
        return stated
    return OWN if OWN.is_file() and _PREFIX in OWN.read_text(errors="replace") else SHIPPED


def _own_factors() -> list[str]:
    return [one.name for one in fields(UnitCosts) if one.name not in ("factors", "machine")]


@dataclass(frozen=True)
class Demand:
    """What one network asks for, for one view unless stated.

    Attributes
    ----------
    forward : float
        CPU seconds of a forward pass to the deepest audited layer; 0 where GPUs run it.
    gflop, melement : float
        1e9 floating-point operations, and 1e6 elements of all outputs, of that pass.
    elements : int
        Elements of the layers that are audited.
    units : int
        Units of these layers.
    activation_bytes : float
        Bytes of the activations that are stored, before compression.
    other_bytes : mapping of str to float
        The same of what else stages may write beside tables, by stage.
    """

    forward: float
    gflop: float
    melement: float
    elements: int
    units: int
    activation_bytes: float
    other_bytes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Projection:
    """Core seconds of each stage, GPU seconds (None if they are not known), and bytes; those beside tables also by stage."""

    core_seconds: dict[str, float]
    gpu_seconds: float | None
    activation_bytes: float
    largest_model_bytes: float
    table_bytes: float
    other_bytes: dict[str, float] = field(default_factory=dict)

    def hours(self, cores: int, gpus: int) -> float | None:
        """Return the wall time in hours if cores and GPUs work side by side, None if it is not known."""
        if gpus and self.gpu_seconds is None:
            return None
        on_gpus = (self.gpu_seconds or 0.0) / gpus if gpus else 0.0
        return max(sum(self.core_seconds.values()) / cores, on_gpus) / _HOUR


def project(
    costs: UnitCosts, demands: Sequence[Demand], *, images: int, models: int, megapixels: float, concepts: int,
    methods: Iterable[Method], on_gpu: bool, views: int | None = None, masks: bool = True, plan: "Plan | None" = None,
) -> Projection:  # fmt: skip
    """Project the cost of an audit.

    Parameters
    ----------
    costs : UnitCosts
        Measured factors.
    demands : sequence of Demand
        Of the networks that are known; `models` networks like these are projected.
    images, models, concepts : int
        How many there are.
    megapixels : float
        Mean size of an image file.
    methods : iterable of Method
        Those that work; what has no `Cost` is not projected.
    on_gpu : bool
        Whether forward passes run on GPUs.
    views : int, optional
        Views of the images; by default one each.
    masks : bool
        Whether a stage rasterises labels.
    plan : Plan, optional
        The plan of the demands, for methods whose cost depends on options, classes or attributes.
    """
    views = images if views is None else views
    share = views * models / len(demands)
    gflop, melement = (share * sum(getattr(demand, name) for demand in demands) for name in ("gflop", "melement"))
    elements, pairs = (share * sum(getattr(demand, name) for demand in demands) for name in ("elements", "units"))
    activations = share * sum(demand.activation_bytes for demand in demands)
    others = {name: share * sum(d.other_bytes.get(name, 0) for d in demands) for d in demands for name in d.other_bytes}
    decode = views * models * megapixels * costs.decode_megapixel
    forward = 0.0 if on_gpu else share * sum(demand.forward for demand in demands) * costs.extract_over_pass
    seconds = {
        "masks": images * costs.masks_image if masks else 0.0,
        "decode": decode,
        "forward": forward,
        "store": 1e-6 * (activations + sum(others.values())) * costs.store_megabyte,
    }
    size, passes, networks = Size(views * models, elements, pairs), 1.0, models / len(demands)
    for method in methods:
        if method.cost:
            own, drawn = _planned(method.cost, costs, plan, views)
            passes += method.cost.passes + drawn / views
            again = {method.name: decode + method.cost.passes * forward} if method.cost.passes else {}
            seconds |= {**method.cost.seconds(costs.factors, size), **again}
            bare = 0.0 if on_gpu else drawn * sum(demand.forward for demand in demands)
            own[method.name] = own.get(method.name, 0.0) + bare
            seconds |= {name: networks * value for name, value in own.items() if value}
    gpu = on_gpu and costs.gpu_gflop is not None and costs.gpu_melement is not None
    return Projection(
        {name: value for name, value in seconds.items() if value},
        passes * (gflop * (costs.gpu_gflop or 0) + melement * (costs.gpu_melement or 0)) if gpu else None,
        activations * costs.stored_byte,
        views * max(demand.activation_bytes for demand in demands) * costs.stored_byte,
        pairs * costs.table_pair + pairs / views * concepts * costs.table_concept,
        {name: count * costs.stored_byte for name, count in others.items()},
    )


def _planned(cost: Cost, costs: UnitCosts, plan: "Plan | None", views: int) -> tuple[dict[str, float], float]:
    """Return the core seconds of all networks of a plan that follow from it, and the passes through each on drawn views."""
    if plan is None:
        return {}, 0.0
    seconds = dict(cost.planned(costs.factors, plan, views)) if cost.planned else {}
    return seconds, cost.drawn(plan) if cost.drawn else 0.0


def demands_of(plan: "Plan", batch_sizes: Sequence[int]) -> list[Demand]:
    """Count what each network of a plan asks for, by one forward pass over a blank image, and time it.

    Parameters
    ----------
    plan : Plan
        Networks and layers.
    batch_sizes : sequence of int
        The fastest of these is timed; none for networks that run on GPUs.
    """
    return [_demand(plan, number, batch_sizes) for number in range(len(plan.models))]


def _demand(plan: "Plan", number: int, batch_sizes: Sequence[int]) -> Demand:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from filterscope.pipeline.methods.stages import Stages
    from filterscope.pipeline.models.model import open_model
    from filterscope.pipeline.models.taps import Taps
    from filterscope.pipeline.models.timing import seconds_an_image

    model = plan.models[number]
    opened = open_model(model.spec)
    names = [layer.name for layer in model.layers]
    times = seconds_an_image(opened, names, batch_sizes)
    module = opened.module.eval()
    elements = 0

    def count(_: object, __: object, output: object) -> None:
        nonlocal elements
        elements += output.numel() if isinstance(output, torch.Tensor) else 0

    leaves = [part for part in module.modules() if not list(part.children())]
    handles = [leaf.register_forward_hook(count) for leaf in leaves]
    # as an audit runs it: no further than the deepest layer asked for
    taps = Taps(module, names)
    with FlopCounterMode(display=False) as counter:
        taps(torch.zeros(1, model.transform.channels, *model.transform.input_size))
    for handle in handles:
        handle.remove()
    own = Stages(plan.only(model.name))
    most = {name: count / plan.view_count for name, count in own.most_bytes().items()}
    return Demand(
        min(times.values(), default=0.0),
        counter.get_total_flops() / 1e9,
        elements / 1e6,
        sum(layer.channels * layer.height * layer.width for layer in model.layers),
        sum(layer.channels for layer in model.layers),
        sum(most.pop(kind.name, 0.0) for kind in own.kinds if kind.forward),
        most,
    )


def projected(
    config: "AuditConfig", bench: Path | None, *, images: int | None, models: int | None, gpus: int, cores: int | None,
    gpu_hour_price: float | None = None,
) -> list[str]:  # fmt: skip
    """Return lines on what the audit of a zoo would cost with other numbers of images, models and machines.

    `bench` is the file of unit costs; see `costs_file`. `gpu_hour_price` is what an hour of one GPU with its cores costs.

    Raises
    ------
    InputError
        If unit costs are missing, or the zoo cannot be opened.
    """
    import pyarrow.compute as pc

    from filterscope.jobs.runs.audit import planned
    from filterscope.pipeline.datasets.layout import Dataset
    from filterscope.pipeline.methods.stages import Stages
    from filterscope.pipeline.run.planning import CPU_BATCHES

    bench = costs_file(bench)
    UnitCosts.read(bench, registry.chosen(config.methods))  # what is missing is said before networks are opened
    plan = planned(config.model_copy(update={"batch_size": config.batch_size or 1}))
    methods = working(plan)
    costs = UnitCosts.read(bench, methods)
    data = Dataset(plan.data)
    pixels = pc.mean(pc.multiply(*(data.images[side].cast("int64") for side in ("height", "width")))).as_py()
    known, models = plan.views.image_count, models or len(plan.models)
    images = images or known
    views = round(images * plan.view_count / known)
    batch_sizes = () if gpus else (config.batch_size,) if config.batch_size else CPU_BATCHES
    projection = project(
        costs,
        demands_of(plan, batch_sizes),
        images=images,
        views=views,
        models=models,
        megapixels=pixels / 1e6,
        concepts=data.concepts.num_rows,
        methods=methods,
        on_gpu=gpus > 0,
        masks="masks" in {kind.name for kind in Stages(plan).kinds},
        plan=plan,
    )
    cores = cores or (CORES_PER_GPU * gpus if gpus else _cores())
    seen = f"{images:,} images" + (f" ({views:,} views)" if views != images else "")
    rest = [method.name for method in methods if not method.cost]
    lines = _lines(projection, seen, models, gpus, cores, rest)
    if gpus:
        whole, busy = projection.hours(cores, gpus), projection.gpu_seconds
        hours = sum(projection.core_seconds.values()) / cores / _HOUR if whole is None else whole
        lines += paid(hours, None if busy is None else busy / _HOUR, images * models, models, gpus, gpu_hour_price)
    return [*lines, _source_of(costs, bench)]


def _source_of(costs: UnitCosts, bench: Path) -> str:
    """Say where unit costs were measured, and whether that was on a processor like this one."""
    here, there = machine(), costs.machine or "an unnamed processor"
    whose = f"unit costs of {there} ({'they come with filterscope' if bench == SHIPPED else bench})"
    return f"{whose}; --measure measures those of this machine ({here})" if there != here or bench == SHIPPED else whose


def working(plan: "Plan") -> list[Method]:
    """Return the methods of a plan, and those others all of whose stages they need."""
    from filterscope.pipeline.methods.stages import Stages

    asked, running = set(plan.options.methods), {kind.name for kind in Stages(plan).kinds}

    def runs(method: Method) -> bool:
        own = {kind.name for kind in method.stages(plan.options)}
        return method.name in asked or (bool(method.cost and own) and own <= running)

    return [method for method in registry.METHODS if runs(method)]


def _cores() -> int:
    from filterscope.pipeline.engine.runner import cores

    return cores()


def _lines(projection: Projection, seen: str, models: int, gpus: int, cores: int, rest: Sequence[str]) -> list[str]:
    machines = f"{cores:,} cores" + (f", {gpus:,} GPUs" if gpus else "")
    lines = [f"{models:,} models x {seen} on {machines}"]
    lines += [f"  {name:<13}{seconds / _HOUR:>14,.2f} CPU hours" for name, seconds in projection.core_seconds.items()]
    if gpus and projection.gpu_seconds is None:
        lines.append(
            "  forward        GPU hours not known: the unit costs are of a machine without one; --measure on one"
        )
    elif gpus and projection.gpu_seconds is not None:
        lines.append(f"  {'forward':<13}{projection.gpu_seconds / _HOUR:>14,.2f} GPU hours")
    lines.append(
        f"activations {_bytes(projection.activation_bytes)}, at most {_bytes(projection.largest_model_bytes)} per model "
        f"(--no-keep-activations needs two of these); "
        + "".join(f"{name} {_bytes(count)}; " for name, count in projection.other_bytes.items())
        + f"tables {_bytes(projection.table_bytes)}"
    )
    hours = projection.hours(cores, gpus)
    busy = sum(projection.core_seconds.values())
    if hours is None:
        lines.append(f"wall time: at least {busy / cores / _HOUR:,.2f} h, which the cores need")
    else:
        lines.append(f"wall time {hours:,.2f} h; {_bottleneck(projection, cores, gpus)}")
    if rest:
        lines.append(f"not projected: {', '.join(rest)}")
    return lines


def _bottleneck(projection: Projection, cores: int, gpus: int) -> str:
    busy = projection.core_seconds
    stage = max(busy, key=busy.__getitem__)
    if gpus and projection.gpu_seconds:
        fed = sum(busy.values()) / (projection.gpu_seconds / gpus)
        if fed <= cores:
            return f"the GPUs are the bottleneck; {fed:,.0f} cores keep them busy"
        return (
            f"the cores are the bottleneck, most of all in {stage}; the GPUs would need {fed:,.0f} cores to stay busy"
        )
    return f"the bottleneck is {stage}, {busy[stage] / sum(busy.values()):.0%} of all CPU time"


def _bytes(count: float) -> str:
    for prefix in ("", "k", "M", "G", "T"):
        if count < 1000:
            return f"{count:.3g} {prefix}B"
        count /= 1000
    return f"{count:,.1f} PB"


__all__ = [
    "CORES_PER_GPU",
    "OWN",
    "SHIPPED",
    "Demand",
    "Projection",
    "UnitCosts",
    "costs_file",
    "demands_of",
    "project",
    "projected",
    "working",
]
