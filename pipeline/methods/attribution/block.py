"""The views of a block that show a region, and how maps of them compare with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from filterscope.operators.attribution.agreement import rank_correlation
from filterscope.operators.attribution.energy import energy_inside
from filterscope.operators.attribution.pointing import pointed_at, says_nothing
from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.methods.attribution.curves import Filled, curves
from filterscope.pipeline.methods.attribution.explainers.base import Explainer, Explanation
from filterscope.pipeline.models.network import Network


@dataclass(frozen=True)
class Block:
    """The n views that are explained.

    Attributes
    ----------
    views : int64 ndarray of shape (n,)
        Their numbers.
    pixels : uint8 ndarray of shape (n, height, width, 3)
        What enters the network.
    classes : int64 ndarray of shape (n,)
        Class whose score is explained.
    regions : sequence of dict of str to bool ndarray of shape (height, width)
        Regions of each view, at least one.
    seeds : uint64 ndarray of shape (n,)
        Of what is drawn for each view.
    """

    views: np.ndarray
    pixels: np.ndarray
    classes: np.ndarray
    regions: Sequence[Mapping[str, np.ndarray]]
    seeds: np.ndarray

    @classmethod
    def of(cls, identity: str, views: np.ndarray, pixels: np.ndarray, classes: np.ndarray, regions: Any) -> "Block":
        """Make a block of views of the data set that has an identity."""
        seeds = np.array([seed_of("attribution", identity, int(view)) % 2**64 for view in views], np.uint64)
        return cls(views, pixels, classes, regions, seeds)

    def only(self, chosen: np.ndarray) -> "Block":
        """Return the block with some of its views, bool of shape (n,)."""
        kept = [masks for masks, here in zip(self.regions, chosen, strict=True) if here]
        return Block(self.views[chosen], self.pixels[chosen], self.classes[chosen], kept, self.seeds[chosen])

    def explained(self, explain: Explainer, network: Network) -> Explanation:
        """Explain the scores of a network; its maps are those of the input's size, whatever the method gives."""
        found = explain(network, self.pixels, self.classes, self.seeds)
        return Explanation(enlarged(found.maps, self.pixels.shape[1:3]), found.passes, found.fit)

    def rows(self, found: Explanation, network: str) -> list[dict[str, Any]]:
        """Return the rows of `attribution_scores` but their curves, by view and region; `network` is of which."""
        fits = np.full(len(self.views), np.nan) if found.fit is None else found.fit
        rows = []
        for at, (view, masks) in enumerate(zip(self.views.tolist(), self.regions, strict=True)):
            known = {
                "network": network,
                "view": view,
                "class": int(self.classes[at]),
                "fit": None if np.isnan(fits[at]) else float(fits[at]),
                "passes": found.passes,
            }
            rows += [{**known, **row} for row in compared(found.maps[at], masks)]
        return rows

    def curves(self, found: Explanation, network: Network, chosen: np.ndarray) -> dict[int, dict[str, float]]:
        """Return the areas under the curves of the chosen views, bool of shape (n,), whose maps are finite."""
        areas = {}
        for at in np.flatnonzero(chosen):
            if np.isfinite(found.maps[at]).all():
                shown = Filled.of(network, self.pixels[at])
                areas[int(self.views[at])] = curves(network, shown, found.maps[at], int(self.classes[at]))
        return areas

    def agreement(self, found: Explanation, other: Explanation, randomised: str) -> list[dict[str, Any]]:
        """Return the rows of `attribution_sanity`: maps beside those of a randomised network."""
        rows = []
        for view, one, two in zip(self.views.tolist(), found.maps, other.maps, strict=True):
            whole = np.isfinite(one).all() and np.isfinite(two).all()
            rho = rank_correlation(one, two) if whole else np.nan
            rows.append({"view": view, "randomised": randomised, "rho": None if np.isnan(rho) else rho})
        return rows


def enlarged(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return maps, float32 of shape (n, h, w), in the `size` of the input, bilinear."""
    if maps.shape[1:] == tuple(size):
        return maps
    given = torch.from_numpy(np.ascontiguousarray(maps))[:, None]
    found = torch.nn.functional.interpolate(given, size=tuple(size), mode="bilinear", align_corners=False)
    return np.asarray(found[:, 0].numpy())


def compared(values: np.ndarray, masks: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Compare a map (float32, shape (height, width)) with regions; one row each."""
    regions = np.stack(list(masks.values()))
    broken = not np.isfinite(values).all()
    zero = not broken and says_nothing(values)
    told = not (broken or zero)
    hits = pointed_at(values, regions) if told else np.zeros((len(regions), 2))
    share = regions.mean(axis=(1, 2))
    energy = energy_inside(values, regions).tolist() if told else None
    return [
        {
            "region": name,
            "share": float(share[at]),
            "hit": float(hits[at, 0]),
            "hit15": float(hits[at, 1]),
            "energy": None if energy is None else energy[at],
            "lift": None if energy is None else energy[at] / float(share[at]),
            "zero": zero,
            "broken": broken,
        }
        for at, name in enumerate(masks)
    ]


__all__ = ["Block", "compared", "enlarged"]
