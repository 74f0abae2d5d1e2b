"""Measurements that need a process of their own: ``python -m tests.bench.alone NAME JSON`` prints figures as JSON."""

import json
import sys
import time
from pathlib import Path
from typing import Any

#: Images a forward pass where memory is measured: the batch that is timed to be fastest is not the same every time.
_BATCH = 8


def forward(*, data: str, model: str, batch: int, workers: int, images: int) -> dict[str, float]:
    """Decode and run forward passes in a plain torch loop with a DataLoader; the first pass over 64 images is not timed."""
    import numpy as np
    import torch
    from torch.utils.data import DataLoader, Dataset

    from filterscope.pipeline.datasets.layout import Dataset as Images
    from filterscope.pipeline.models.model import open_model
    from filterscope.pipeline.models.spec import ModelSpec
    from filterscope.pipeline.models.tensors import normalisation, prepare
    from filterscope.pipeline.views.decode import decode
    from filterscope.pipeline.views.geometry import Geometry

    opened = open_model(ModelSpec(model))
    folder = Images(Path(data))
    paths = [folder.path(uri) for uri in folder.images["uri"].to_pylist()]
    geometry = Geometry.of(opened.transform, "squash")

    class Decoded(Dataset[Any]):
        def __init__(self, count: int) -> None:
            self.count = count

        def __len__(self) -> int:
            return self.count

        def __getitem__(self, index: int) -> Any:
            return torch.from_numpy(decode([paths[index]], geometry).pixels[0])

    module = opened.module.to(memory_format=torch.channels_last)
    mean, std = normalisation(opened, "cpu")

    def loop(count: int) -> float:
        began = time.perf_counter()
        with torch.inference_mode():
            for pixels in DataLoader(Decoded(count), batch_size=batch, num_workers=workers):
                module(prepare(np.asarray(pixels), mean, std, "cpu"))
        return time.perf_counter() - began

    loop(64)
    seconds = loop(images)
    return {"seconds": seconds, "images_per_s": images / seconds}


def _plan(data: str, model: str, layers: str, out: str, batch_size: int | None = None) -> Any:
    from filterscope.jobs.config.audit import load_config
    from filterscope.jobs.runs.audit import _new_plan
    from filterscope.pipeline.run.folder import RunFolder

    asked = {"min_images": 1, "methods": "dissection", "batch_size": batch_size}
    config = load_config(data=data, out=out, models=[model], layers=layers, **asked)
    return _new_plan(RunFolder(Path(out)), config, {}, anew=False)


def audit(*, data: str, model: str, layers: str, out: str) -> dict[str, float]:
    """Time extract, concepts and dissect with Ray started and masks rasterised; planning is not timed."""
    from filterscope.pipeline.engine.ledger import Ledger
    from filterscope.pipeline.engine.runner import Runner, start_ray
    from filterscope.pipeline.engine.schedule import Schedule
    from filterscope.pipeline.methods.stages import Stages

    class Silent:
        def begin(self, name: str) -> None:
            pass

        def advance(self, outputs: object) -> None:
            pass

    stages = Stages(_plan(data, model, layers, out))
    stages.prepare()
    start_ray()
    runner = Runner(Ledger(Path(out) / "ledger"))
    for stage in stages.before():
        runner.run(stage)
    began = time.perf_counter()
    Schedule(runner, Silent()).run(
        before=[], forward=stages.forward(), analyses=stages.analyses, finished=lambda model: None
    )
    return {"seconds": time.perf_counter() - began}


def _extracted(plan: Any) -> None:
    from filterscope.pipeline.methods.extraction.extract import _Extractor, decode_block
    from filterscope.pipeline.methods.stages import Stages

    stages, extractor = Stages(plan), _Extractor()
    stages.prepare()
    for stage in stages.forward():
        for work in stage.group(stage.keys):
            extractor(work.task, **decode_block(work.task))


def _peak() -> float:
    """Return the peak of resident memory in MiB; `getrusage` would count the process that this one was started by."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def extract_memory(*, data: str, model: str, layers: str, out: str) -> dict[str, float]:
    """Extract all images in this process, as an actor does, and return the peak of its resident memory."""
    _extracted(_plan(data, model, layers, out, _BATCH))
    return {"mib": _peak()}


def dissect_memory(*, data: str, model: str, layers: str, out: str) -> dict[str, float]:
    """Dissect one block of units in this process, as a worker does, after another process made the plan and extracted."""
    from filterscope.pipeline.methods.stages import Stages
    from filterscope.pipeline.run.folder import RunFolder

    _in_process(_before_dissect, data, model, layers, out)
    plan = RunFolder(Path(out)).plan()
    dissect = Stages(plan).analyses(plan.models[0].name)[-1]
    dissect.steps[0].call(next(dissect.group(dissect.keys)).task)
    return {"mib": _peak()}


def _before_dissect(data: str, model: str, layers: str, out: str) -> None:
    from filterscope.pipeline.methods.stages import Stages
    from filterscope.pipeline.run.folder import RunFolder

    plan = _plan(data, model, layers, out, _BATCH)
    stages = Stages(plan)
    for stage in stages.before():
        for work in stage.group(stage.keys):
            stage.steps[0].call(work.task)
    _extracted(plan)
    concepts = stages.analyses(plan.models[0].name)[0]
    for work in concepts.group(concepts.keys):
        concepts.steps[0].call(work.task)
    RunFolder(Path(out)).record({}, plan, [])


def driver_memory(*, data: str, model: str, layers: str, out: str) -> dict[str, float]:
    """Resume an audit with steps that compute nothing, and return the peak of this process: what the driver itself holds.

    Another process makes the plan, since opening a network takes more memory than all the rest.
    """
    _in_process(_planned_only, data, model, layers, out)
    _idle_audit(data, model, layers, out, tasks=sys.maxsize)
    return {"mib": _peak()}


def _in_process(target: Any, *args: str) -> None:
    import multiprocessing

    process = multiprocessing.get_context("spawn").Process(target=target, args=args)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(process.exitcode)


def _planned_only(data: str, model: str, layers: str, out: str) -> None:
    import contextlib

    with contextlib.suppress(KeyboardInterrupt):
        _idle_audit(data, model, layers, out, tasks=0)


def _idle_audit(data: str, model: str, layers: str, out: str, *, tasks: int) -> None:
    """Audit with steps that compute nothing, and interrupt it after a number of tasks."""
    from filterscope.jobs.config.audit import load_config
    from filterscope.jobs.runs.audit import audit
    from filterscope.pipeline.engine import runner
    from filterscope.pipeline.engine.ledger import Ledger
    from filterscope.pipeline.engine.stage import Output

    class Idle(runner.Runner):
        def _outcomes(self, stage: Any, works: Any) -> Any:
            for number, work in enumerate(works):
                if number >= tasks:
                    raise KeyboardInterrupt
                outputs = [Output(key) for key in work.keys]
                for output in outputs:
                    Ledger(Path(out) / "ledger").mark(output, 0.0, 0.0)
                yield outputs

    runner.LocalRunner = Idle  # type: ignore[assignment, misc]
    audit(load_config(data=data, out=out, models=[model], layers=layers, min_images=1, actors=0))


def ray() -> dict[str, float]:
    """Time the start of Ray."""
    from filterscope.pipeline.engine.runner import start_ray

    began = time.perf_counter()
    start_ray()
    return {"seconds": time.perf_counter() - began}


def _dissect(run: str, thirds: int) -> Any:
    """Return the dissect stage with the first keys of every three, so that each third has every layer."""
    from dataclasses import replace

    from filterscope.pipeline.engine.keys import Keys
    from filterscope.pipeline.methods.stages import Stages
    from filterscope.pipeline.run.folder import RunFolder

    [stage] = [stage for stage in Stages(RunFolder(Path(run)).plan()).all() if stage.name == "dissect"]
    return replace(stage, keys=Keys([[key for number, key in enumerate(stage.keys) if number % 3 < thirds]]))


def dissect_on_nodes(*, run: str, nodes: int, thirds: int) -> dict[str, float]:
    """Time the dissect stage of a run on a cluster of nodes of one CPU each, all on this machine."""
    import os

    from ray.cluster_utils import Cluster

    from filterscope.pipeline.engine.ledger import Ledger
    from filterscope.pipeline.engine.runner import Runner, start_ray

    os.environ["RAY_AUTH_MODE"] = "disabled"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    for _ in range(nodes - 1):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    os.environ["RAY_ADDRESS"] = cluster.address
    start_ray()
    runner = Runner(Ledger(Path(run) / "ledger"))
    began = time.perf_counter()
    runner.run(_dissect(run, thirds))
    seconds = time.perf_counter() - began
    # in this order, or the driver ends with an error over objects it lost
    import ray

    ray.shutdown()
    cluster.shutdown()
    return {"seconds": seconds}


def dissect_plain(*, run: str, part: int, parts: int, thirds: int) -> dict[str, float]:
    """Time every `parts`-th task of the dissect stage in this process."""
    stage = _dissect(run, thirds)
    began = time.perf_counter()
    for work in list(stage.group(stage.keys))[part::parts]:
        stage.steps[0].call(work.task)
    return {"seconds": time.perf_counter() - began}


def warm_audit(*, few: str, data: str, model: str, layers: str, out: str) -> dict[str, float]:
    """Audit a few images, then all, in this process; return the time of the latter."""
    from filterscope.jobs.config.audit import load_config
    from filterscope.jobs.runs.audit import audit

    began = 0.0
    for images, run in ((few, f"{out}-warm"), (data, out)):
        began = time.perf_counter()
        audit(load_config(data=images, out=run, models=[model], layers=layers, min_images=1, actors=0))
    return {"seconds": time.perf_counter() - began}


def _nothing(key: Any) -> list[Any]:
    from filterscope.pipeline.engine.stage import Output

    return [Output(key)]


def lease_overhead(*, pieces: int, out: str) -> dict[str, float]:
    """Time so many pieces of work that do nothing, on two workers, and how the driver's memory grows over the last 90 %."""
    from filterscope.pipeline.engine.keys import Fingerprint, Key, Keys
    from filterscope.pipeline.engine.ledger import Ledger
    from filterscope.pipeline.engine.runner import Runner, start_ray
    from filterscope.pipeline.engine.stage import Stage, Step, Work

    start_ray()
    fingerprint = Fingerprint({"nothing": 1})
    keys = Keys([[Key("nothing", ("net", f"block-{number:06d}"), fingerprint) for number in range(pieces)]])
    stage = Stage("nothing", keys, lambda missing: (Work((key,), key) for key in missing), (Step(_nothing),))
    resident, done = [], 0

    def advance(outputs: list[Any]) -> None:
        nonlocal done
        done += len(outputs)
        if not done % 1000:
            resident.append(_resident())

    began = time.perf_counter()
    Runner(Ledger(Path(out))).run(stage, advance)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "done": done, "growth": max(resident) - resident[len(resident) // 10]}


def _resident() -> float:
    """Return resident memory in MiB."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def zoo_driver(*, models: int, images: int, most: int = 10**12) -> dict[str, float]:
    """Plan a zoo of networks of ten layers on so many images, walk through its work, at most `most` tasks, and run none.

    What the driver does of an audit: count what is done, group what is missing, make what travels to the workers.
    """
    import pickle
    import tempfile
    from itertools import chain, islice

    from filterscope.pipeline.engine.ledger import Ledger
    from filterscope.pipeline.methods.stages import Stages

    plan = _zoo(models, images)
    with tempfile.TemporaryDirectory() as folder:
        ledger, stages = Ledger(Path(folder)), Stages(plan)
        left = sum(ledger.count_missing(stage.keys) for stage in stages.all())
        of_models = (stage for model in plan.models for stage in stages.analyses(model.name))
        streams = chain(stages.before(), stages.forward(), of_models)
        works = (work for stage in streams for work in stage.group(ledger.missing(stage.keys)))
        sent = largest = 0
        for work in islice(works, most):
            sent += 1
            if not sent % 1000:
                largest = max(largest, len(pickle.dumps(work)))
    return {"mib": _peak(), "tasks": left, "works": sent, "bytes": largest}


def _zoo(models: int, images: int) -> Any:
    from filterscope.pipeline.models.field import Field
    from filterscope.pipeline.models.layer import Layer
    from filterscope.pipeline.models.spec import ModelSpec
    from filterscope.pipeline.run.plan import Plan, PlannedModel
    from filterscope.pipeline.views.transform import Transform

    field = Field((11, 11), (4.0, 4.0), (2.0, 2.0), ((0, 223), (0, 223)))
    layers = tuple(Layer(f"features.{n}", "Conv2d", 512, 14, 14, field=field) for n in range(10))
    transform = Transform((224, 224), 256, "bilinear", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    zoo = tuple(
        PlannedModel(
            ModelSpec(f"torchvision:resnet18@random:{n}"), f"net-{n}", "resnet18", f"{n:064x}", transform, 1, 4, layers
        )
        for n in range(models)
    )
    settings = {"methods": ("dissection", "significance", "anchorings"), "actors": 64, "device": "cpu"}
    return Plan(Path("zoo"), Path("data"), "d" * 64, images, "2.13.0", zoo, settings)


MEASURES = {
    "zoo_driver": zoo_driver,
    "lease_overhead": lease_overhead,
    "warm_audit": warm_audit,
    "forward": forward,
    "audit": audit,
    "extract_memory": extract_memory,
    "dissect_memory": dissect_memory,
    "driver_memory": driver_memory,
    "ray": ray,
    "dissect_on_nodes": dissect_on_nodes,
    "dissect_plain": dissect_plain,
}

if __name__ == "__main__":
    print(json.dumps(MEASURES[sys.argv[1]](**json.loads(sys.argv[2]))))
