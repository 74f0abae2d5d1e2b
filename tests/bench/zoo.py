"""Rows about many networks in one audit: what a panel saves by decoding once, and what a tiny network costs."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.dataflow import repeated
from tests.bench.real import data_folder
from tests.bench.row import Row

#: Images and checkpoints of the panel; its layer ends a pass where decoding is about a third of the work.
_IMAGES, _CHECKPOINTS, _LAYER = 1000, 8, "features.3"
_TINY = 200
_ASKED = ("--methods", "dissection", "--actors", "0", "--no-report")


def panel() -> Iterator[Row]:
    """Audit 8 checkpoints of mobilenet_v2 in one run and in eight, and compare the processor time of whole processes."""
    with TemporaryDirectory(prefix="filterscope-bench-") as folder:
        data = repeated(Path(folder) / "data", _IMAGES)
        _checkpoints(Path(folder))
        models = [f"torchvision:mobilenet_v2@{folder}/{n}.pth" for n in range(_CHECKPOINTS)]
        single = sum(_audit(folder, data, [model], n) for n, model in enumerate(models))
        together = _audit(folder, data, models, "together")
    yield Row(
        "panel", together, "s of processor", f"{_CHECKPOINTS} audits: {single:.0f} s", together / single, "<= 0.6"
    )


def tiny_zoo() -> Iterator[Row]:
    """Audit 200 networks of two convolutions on 16 images: what is left is what a network costs beyond its passes."""
    import torch

    from tests import planted

    with TemporaryDirectory(prefix="filterscope-bench-") as folder:
        planted.write_dataset(Path(folder) / "data")
        torch.manual_seed(0)
        for number in range(_TINY):
            weights = {name: tensor + torch.rand(()) / 100 for name, tensor in planted.network().state_dict().items()}
            torch.save(weights, Path(folder) / f"{number:03d}.pth")
        zoo = Path(folder) / "zoo.toml"
        for count in (1, _TINY):
            pattern = f"{folder}/{'000' if count == 1 else '*'}.pth"
            zoo.write_text(
                f'data = "{folder}/data"\nlayers = ["1"]\nquantile = 0.05\nmin_images = 3\n'
                f'[[models]]\nfactory = "tests.planted:network"\ncheckpoints = "{pattern}"\n'
                f"input_size = {planted.SIZE}\n"
            )
            seconds = _processor("audit", str(zoo), "--out", f"{folder}/run-{count}", *_ASKED)
            if count == 1:
                alone = seconds
    each = (seconds - alone) / (_TINY - 1)
    yield Row("tiny_zoo", each, "s of processor a network", f"one alone: {alone:.1f} s", target="<= 1")


def _checkpoints(folder: Path) -> None:
    """Write checkpoints of one network that differ by a little noise, as those of a training do."""
    import torch

    weights = torch.load(data_folder() / "weights" / "mobilenet_v2-b0353104.pth", weights_only=True)
    generator = torch.Generator().manual_seed(0)
    for number in range(_CHECKPOINTS):
        moved = {
            name: tensor * (1 + 0.01 * torch.randn(tensor.shape, generator=generator)) if tensor.ndim == 4 else tensor
            for name, tensor in weights.items()
        }
        torch.save(moved, folder / f"{number}.pth")


def _audit(folder: str, data: Path, models: list[str], name: object) -> float:
    asked = [
        *(word for model in models for word in ("--model", model)),
        "--data",
        str(data),
        "--layers",
        _LAYER,
        "--out",
        f"{folder}/run-{name}",
    ]
    return _processor("audit", *asked, "--min-images", "1", *_ASKED)


def _processor(*command: str) -> float:
    """Return the processor time of a command and its children, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "filterscope", *command], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
