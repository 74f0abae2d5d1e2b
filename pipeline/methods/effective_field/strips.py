"""Strips of images: a unit's map on strongest and on drawn views, and what its active cells see of them."""

from typing import Any

import numpy as np

from filterscope.operators.attribution.baselines import window_mean
from filterscope.operators.location.effective_field import SHARES, holding
from filterscope.pipeline.methods.attribution.drawn import drawn_views
from filterscope.pipeline.methods.dissection.options import DissectionOptions
from filterscope.pipeline.methods.effective_field.asked import POOL, TOP, FieldTask
from filterscope.pipeline.methods.effective_field.options import EffectiveFieldOptions
from filterscope.pipeline.methods.effective_field.slopes import OfActive, decoded, magnitudes
from filterscope.pipeline.methods.pictures import grey, png
from filterscope.pipeline.methods.units import strongest_of
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.stores.activations import ActivationStore

#: Side of a view and of a map in a picture, pixels.
SIDE = 112
#: What is left of the brightness of pixels that move no active position.
DIMMED = 0.2
#: Side of the window over which magnitudes of gradients are averaged before they are cut, as a share of the input.
WINDOW = 16


def strips_of(task: FieldTask, network: Network) -> list[dict[str, Any]]:
    """Return the rows of `field_strips` of a block of units."""
    units, count = np.array(task.units, np.int64), task.plan.of(EffectiveFieldOptions).strips
    pool, random = (_drawn(task, number) for number in (POOL, count))
    if not len(pool):
        return []
    strongest = strongest_of(task.plan, task.model, task.layer, units, TOP)
    pixels = decoded(task, np.concatenate([pool, strongest.ravel()]))
    drawn = _maps(network, task.layer.name, [pixels[view] for view in pool.tolist()], units)
    limits = _limits(drawn, task.plan.of(DissectionOptions).quantile)
    fires = (drawn > limits[:, None, None]).any(axis=(2, 3)).mean(axis=0)
    rows = []
    for number, unit in enumerate(units.tolist()):
        top, own = strongest[number], {"threshold": float(limits[number]), "fires": float(fires[number])}
        views = np.concatenate([top, random])
        kinds = [("top", rank) for rank in range(len(top))] + [("random", rank) for rank in range(len(random))]
        maps = _maps(network, task.layer.name, [pixels[view] for view in views.tolist()], units[[number]])[:, 0]
        pictures = _pictures(task, network, unit, limits[number], maps, [pixels[view] for view in views.tolist()])
        for (kind, rank), view, map_, picture in zip(kinds, views.tolist(), maps, pictures, strict=True):
            rows.append(
                {
                    "model": task.model.name, "layer": task.layer.name, "unit": unit, "kind": kind, "number": rank,
                    "image": int(task.plan.views.image[view]), "view": view, **own, "maximum": float(map_.max()),
                    "active": float((map_ > limits[number]).mean()), "picture": picture,
                }
            )  # fmt: skip
    return rows


def _drawn(task: FieldTask, count: int) -> np.ndarray:
    """Return drawn views that could be decoded, ascending; fewer are among more."""
    store = ActivationStore(task.plan.run, task.model.name, task.layer.name)
    seen = ~np.isnan(store.read_maxima(0, task.plan.view_count, slice(0, 1))[:, 0])
    return drawn_views(task.plan, count, seen)


def _maps(network: Network, layer: str, pixels: list[np.ndarray], units: np.ndarray) -> np.ndarray:
    """Return the maps of some units on images, float32 of shape (n, U, h, w), a pass at a time."""
    size = network.batch_size
    parts = [pixels[first : first + size] for first in range(0, len(pixels), size)]
    return np.concatenate([network.exact(np.stack(part))[layer][:, units] for part in parts])


def _limits(maps: np.ndarray, share: float) -> np.ndarray:
    """Return T of each unit: the value that a share of the positions of the drawn views are above, float32 of shape (U,)."""
    values = np.sort(np.moveaxis(maps, 1, 0).reshape(maps.shape[1], -1), axis=1)
    above = int(share * values.shape[1])
    return values[:, values.shape[1] - above - 1]


def _pictures(
    task: FieldTask, network: Network, unit: int, limit: float, maps: np.ndarray, pixels: list[np.ndarray]
) -> list[bytes]:
    targets = np.repeat([[unit, limit]], len(pixels), axis=0)
    found = magnitudes(network, np.stack(pixels), OfActive(task.layer.name), targets)
    side = min(task.model.transform.input_size) // WINDOW
    smooth = window_mean(found, side + 1 - side % 2)
    largest = max(float(maps.max()), float(limit))
    return [_picture(*parts, largest) for parts in zip(maps, pixels, smooth, strict=True)]


def _picture(map_: np.ndarray, image: np.ndarray, mass: np.ndarray, largest: float) -> bytes:
    """Return a map, grey from 0 to its largest value in the strip, and the image where the gradient's mass lies."""
    kept = holding(mass, SHARES[0])
    dimmed = np.where(kept[..., None], image, np.rint(image * DIMMED)).astype(np.uint8)
    return png(grey(map_, largest), dimmed, side=SIDE, blocks=(0,))


__all__ = ["strips_of"]
