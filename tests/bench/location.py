"""A row about what location instability costs beside the extraction it reads from."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.dataflow import source
from tests.bench.real import data_folder
from tests.bench.row import Row
from tests.bench.staged import staged

_LAYERS = ("features.18", "features.13")
_COPIES = 3
#: Image blocks whose extraction is timed.
_BLOCKS = 6


def _copied(source: Path, folder: Path) -> Path:
    """Make the animal-part set with every image three times: 2,070 crops."""
    for part in ("images", "negatives"):
        (folder / part).mkdir(parents=True)
    for image in sorted((source / "images").iterdir()):
        for copy in range(_COPIES):
            shutil.copy(image, folder / "images" / f"{copy}-{image.name}")
    for table in ("objects.csv", "landmarks.csv"):
        head, *lines = (source / table).read_text().splitlines()
        copies = [f"{copy}-{line}" for copy in range(_COPIES) for line in lines]
        (folder / table).write_text("\n".join([head, *copies]) + "\n")
    return folder


def _cpu_seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def location_over_extraction() -> Iterator[Row]:
    """Compare the processor time of `locate` with that of decoding and forward passes, for two layers and 2,070 crops."""
    from filterscope.jobs.config.audit import load_config
    from filterscope.jobs.runs.audit import audit
    from filterscope.pipeline.datasets.animals import import_animals
    from filterscope.pipeline.run.folder import RunFolder

    with TemporaryDirectory(prefix="filterscope-bench-") as place:
        folder = Path(place)
        import_animals(_copied(data_folder() / "animals", folder / "animals"), folder / "data", in_place=True)
        model = {"source": source("mobilenet_v2"), "layers": list(_LAYERS)}
        out = folder / "run"
        audit(load_config(data=folder / "data", out=out, models=[model], metrics="location", views="objects"))
        plan = RunFolder(out).plan()

        stage, works = staged(plan, "locate")
        (locate,) = stage.steps
        locate.call(works[0].task)
        located = _cpu_seconds(lambda: [locate.call(work.task) for work in works])

        stage, blocks = staged(plan, "extract")
        decode, forward = stage.steps[0].call, stage.steps[1].call()
        forward(blocks[0].task, **decode(blocks[0].task))
        few = blocks[1 : 1 + _BLOCKS]
        crops = sum(work.task.stop - work.task.start for work in few)
        taken = _cpu_seconds(lambda: [forward(work.task, **decode(work.task)) for work in few])
        extracted = taken * plan.view_count / crops
        peer = f"extraction of {plan.view_count} crops: {extracted:.1f} s"
        yield Row("location_over_extraction", located, "processor s", peer, located / extracted, "<= 0.10")
