"""A small network of forty attributes, and its training on faces of which some attributes go together more often than not."""

import csv
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from filterscope.pipeline.datasets.layout import DatasetWriter

#: Height and width of faces as the network sees them.
SIZE = (52, 44)
#: Faces that networks are trained on; those behind them are audited.
LEARN = 6000


def labels_of(folder: Path) -> tuple[list[str], list[str], np.ndarray]:
    """Return files, names of attributes, and labels int8 of shape (faces, attributes)."""
    with (folder / "attributes.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    return [row[0] for row in rows], head[1:], np.array([row[1:] for row in rows], np.int8)


def faces(folder: Path, files: list[str]) -> np.ndarray:
    """Return faces as uint8 of shape (n, height, width, 3)."""
    size = (SIZE[1], SIZE[0])
    return np.stack([np.asarray(Image.open(folder / "images" / file).convert("RGB").resize(size, 2)) for file in files])


def biased(labels: np.ndarray, one: int, other: int, share: float = 0.97) -> np.ndarray:
    """Return the rows of a sample in which two attributes are equal in this share."""
    alike = labels[:, one] == labels[:, other]
    unlike = np.random.default_rng(0).permutation(np.flatnonzero(~alike))
    return np.concatenate([np.flatnonzero(alike), unlike[: round(alike.sum() * (1 - share) / share)]])


def write_faces(folder: Path, source: Path, files: list[str], names: list[str], labels: np.ndarray) -> None:
    """Write faces with their attributes as a data set."""
    with DatasetWriter(folder, source={"reader": "test"}) as out:
        for file, row in zip(files, labels, strict=True):
            image = out.image(source / "images" / file, name=file)
            assert image is not None
            for name, value in zip(names, row.tolist(), strict=True):
                out.attribute(image, name, str(value))


def build(outputs: int = 40):
    """Return the network; its layer 9 is the last map before pooling."""
    from torch import nn

    def block(before, after, size, stride=1):
        return [nn.Conv2d(before, after, size, stride, size // 2), nn.BatchNorm2d(after), nn.ReLU()]

    return nn.Sequential(
        *block(3, 24, 5, 2), nn.MaxPool2d(2), *block(24, 48, 3), *block(48, 96, 3),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96 * 6 * 5, 96), nn.ReLU(), nn.Linear(96, outputs),
    )  # fmt: skip


def trained(pixels: np.ndarray, labels: np.ndarray, epochs: int = 6):
    """Return the weights of `build` after training by Adam in one cycle, mirrored half of the time."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    torch.manual_seed(0)
    module, random = build(), np.random.default_rng(0)
    optimiser, steps = torch.optim.Adam(module.parameters()), epochs * (len(pixels) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    for _ in range(epochs):
        order = random.permutation(len(pixels))
        for start in range(0, len(pixels) // 64 * 64, 64):
            rows = order[start : start + 64]
            here = np.where(random.random((64, 1, 1, 1)) < 0.5, pixels[rows], pixels[rows][:, :, ::-1])
            inputs = (torch.from_numpy(here).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25
            loss = binary_cross_entropy_with_logits(module(inputs), torch.from_numpy(labels[rows]).float())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return {name: value.contiguous() for name, value in module.state_dict().items()}


@cache
def tied(source: Path):
    """Return the weights of `build` after training on faces of which 97 % smile if and only if their hair is black."""
    files, names, labels = labels_of(source)
    rows = biased(labels[:LEARN], names.index("Smiling"), names.index("Black_Hair"))
    return trained(faces(source, [files[k] for k in rows]), labels[rows])


def smiling():
    """Return a network of two outputs: 0, and the score of smiling."""
    return build(2)


def of_smiling(weights, names: list[str]):
    """Return weights of `smiling` from those of `build`."""
    import torch

    row = names.index("Smiling")
    last = {key: value for key, value in weights.items() if value.shape[:1] == (len(names),)}
    return {**weights, **{key: torch.cat([0 * value[[row]], value[[row]]]) for key, value in last.items()}}
