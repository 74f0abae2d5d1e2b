"""What generates pictures of codes: an inverter of the audited layer, or a network of the user's with `decode`."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.models.architectures.inverter import Inverter
from filterscope.pipeline.models.gradients import record
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.taps import Taps
from filterscope.pipeline.models.tensors import grey


@dataclass(frozen=True)
class Prior:
    """A generator.

    Attributes
    ----------
    name : str
        In the tables.
    shape : tuple of int
        Of the codes of one picture.
    centre, deviation : float
        Of codes: what is drawn to start from, and the unit of steps.
    low : float, optional
        Least value of codes.
    """

    name: str
    shape: tuple[int, ...]
    centre: float = 0.0
    deviation: float = 1.0
    low: float | None = None

    def images(self, codes: Tensor) -> Tensor:
        """Return images (n, colours, height, width) of codes (n, *shape), of which gradients can be taken."""
        raise NotImplementedError

    def coded(self, images: Tensor) -> Tensor | None:
        """Return the codes of images from 0 to 1; None where there is no encoder."""
        raise NotImplementedError

    def denoised(self, codes: Tensor, images: Tensor) -> Tensor:
        """Return what an autoencoder makes of codes with these images; the centre, whose law is normal, without encoder."""
        found = self.coded(images)
        return torch.full_like(codes, self.centre) if found is None else found

    def start(self, seeds: list[int], device: str) -> Tensor:
        """Return codes to start from, one for each seed."""
        drawn = [torch.randn(self.shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        codes = self.centre + self.deviation * torch.stack(drawn).to(device)
        return codes if self.low is None else codes.clamp(min=self.low)


@dataclass(frozen=True)
class InverterPrior(Prior):
    """An inverter of the layer of a network, whose codes are the layer's features."""

    inverter: Inverter | None = None
    network: Network | None = None

    @classmethod
    def of(cls, inverter: Inverter, network: Network, low: float | None) -> "InverterPrior":
        """Return it; `low` is 0 where the layer is never below."""
        return cls(
            "inverter", inverter.features, float(inverter.centre), float(inverter.deviation), low, inverter, network
        )

    def images(self, codes: Tensor) -> Tensor:
        """Return what the inverter makes of them."""
        assert self.inverter is not None
        # not clipped: a gradient passes pixels that are black or white already
        made: Tensor = self.inverter(codes)
        return made

    def coded(self, images: Tensor) -> Tensor:
        """Return the layer on images."""
        assert self.network is not None
        layer = self.network.layers[0]
        return record(exact_taps(self.network), normalised(self.network, images), (), whole=False)[1][layer]


@dataclass(frozen=True)
class CoderPrior(Prior):
    """A network with `decode` and, for the prior's own part, `codes`."""

    module: Any = None
    encodes: bool = False
    size: tuple[int, int] = (0, 0)
    shown: tuple[int, int] = (0, 0)
    mean: Tensor | None = None
    std: Tensor | None = None

    @classmethod
    def of(cls, text: str, size: tuple[int, int], device: str) -> "CoderPrior":
        """Open a network that an option names; pictures are resized to `size`.

        Raises
        ------
        InputError
            If it does not open, or has no `decode`.
        """
        from filterscope.pipeline.engine.errors import InputError
        from filterscope.pipeline.models.coder import coder_of, coding_of
        from filterscope.pipeline.models.model import open_model
        from filterscope.pipeline.models.stated import stated_spec
        from filterscope.pipeline.models.tensors import normalisation

        model = open_model(stated_spec(text))
        coding = coding_of(model.module, (model.transform.channels, *model.transform.input_size), model.name)
        if coding is None or not coding.decodes:
            raise InputError(f"{model.name} has no decode(codes, group), so that it generates no pictures")
        mean, std = (value / 255 for value in normalisation(model, device))
        module = coder_of(model.module.to(device))
        return cls(
            model.name,
            (coding.dims,),
            module=module,
            encodes=coding.encodes,
            size=model.transform.input_size,
            shown=size,
            mean=mean,
            std=std,
        )

    def images(self, codes: Tensor) -> Tensor:
        """Return what it decodes."""
        made: Tensor = self.module.decode(codes, 0).clamp(0, 1)
        if made.shape[2:] == self.shown:
            return made
        return interpolate(made, self.shown, mode="bilinear", antialias=True)

    def coded(self, images: Tensor) -> Tensor | None:
        """Return its codes of images, None where it has no `codes`."""
        if not self.encodes:
            return None
        assert self.mean is not None
        assert self.std is not None
        if images.shape[2:] != self.size:
            images = interpolate(images, self.size, mode="bilinear", antialias=True)
        found: Tensor = self.module.codes((coloured(images, self.mean.shape[1]) - self.mean) / self.std)
        return found[:, 0]


def coloured(images: Tensor, channels: int) -> Tensor:
    """Return images of one or three colours with as many channels as a network takes."""
    if channels == 1:
        return grey(images)[:, None]
    return images.expand(-1, 3, -1, -1)[:, [number % 3 for number in range(channels)]]


def normalised(network: Network, images: Tensor) -> Tensor:
    """Return images from 0 to 1 as a network takes them."""
    return (coloured(images, network.mean.shape[1]) * 255 - network.mean) / network.std


def exact_taps(network: Network) -> Taps:
    """Return the network's taps without rounding."""
    from filterscope.pipeline.models.gradients import tapped_for

    return tapped_for(network.taps, ())


def seeds_of(parts: tuple[Any, ...], units: list[int], chains: int) -> list[int]:
    """Return a seed for each unit and chain, by identity."""
    return [seed_of("synthesis", *parts, unit, chain) % 2**63 for unit in units for chain in range(chains)]


__all__ = ["CoderPrior", "InverterPrior", "Prior", "coloured", "exact_taps", "normalised", "seeds_of"]
