"""Makes the pictures of a block of units with a learned prior, and measures how far to trust them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.synthesis.spread import matched, share_above, share_below, spread
from filterscope.operators.upconvolution.controls import nearest
from filterscope.operators.upconvolution.measures import distances, interval, pair_distance, relative
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.methods.synthesis.asked import Held, held_of, prior_of
from filterscope.pipeline.methods.synthesis.options import SynthesisOptions
from filterscope.pipeline.methods.synthesis.priors import Prior
from filterscope.pipeline.methods.synthesis.sampling import sampled
from filterscope.pipeline.methods.up_convolution.measure import known_row, png
from filterscope.pipeline.methods.visualization.asked import PictureTask
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

#: Share of real images below which a picture is not kept as natural.
UNNATURAL = 0.05
_READ_VIEWS = 4096

Row = dict[str, Any]


class Synthesiser:
    """Called once for each block of units; holds the networks it used last."""

    def __init__(self) -> None:
        from filterscope.pipeline.methods.extraction.networks import HeldNetworks

        self._networks = HeldNetworks()

    def __call__(self, task: PictureTask) -> list[Output]:
        """Make the pictures of a block, and write its parts of the tables."""
        network = self._networks.network(task.plan, task.model, (task.layer.name,))
        work = Work(task, network, prior_of(task, network), held_of(task))
        rows, units = [], []
        for weight in work.asked.weights:
            found, of_units = work.rows(weight)
            rows += found
            units += of_units
        checksums, count = {}, 0
        for name, part in (("syntheses", rows), ("synthesis_units", units)):
            table = pa.Table.from_pylist([known_row(row) for row in part], schema=TABLES[name])
            written, checksums[name] = write_table(task.plan.run, name, task.key.place, [table])
            count += written
        return [Output(task.key, count, checksums=checksums)]


@dataclass(frozen=True)
class Work:
    """A block of units, with what their pictures are made by and compared with."""

    task: PictureTask
    network: Network
    prior: Prior
    held: Held

    @property
    def asked(self) -> SynthesisOptions:
        """Options of the method."""
        return self.task.plan.of(SynthesisOptions)

    def seen(self, images: np.ndarray) -> np.ndarray:
        """Return the layer on images (n, height, width, 3) from 0 to 1."""
        return self.network.exact(np.ascontiguousarray(images * 255, np.float32))[self.task.layer.name]

    @cached_property
    def maxima(self) -> np.ndarray:
        """Maxima of the block's units on all views, float64 of shape (views, units); NaN where a view was not decoded."""
        plan, units = self.task.plan, list(self.task.units)
        store = ActivationStore(plan.run, self.task.model.name, self.task.layer.name)
        parts = [
            store.read_maxima(first, min(first + _READ_VIEWS, plan.view_count), slice(None))[:, units]
            for first in range(0, plan.view_count, _READ_VIEWS)
        ]
        return np.concatenate(parts).astype(np.float64) / plan.options.activation_scale

    @cached_property
    def unit_of_distance(self) -> float:
        """Mean distance of random pairs of known images."""
        found = pair_distance(self.held.known, seed_of("pairs of synthesis"))
        if found == 0:
            raise RunError("all images that pictures are compared with are the same")
        return found

    def nearest(self, images: np.ndarray) -> np.ndarray:
        """Return the normalised distance of each image from the nearest known one."""
        flat, known = images.reshape(len(images), -1), self.held.known.reshape(len(self.held.known), -1)
        return distances(images, self.held.known[nearest(flat, known)]) / self.unit_of_distance

    @cached_property
    def nearest_real(self) -> float:
        """The same of real images, the median."""
        return float(np.median(self.nearest(self.held.real)))

    def cycle(self, codes: torch.Tensor, images: torch.Tensor) -> np.ndarray | None:
        """Return the relative distance of codes from those of their images; None without encoder."""
        with torch.no_grad():
            again = self.prior.coded(images)
        return None if again is None else relative(codes.cpu().numpy(), again.cpu().numpy())

    @cached_property
    def cycle_real(self) -> np.ndarray | None:
        """The same of the codes of real images."""
        real = torch.from_numpy(np.moveaxis(self.held.real, 3, 1).copy()).to(self.network.device)
        with torch.no_grad():
            codes = self.prior.coded(real)
            return None if codes is None else self.cycle(codes, self.prior.images(codes).clamp(0, 1))

    def rows(self, weight: float) -> tuple[list[Row], list[Row]]:
        """Return rows of both tables for one weight of the prior."""
        task, asked, units = self.task, self.asked, list(self.task.units)
        parts = (task.model.weights_sha256, task.layer.name, repr(weight))
        codes, images = sampled(self.prior, self.network, units, asked, weight, guided=True, parts=parts)
        _, plain = sampled(self.prior, self.network, units, asked, weight, guided=False, parts=parts)
        shown, without = _kept(images), _kept(plain)
        maps = self.seen(shown)
        own = np.repeat(np.arange(len(units)), asked.chains)
        chosen = np.array(units)[own]
        reached = maps[np.arange(len(own)), chosen].max(axis=(1, 2)).astype(np.float64)
        unguided = self.seen(without)[np.arange(len(own)), chosen].max(axis=(1, 2)).astype(np.float64)
        cycle, real = self.cycle(codes, images.clamp(0, 1)), self.cycle_real
        natural = [None] * len(own) if cycle is None or real is None else share_above(cycle, real).tolist()
        near, rows = self.nearest(shown), []
        same = {"model": task.model.name, "layer": task.layer.name, "prior": self.prior.name, "weight": weight}
        for number, place in enumerate(own.tolist()):
            every = self.maxima[:, place]
            every = every[~np.isnan(every)]
            best = every.max(initial=0.0)
            rows.append({
                **same, "unit": units[place], "chain": number % asked.chains, "steps": asked.steps,
                "activation": reached[number],
                "over_dataset": reached[number] / best if best > 0 else None,
                "unguided": unguided[number] / best if best > 0 else None,
                "quantile": float(share_below(reached[number : number + 1], every)[0]),
                "natural": natural[number], "nearest": near[number], "nearest_real": self.nearest_real,
                "kept": _looks_real(natural[number]),
                "picture": png(shown[number]),
            })  # fmt: skip
        return rows, [{**same, **row} for row in self._of_units(units, shown, maps)]

    def _of_units(self, units: list[int], shown: np.ndarray, maps: np.ndarray) -> list[Row]:
        rows, chains = [], self.asked.chains
        moved = self._transfer(units, shown)
        for place, unit in enumerate(units):
            mine = slice(place * chains, (place + 1) * chains)
            top = self.held.top(np.argsort(-np.nan_to_num(self.maxima[:, place], nan=-np.inf), kind="stable")[:chains])
            other = spread(self.seen(top)) if len(top) > 1 else float("nan")
            diversity = spread(maps[mine]) / other if other > 0 else float("nan")
            rows.append({"unit": unit, "diversity": diversity, "images": chains, **moved[place]})
        return rows

    def _transfer(self, units: list[int], shown: np.ndarray) -> list[Row]:
        """Return how strongly the matched unit of another network answers, and a random one, for each unit."""
        none = dict.fromkeys(("matched", "transfer", "transfer_control"))
        if self.held.other is None:
            return [none] * len(units)
        own = self.seen(self.held.real)[:, units].max(axis=(2, 3))
        real = self.held.other((self.held.real * 255).astype(np.float32)).max(axis=(2, 3))
        found = self.held.other((shown * 255).astype(np.float32)).max(axis=(2, 3))
        rows, chains = [], self.asked.chains
        for place, partner in enumerate(matched(own, real).tolist()):
            random = np.random.default_rng(seed_of("another unit of transfer", units[place])).integers(real.shape[1])
            mine = found[place * chains : (place + 1) * chains]
            shares = [interval(share_below(mine[:, one], real[:, one]))[0] for one in (partner, int(random))]
            rows.append({"matched": partner, "transfer": shares[0], "transfer_control": shares[1]})
        return rows


def _looks_real(natural: float | None) -> bool | None:
    return None if natural is None else natural >= UNNATURAL


def _kept(images: torch.Tensor) -> np.ndarray:
    """Return images as they are kept, in 8 bits: float32 (n, height, width, 3) from 0 to 1."""
    shown = images.detach().clamp(0, 1).mul(255).round().div(255).expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
    return np.ascontiguousarray(shown.cpu().numpy(), np.float32)


__all__ = ["UNNATURAL", "Synthesiser", "Work"]
