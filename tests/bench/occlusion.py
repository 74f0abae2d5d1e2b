"""A row about what an empirical receptive field costs: occluded copies through the network, at the defaults."""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.dataflow import source
from tests.bench.real import coco
from tests.bench.row import Row
from tests.bench.staged import staged

_LAYERS = ("features.6", "features.10", "features.13", "features.17")
#: Parts of the images that are timed; all parts are alike.
_PARTS = 2


def occlusion() -> Iterator[Row]:
    """Compare the processor time a unit of `occlude` with that of nothing but forward passes over as many copies."""
    import torch

    from filterscope.jobs.config.audit import load_config
    from filterscope.jobs.runs.audit import planned
    from filterscope.pipeline.methods.extraction.networks import HeldNetworks
    from filterscope.pipeline.methods.receptive_field.occlude import chosen_units

    with TemporaryDirectory(prefix="filterscope-bench-") as place:
        model = {"source": source("mobilenet_v2"), "layers": list(_LAYERS)}
        out = Path(place) / "run"
        plan = planned(load_config(data=coco(colors=False).folder, out=out, models=[model], metrics="receptive-field"))
        stage, blocks = staged(plan, "extract")
        decode, forward = stage.steps[0].call, stage.steps[1].call()
        for work in blocks:
            forward(work.task, **decode(work.task))

        stage, works = staged(plan, "occlude")
        occlude = stage.steps[0].call()
        began = time.process_time()
        copies = sum(occlude(work.task)[0].images for work in works[:_PARTS])
        taken = time.process_time() - began

        planned_model = plan.models[0]
        network = HeldNetworks().network(plan, planned_model, tuple(_LAYERS))
        size = planned_model.batch_size
        batch = torch.zeros(size, 3, *planned_model.transform.input_size).contiguous(memory_format=torch.channels_last)
        began = time.process_time()
        for _ in range(-(-copies // size)):
            network.taps(batch)
        alone = time.process_time() - began

        units = sum(len(chosen_units(plan, planned_model, layer)) for layer in planned_model.layers)
        a_unit = len(works) / _PARTS / units
        peer = f"forward passes alone: {alone * a_unit:.2f} s; {copies:,} copies timed"
        yield Row("occlusion", taken * a_unit, "processor s per unit", peer, taken / alone, "<= 1.25")
