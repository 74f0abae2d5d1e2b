"""What a GPU does for an audit: see ``gpu.sh``. Rows say what was measured; a check that fails ends with exit code 1.

Checks: CPU and device agree within `AGREE` of the strongest activation of a layer, and the device gives the same bits twice.
Rows: images a second of the forward pass alone and of extraction (copying, float16, settling, writing), from memory and from
JPEG files, with tallies on the host beside, GPU utilisation, and panels of networks that share what is decoded.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.bare import bare, lacking

#: Differences of float16 maps over the strongest activation of their layer: summation orders differ, TF32 is off.
AGREE = 4e-3
LAYERS = {"resnet50": ("layer4",), "mobilenet_v2": ("features.18",)}
BATCHES, IMAGES, SMALL = (64, 256), 2048, (8, 32)
#: What writing needs; settling and tallies need numba. The wheels of each of the two fit 64 MiB.
_STORE = {"zarr", "numcodecs", "google_crc32c"}
#: Networks of a panel.
PANEL = 4


class Bench:
    """The measurements, on one device.

    Parameters
    ----------
    device : {"cpu", "cuda"}
        Where forward passes run.
    small : bool
        Few images: every part runs, and its figures say little.
    absent : sequence of str
        Packages that are not there; parts that need them are left out and named.
    """

    def __init__(self, device: str, small: bool, absent: Sequence[str]) -> None:
        self.device, self.absent, self.failed = device, set(absent), False
        self.batches, self.images = (SMALL[:1], SMALL[1]) if small else (BATCHES, IMAGES)
        self.models = ("mobilenet_v2",) if small else tuple(LAYERS)
        random = np.random.default_rng(0)
        coarse = random.integers(0, 256, (self.images, 8, 8, 3), dtype=np.uint8)
        self.pixels = np.ascontiguousarray(coarse.repeat(28, 1).repeat(28, 2))
        self.rows: list[dict[str, Any]] = []

    def row(self, name: str, value: float, unit: str, ratio: float | None = None, target: str = "") -> None:
        """Keep and print a row."""
        self.rows.append({"name": f"gpu.{name}", "value": value, "unit": unit, "ratio": ratio, "target": target})
        held = "" if ratio is None else f"  {ratio:.3f} {target}"
        print(f"{name:<48}{value:>12,.1f} {unit}{held}", flush=True)

    def check(self, name: str, good: bool, told: str) -> None:
        """Print whether a check holds."""
        self.failed |= not good
        print(f"{'ok' if good else 'FAILED':<8}{name}: {told}", flush=True)

    def network(self, model: str, batch: int, device: str, seed: int = 0) -> Any:
        """Open a network with random weights as a worker does."""
        from filterscope.pipeline.models.model import open_model
        from filterscope.pipeline.models.network import Identity, Network
        from filterscope.pipeline.models.spec import ModelSpec

        spec = ModelSpec(f"torchvision:{model}@random:{seed}")
        opened = open_model(spec)
        return Network.open(
            spec, layers=LAYERS[model], expected=Identity(opened.weights_sha256, opened.transform, model),
            batch_size=batch, device=device, first_views=iter(self.pixels[:64]),
        )  # fmt: skip

    def correct(self, model: str) -> None:
        """Compare the device with the CPU, and with itself."""
        few, (layer,) = self.pixels[:16], LAYERS[model]
        here = self.network(model, 16, self.device)
        first, again = here.maps(few)[layer], here.maps(few)[layer]
        self.check(f"{model} twice", bool((first == again).all()), "the same bits on one device")
        reference = self.network(model, 16, "cpu").maps(few)[layer].astype(np.float64)
        apart = float(abs(first - reference).max() / abs(reference).max())
        self.check(
            f"{model} against the CPU", apart <= AGREE, f"{apart:.1e} of the strongest activation, at most {AGREE:.0e}"
        )

    def seconds(self, run: Callable[[], object]) -> float:
        """Return the shorter of two times; what runs before them is not timed."""
        run()
        return min(self._timed(run) for _ in range(2))

    def _timed(self, run: Callable[[], object]) -> float:
        began = time.perf_counter()
        run()
        if self.device == "cuda":
            import torch

            torch.cuda.synchronize()
        return time.perf_counter() - began

    def speed(self, model: str, batch: int) -> None:
        """Time the forward pass alone and extraction, from memory and from JPEG, and extraction beside tallies."""
        network, name = self.network(model, batch, self.device), f"{model}.{batch}"
        plain = self.images / self.seconds(lambda: self._forward(network, batch))
        self.row(f"forward.{name}", plain, "images/s")
        with tempfile.TemporaryDirectory(prefix="filterscope-gpu-") as folder, _Utilisation(self.device) as used:
            ours = self.images / self.seconds(self._extraction(network, model, Path(folder), self._blocks()))
        self.row(f"extract.{name}", ours, "images/s", ours / plain, ">= 0.85")
        if used.mean is not None:
            self.row(f"utilisation.{name}", used.mean, "%")
        files = self._files()
        with tempfile.TemporaryDirectory(prefix="filterscope-gpu-") as folder:
            jpeg = self.images / self._timed(
                self._extraction(network, model, Path(folder), lambda: self._decoded(files))
            )
        decoding = self.images / self._timed(lambda: list(self._decoded(files)))
        self.row(f"decode.{name}", decoding, "images/s")
        self.row(f"extract_jpeg.{name}", jpeg, "images/s", jpeg / min(ours, decoding), "of the slower of both")
        if "numba" in self.absent:
            return
        with tempfile.TemporaryDirectory(prefix="filterscope-gpu-") as folder, _Tallies(network.maps(self.pixels[:8])):
            beside = self.images / self._timed(self._extraction(network, model, Path(folder), self._blocks()))
        self.row(f"extract_beside_tallies.{name}", beside, "images/s", beside / ours, "of extraction alone")

    def panel(self, model: str, batch: int) -> None:
        """Time some networks on the same files one after the other, and as a panel that decodes once."""
        networks, files = [self.network(model, batch, self.device, seed) for seed in range(PANEL)], self._files()

        def apart() -> None:
            for network in networks:
                for pixels in self._decoded(files):
                    network.maps(pixels)

        def together() -> None:
            for pixels in self._decoded(files):
                for network in networks:
                    network.maps(pixels)

        alone, shared = self._timed(apart), self._timed(together)
        self.row(
            f"panel_of_{PANEL}.{model}.{batch}", PANEL * self.images / shared, "images/s", shared / alone, "of apart"
        )

    def _forward(self, network: Any, batch: int) -> None:
        import torch

        from filterscope.pipeline.models.tensors import prepare

        with torch.inference_mode():
            for start in range(0, self.images, batch):
                found = network.taps.module(
                    prepare(self.pixels[start : start + batch], network.mean, network.std, self.device)
                )
            found.sum().item()

    def _blocks(self, size: int = 256) -> Callable[[], Iterator[np.ndarray]]:
        return lambda: (self.pixels[start : start + size] for start in range(0, self.images, size))

    def _extraction(self, network: Any, model: str, folder: Path, blocks: Callable[[], Iterator[np.ndarray]]) -> Any:
        """Return what does with blocks of pixels what a worker does: passes, float16, settling and writing."""
        (layer,) = LAYERS[model]

        def run() -> None:
            for number, pixels in enumerate(blocks()):
                maps = network.maps(pixels)[layer]
                maxima = maps.max((2, 3)) if "numba" in self.absent else _settled(maps)
                if not _STORE & self.absent:
                    _written(folder, layer, number, maps, maxima, self.images)

        return run

    def _files(self) -> list[bytes]:
        from PIL import Image

        files = []
        for image in self.pixels[: min(self.images, 256)]:
            sink = io.BytesIO()
            Image.fromarray(image.repeat(2, 0).repeat(2, 1)).save(sink, "JPEG", quality=90)
            files.append(sink.getvalue())
        return (files * (-(-self.images // len(files))))[: self.images]

    def _decoded(self, files: Sequence[bytes], size: int = 64) -> Iterator[np.ndarray]:
        """Decode ahead on all cores, as the tasks before the actors do."""
        from PIL import Image

        def one(data: bytes) -> np.ndarray:
            return np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR))

        with ThreadPoolExecutor() as cores:
            found = cores.map(one, files)
            for start in range(0, len(files), size):
                yield np.stack([next(found) for _ in range(min(size, len(files) - start))])


def _settled(maps: np.ndarray) -> np.ndarray:
    from filterscope.operators.numerics.half import settle

    return settle(maps)[1]


def _written(folder: Path, layer: str, number: int, maps: np.ndarray, maxima: np.ndarray, images: int) -> None:
    from filterscope.pipeline.stores.activations import ActivationStore

    store = ActivationStore(folder, "net", f"{layer}-{len(maps)}")
    if not number:
        store.create(images, *maps.shape[1:], image_block=len(maps), unit_block=128)
    store.write(number * len(maps), maps, maxima)


class _Utilisation:
    """Samples how busy the GPU is, by nvidia-smi; None where there is none."""

    def __init__(self, device: str) -> None:
        self._ended, self._found = threading.Event(), list[float]()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._on = device == "cuda"

    def __enter__(self) -> "_Utilisation":
        if self._on:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    @property
    def mean(self) -> float | None:
        return float(np.mean(self._found)) if self._found else None

    def _sample(self) -> None:
        ask = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not self._ended.wait(0.2):
            try:
                self._found.append(
                    float(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.split()[0])
                )
            except (OSError, ValueError, IndexError, subprocess.SubprocessError):
                return


class _Tallies:
    """Counts activations into histograms on the host, again and again, as the analyses beside an extraction do."""

    def __init__(self, maps: dict[str, np.ndarray]) -> None:
        (self._maps,) = maps.values()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._count, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _count(self) -> None:
        from filterscope.operators.activations.quantile import add_to_histogram, empty_histogram

        values = np.ascontiguousarray(self._maps[:, :64])
        histogram = empty_histogram(values.shape[1])
        while not self._ended.is_set():
            add_to_histogram(histogram, values)


def main() -> int:
    """Check and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="few images, to see that it runs")
    parser.add_argument("--out", type=Path, help="write the rows here as JSON")
    parser.add_argument("--without", default="", help="packages to do without, with commas, as if they were not there")
    asked = parser.parse_args()
    import torch

    if asked.device == "cuda" and not torch.cuda.is_available():
        print("no CUDA device; --device cpu --small runs the same checks on cores", file=sys.stderr)
        return 2
    absent = lacking(asked.without.split(","))
    with bare(absent):
        from filterscope.pipeline.models.arithmetic import settle_torch

        settle_torch()
        name = torch.cuda.get_device_name() if asked.device == "cuda" else "cores"
        print(f"torch {torch.__version__} on {name}; not installed: {', '.join(absent) or 'nothing'}", flush=True)
        bench = Bench(asked.device, asked.small, absent)
        for part, needed in (("settling and tallies", {"numba"}), ("writing", _STORE)):
            if missing := needed & set(absent):
                print(f"left out: {part}, for want of {', '.join(sorted(missing))}")
        for model in bench.models:
            bench.correct(model)
        for model in bench.models:
            for batch in bench.batches:
                bench.speed(model, batch)
        bench.panel("mobilenet_v2", bench.batches[0])
    if asked.out:
        asked.out.write_text(json.dumps({"machine": name, "rows": bench.rows}, indent=1))
    return int(bench.failed)


if __name__ == "__main__":
    sys.exit(main())
