"""Encoders and decoders whose codes are known: blobs of light by place and extent, and a copy whose codes are rotated.

Needs torch and the project's statement of latents alone, so that a factory makes them.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.models.coding import Categorical, Normal, Uniform

#: Height and width of the images, pixels.
SIDE = 20
#: What the codes are.
NAMES = ("right", "low", "wide", "high")
_PER_STEP = (2.0, 2.0, 0.25, 0.25)


def draw(codes: Tensor) -> Tensor:
    """Draw blobs, (n, 1, SIDE, SIDE) from 0 to 1, of codes (n, 4): place in steps of 2 pixels, extent in steps of a quarter."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    middle, (right, low, wide, high) = (SIDE - 1) / 2, codes.T[:, :, None, None]
    across = (x - middle - _PER_STEP[0] * right) / (2 * torch.exp(_PER_STEP[2] * wide))
    down = (y - middle - _PER_STEP[1] * low) / (2 * torch.exp(_PER_STEP[3] * high))
    return torch.exp(-(across**2 + down**2) / 2)[:, None]


def seen(images: Tensor) -> Tensor:
    """Return the codes (n, 4) of blobs, from their moments."""
    light = images[:, 0].double()
    at, total = torch.arange(SIDE).double(), light.sum((1, 2)).clamp_min(1e-9)
    columns, rows = light.sum(1) / total[:, None], light.sum(2) / total[:, None]
    found = []
    for share in (columns, rows):
        mean = (share * at).sum(1)
        found.append((mean, ((share * (at - mean[:, None]) ** 2).sum(1)).clamp_min(1e-3).sqrt()))
    (x, w), (y, h) = found
    middle = (SIDE - 1) / 2
    place = [(x - middle) / _PER_STEP[0], (y - middle) / _PER_STEP[1]]
    return torch.stack([*place, (w / 2).log() / _PER_STEP[2], (h / 2).log() / _PER_STEP[3]], 1).float()


class _Encoder(nn.Module):
    """Codes in one group, each a mixture of what is planted."""

    def __init__(self, mixing: np.ndarray) -> None:
        super().__init__()
        self.mixing = nn.Parameter(torch.from_numpy(mixing.astype(np.float32)))

    def codes(self, images: Tensor) -> Tensor:
        """Return codes (n, 1, 4)."""
        return (seen(images) @ self.mixing)[:, None]


class _Both(_Encoder):
    def decode(self, codes: Tensor, group: int) -> Tensor:
        """Draw codes."""
        return draw(codes @ self.mixing.T)

    def latents(self) -> list[Normal]:
        """All are normal."""
        return [Normal()] * len(NAMES)


class _Decoder(nn.Module):
    """No codes of images, one channel, and a uniform code that does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def decode(self, codes: Tensor, group: int) -> Tensor:
        """Draw all codes but the last."""
        return draw(codes[:, :4] * self.gain)

    def latents(self) -> list[Any]:
        """All are normal but the last."""
        return [*[Normal()] * 4, Uniform(-2.0, 2.0)]


class _Capsules(nn.Module):
    """Two groups: that of the blobs to the left, and that of those to the right; and a layer of maps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        nn.init.constant_(self.conv.weight, 1 / 9)
        nn.init.zeros_(self.conv.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores."""
        return self.conv(images).mean((2, 3))

    def codes(self, images: Tensor) -> Tensor:
        """Return codes (n, 2, 4)."""
        found = seen(images)
        return torch.stack([found * (found[:, :1] < 0), found * (found[:, :1] >= 0)], 1)


@dataclass(frozen=True)
class _Routing:
    votes: Tensor
    coupling: Tensor
    capsules: Tensor


class _Router(nn.Module):
    """Two groups, that of the blobs to the left and that of those to the right, made of four votes of two types.

    The first type votes as its capsule is, the second the other way. `selects` says how the winner is coupled: to the first
    type three times as much; else all is coupled alike.
    """

    types = 2

    def __init__(self, selects: bool) -> None:
        super().__init__()
        self.selects = nn.Parameter(torch.tensor(float(selects)))

    def route(self, images: Tensor) -> _Routing:
        """Return votes (n, 2, 4, 2), coupling (n, 2, 4) and capsules (n, 2, 2)."""
        right = (seen(images)[:, 0] >= 0).long()
        capsules = torch.full((len(images), 2, 2), 0.1)
        capsules[torch.arange(len(images)), right] = 0.6
        sign = torch.tensor([1.0, 1.0, -1.0, -1.0])
        votes = sign[:, None] * capsules[:, :, None].expand(-1, -1, 4, -1)
        coupling = torch.full((len(images), 2, 4), 0.5)
        moved = 0.25 * self.selects * sign
        coupling[torch.arange(len(images)), right] += moved
        coupling[torch.arange(len(images)), 1 - right] -= moved
        return _Routing(votes, coupling, capsules)

    def codes(self, images: Tensor) -> Tensor:
        """Return the capsules."""
        return self.route(images).capsules


def router() -> nn.Module:
    """Return an encoder whose routing selects."""
    return _Router(True)


def uniform_router() -> nn.Module:
    """Return one whose routing selects nothing."""
    return _Router(False)


class _Choice(nn.Module):
    """A choice of three places from left to right, in the order 2, 0, 1, and a normal code: how high a blob is."""

    def __init__(self, tells: bool) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.tensor([0.0, 2.5, -2.5]) * tells)

    def codes(self, images: Tensor) -> Tensor:
        """Return codes (n, 1, 4)."""
        found = seen(images)
        nearest = (found[:, :1] - torch.tensor([0.0, 2.5, -2.5])).abs().argmin(1)
        return torch.cat([nn.functional.one_hot(nearest, 3).float(), found[:, 3:]], 1)[:, None]

    def decode(self, codes: Tensor, group: int) -> Tensor:
        """Draw them."""
        right, none = codes[:, :3] @ self.place, torch.zeros(len(codes), device=codes.device)
        return draw(torch.stack([right, none, none, codes[:, 3]], 1))

    def latents(self) -> list[Any]:
        """Three values, and a normal code."""
        return [Categorical(3), Normal()]


class _Thirds(nn.Module):
    """An independent classifier: how bright the left, middle and right third of an image is."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, images: Tensor) -> Tensor:
        """Return three scores."""
        cuts = 7, 13
        return torch.stack([part.sum((1, 2, 3)) for part in images.tensor_split(cuts, dim=3)], 1) * self.gain


def choice() -> nn.Module:
    """Return an encoder and decoder with a choice that says where blobs lie."""
    return _Choice(True)


def silent_choice() -> nn.Module:
    """Return one whose choice changes nothing."""
    return _Choice(False)


def thirds() -> nn.Module:
    """Return the classifier of places."""
    return _Thirds()


def encoder() -> nn.Module:
    """Return an encoder whose codes are the factors."""
    return _Encoder(np.eye(4))


def both() -> nn.Module:
    """Return an encoder and decoder whose codes are the factors."""
    return _Both(np.eye(4))


def rotated() -> nn.Module:
    """Return the same with rotated codes."""
    return _Both(np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0])


def decoder() -> nn.Module:
    """Return a decoder alone."""
    return _Decoder()


def capsules() -> nn.Module:
    """Return an encoder of two groups."""
    return _Capsules()


def entry(factory: str, name: str = "planted") -> dict[str, Any]:
    """Return the entry of a configuration for one of these, which sees grey values from 0 to 1 as they are."""
    source = f"factory:tests.planted.codes:{factory}"
    return {"source": source, "name": name, "input_size": SIDE, "mean": [0.0], "std": [1.0], "interpolation": "nearest"}


def write_blobs(folder: Path, images: int = 60, seed: int = 0) -> Path:
    """Write blobs with their codes as attributes, and whether they lie to the right as the attribute class."""
    codes = np.random.default_rng(seed).normal(size=(images, 4)).clip(-2, 2)
    drawn = np.rint(255 * draw(torch.from_numpy(codes).float())[:, 0].numpy()).astype(np.uint8)
    with DatasetWriter(folder, source={"reader": "test"}) as out:
        for number, (pixels, own) in enumerate(zip(drawn, codes, strict=True)):
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG")
            image = out.drawn(file.getvalue(), SIDE, SIDE, name=f"{number:04d}.png")
            for name, value in zip(NAMES, own, strict=True):
                out.attribute(image, name, f"{value:.4f}")
            out.attribute(image, "class", "right" if own[0] >= 0 else "left")
    return folder
