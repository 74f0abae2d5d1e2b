"""Where the processor time of an audit goes beside its forward passes, by thread times, which a busy machine hardly moves."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from tests.bench.dataflow import _MODELS, repeated, source
from tests.bench.row import Row

_IMAGES, _BATCH = 256, {"mobilenet_v2": 4, "resnet18": 16}


def audit_shares() -> Iterator[Row]:
    """Audit in this process, and tell what each part took over decoding and forward passes alone."""
    import torch

    torch.set_num_threads(1)
    with TemporaryDirectory(prefix="filterscope-bench-") as folder:
        data = repeated(Path(folder) / "data", _IMAGES)
        for model, layers in _MODELS.items():
            _audited(data, Path(folder) / f"{model}-first", model, layers)  # compiles, fills caches
            found = _audited(data, Path(folder) / model, model, layers)
            plain = found["decode"] + found["forward"]
            for part, seconds in sorted(found.items(), key=lambda item: -item[1]):
                peer = f"decoding and forward passes: {1e3 * plain / _IMAGES:.1f} ms"
                yield Row(f"audit_shares.{model}.{part}", 1e3 * seconds / _IMAGES, "ms an image", peer, seconds / plain)


def _audited(data: Path, out: Path, model: str, layers: tuple[str, ...]) -> dict[str, float]:
    from filterscope.pipeline.engine.ledger import Ledger
    from filterscope.pipeline.methods.extraction import extract
    from filterscope.pipeline.models import network
    from filterscope.pipeline.models.taps import Taps
    from tests.audits import audit_here

    found: dict[str, float] = defaultdict(float)
    depth: list[float] = []

    def timed(part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            began = time.thread_time()
            depth.append(0.0)
            try:
                return call(*args, **options)
            finally:
                took = time.thread_time() - began
                found[part] += took - depth.pop()
                if depth:
                    depth[-1] += took

        return run

    class _Timed(extract._Extractor):
        __call__ = timed("rest of extract", extract._Extractor.__call__)

    with (
        patch.object(extract, "_Extractor", _Timed),
        patch.object(extract, "planned_views", timed("decode", extract.planned_views)),
        patch.object(Taps, "__call__", timed("forward", Taps.__call__)),
        patch.object(network.Network, "maps", timed("copies of maps", network.Network.maps)),
        patch.object(extract, "finished", timed("settle", extract.finished)),
        patch.object(extract.ActivationStore, "write", timed("write", extract.ActivationStore.write)),
        patch.object(extract, "refuse_lost", timed("ranges", extract.refuse_lost)),
        patch.object(extract, "tell_vanished", timed("ranges", extract.tell_vanished)),
    ):
        # the analyses run in a thread of their own, whose times the ledger has
        audit_here(
            data=data, out=out, models=[source(model)], layers=list(layers), batch_size=_BATCH[model], min_images=1
        )
    for record in Ledger(out / "ledger").all_records():
        stage = record["key"].partition("/")[0]
        if stage != "extract":
            found[stage] += record["core_seconds"]
    return dict(found)


__all__ = ["audit_shares"]
