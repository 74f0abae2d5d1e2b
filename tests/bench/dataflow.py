"""Rows about whole audits: what they cost over the forward pass alone, how they start, how their memory grows."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.real import coco, data_folder
from tests.bench.row import Row

IMAGES = 2048
_MODELS = {
    "mobilenet_v2": ("features.18", "features.13"),
    "resnet18": ("layer4",),
}


def source(model: str) -> str:
    """Return how the model is named: real weights where there are some."""
    weights = data_folder() / "weights" / "mobilenet_v2-b0353104.pth"
    return f"torchvision:{model}@{weights}" if model == "mobilenet_v2" else f"torchvision:{model}@random:0"


def repeated(folder: Path, images: int) -> Path:
    """Make a data set of any size: the 128 COCO images over and over."""
    import shutil

    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from filterscope.pipeline.datasets.layout import Dataset

    original = coco(colors=False)
    shutil.copytree(original.folder, folder)
    for name in ("images", "segments"):
        table = original.table(name)
        copies = [
            table.set_column(0, table.schema.field(0), pc.add(table["image"], 128 * copy).cast(pa.int32()))
            for copy in range(-(-images // 128))
        ]
        table = pa.concat_tables(copies)
        pq.write_table(table.filter(pc.less(table["image"], images)), folder / f"{name}.parquet", row_group_size=4096)
    manifest = json.loads((folder / "dataset.json").read_text())
    del manifest["tables"]
    (folder / "dataset.json").write_text(json.dumps({**manifest, "identity": Dataset(folder).content}))
    return folder


def measured(what: str, **settings: object) -> dict[str, float]:
    """Run a measurement of `tests.bench.alone` in a process of its own and return its figures."""
    command = [sys.executable, "-m", "tests.bench.alone", what, json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def audit_over_forward() -> Iterator[Row]:
    """Compare extract + threshold + dissect with the best plain loop over the same files and the same network."""
    with TemporaryDirectory(prefix="filterscope-bench-") as folder:
        data = repeated(Path(folder) / "data", IMAGES)
        for model, layers in _MODELS.items():
            plain = {}
            for workers in (0, 1, 2):
                for batch in (1, 4, 8, 16, 32):
                    settings = {"data": str(data), "model": source(model), "batch": batch, "workers": workers}
                    plain[batch, workers] = measured("forward", **settings, images=IMAGES // 16)["images_per_s"]
            best = max(plain, key=lambda key: plain[key])
            # in turn, so that both see the same machine
            rounds = []
            for number in range(3):
                settings = {"data": str(data), "model": source(model)}
                loop = measured("forward", **settings, batch=best[0], workers=best[1], images=IMAGES)["seconds"]
                out = f"{folder}/{model}-{number}"
                audit = measured("audit", **settings, layers=",".join(layers), out=out)["seconds"]
                rounds.append((audit / loop, audit, loop))
            ratio, audit, loop = sorted(rounds)[1]
            peer = f"plain loop, batch {best[0]}, {best[1]} workers: {loop:.1f} s"
            yield Row(f"audit_over_forward.{model}", audit, "s", peer, ratio, "<= 1.15")


def rss_growth() -> Iterator[Row]:
    """Measure peak memory of extracting and of dissecting, each in a process of its own, over 1k to 8k images."""
    sizes = (1024, 2048, 4096, 8192)
    for what in ("extract", "dissect"):
        peaks = []
        for images in sizes:
            with TemporaryDirectory(prefix="filterscope-bench-") as folder:
                data = repeated(Path(folder) / "data", images)
                # a quick network: what may grow does not depend on it
                settings = {"data": str(data), "out": f"{folder}/run", "model": source("squeezenet1_1")}
                peaks.append(measured(f"{what}_memory", **settings, layers="features.12")["mib"])
        for images, peak in zip(sizes, peaks, strict=True):
            yield Row(f"rss_growth.{what}.{images}", peak, "MiB", "1,024 images", peak / peaks[0], "<= 1.05")


def driver_memory() -> Iterator[Row]:
    """Measure peak memory of a driver whose workers compute nothing, over 1k to 100k images."""
    sizes, peaks = (1_000, 10_000, 100_000), []
    for images in sizes:
        with TemporaryDirectory(prefix="filterscope-bench-") as folder:
            settings = {"data": str(repeated(Path(folder) / "data", images)), "out": f"{folder}/run"}
            peaks.append(
                measured("driver_memory", **settings, model=source("mobilenet_v2"), layers="features.18")["mib"]
            )
    for images, peak in zip(sizes, peaks, strict=True):
        yield Row(f"driver_memory.{images}", peak, "MiB", "1,000 images", peak / peaks[0], "<= 1.05")


def zoo_driver() -> Iterator[Row]:
    """Measure peak memory of a driver that plans a zoo and walks through a million of its tasks, and what a task weighs."""
    for models, images in ((50, 100_000), (500, 100_000), (500, 1_000_000)):
        found = measured("zoo_driver", models=models, images=images, most=1_000_000)
        size = f"{found['tasks']:,.0f} tasks"
        yield Row(f"zoo_driver.{models}x{images}", found["mib"], "MiB", size, found["mib"] / 1024, "<= 1 GiB")
    yield Row("zoo_driver.task", found["bytes"], "B", "one model's settings", found["bytes"] / 4096, "<= 4 KiB")


def lease_overhead() -> Iterator[Row]:
    """Carry out 100,000 pieces of work that do nothing: all that is left is what the runner costs."""
    with TemporaryDirectory(prefix="filterscope-bench-") as folder:
        found = measured("lease_overhead", pieces=100_000, out=folder)
    yield Row("lease_overhead", found["seconds"], "s", f"{found['done']:,.0f} empty pieces", target="<= 180 s")
    yield Row("lease_overhead.driver", found["growth"], "MiB", "growth after a tenth", target="<= 50 MiB")


def start_up() -> Iterator[Row]:
    """Time `filterscope audit` on 16 images as a whole process: as it comes, which is without Ray, and with Ray."""
    with TemporaryDirectory(prefix="filterscope-bench-") as folder:
        data = repeated(Path(folder) / "data", 16)
        ray = sorted(measured("ray")["seconds"] for _ in range(3))[1]
        for name, actors, share in (
            ("start_up", [], "no Ray"),
            ("start_up.ray", ["--actors", "2"], f"ray.init {ray:.1f} s"),
        ):
            times = []
            for number in range(3):
                began = time.perf_counter()
                command = [
                    *(
                        sys.executable,
                        "-m",
                        "filterscope",
                        "audit",
                        "--model",
                        source("mobilenet_v2"),
                        "--data",
                        str(data),
                    ),
                    *("--layers", "features.18", "--min-images", "1", "--out", f"{folder}/{name}-{number}"),
                    *("--metrics", "dissection", "--no-report", *actors),
                ]
                subprocess.run(command, check=True, capture_output=True)
                times.append(time.perf_counter() - began)
            yield Row(name, sorted(times)[1], "s", share, target="<= 15 s" if not actors else "")
