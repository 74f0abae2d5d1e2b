"""Thumbnails: what the networks see of the strongest images, once for all layers and models, 16 in a sprite file."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from filterscope import schemas
from filterscope.jobs.report.declared import listed_in_run, listed_views
from filterscope.pipeline.datasets.layout import MANIFEST, Dataset
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.places import write_atomically
from filterscope.pipeline.views.decode import decode_views
from filterscope.pipeline.views.geometry import Geometry

#: Longer side of a thumbnail, in pixels.
SIDE = 160
#: Thumbnails along each side of a sprite.
ACROSS = 4
PER_SPRITE = ACROSS**2
#: Samples along each side of an outline.
SAMPLES = 80
#: Sprites in a piece of work.
SPRITES = 8

_QUALITY = 80


@dataclass(frozen=True)
class Look:
    """How images of a geometry are shown: as the networks see them, whatever the size of their input.

    Attributes
    ----------
    key : str
        Name of the folder of the sprites.
    geometry : Geometry
        Which part of an image is shown.
    height, width : int
        Pixels of a thumbnail.
    """

    key: str
    geometry: Geometry
    height: int
    width: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a thumbnail."""
        return self.width, self.height

    @property
    def seen(self) -> str:
        """Which part of an image is shown, as a name: looks that differ in size alone have the same."""
        return self.geometry.mask_key

    @classmethod
    def of(cls, plan: Plan, model: PlannedModel) -> "Look":
        """Return how the views of a model are shown."""
        geometry = model.geometry(plan.options.geometry)
        longer = max(geometry.size)
        height, width = (max(round(SIDE * pixels / longer), 1) for pixels in geometry.size)
        if geometry.kind == "squash":
            geometry = replace(geometry, size=(height, width), interpolation="bicubic")
        return cls(f"{geometry.mask_key}-{height}x{width}", geometry, height, width)

    def pictures(self, plan: Plan, views: Sequence[int]) -> NDArray[np.uint8]:
        """Return views of the data set, uint8 of shape (views, height, width, 3); grey where a file cannot be read."""
        from PIL import Image

        decoded = decode_views(Dataset(plan.data), plan.views, views, self.geometry)
        pictures = np.full((len(views), self.height, self.width, 3), 128, np.uint8)
        for picture, pixels, reason in zip(pictures, decoded.pixels, decoded.reasons, strict=True):
            if not reason:
                image = Image.fromarray(pixels).resize((self.width, self.height), Image.Resampling.BICUBIC)
                picture[:] = np.asarray(image)
        return pictures


@dataclass(frozen=True)
class Slots:
    """Where the thumbnails of a look lie: `view` in order of the slots, and `slot` of every view, -1 for none."""

    look: Look
    view: NDArray[np.int32]
    slot: NDArray[np.int32]

    @property
    def sprites(self) -> int:
        """Files of thumbnails."""
        return -(-len(self.view) // PER_SPRITE)


def looks_of(plan: Plan) -> dict[str, Look]:
    """Return the looks of the models of a run, by their keys."""
    return {look.key: look for look in (Look.of(plan, model) for model in plan.models)}


def slots_of(plan: Plan, look: Look) -> Slots:
    """Give every view that a page shows its slot: the strongest of units by unit and rank, then those that findings list.

    A unit's images come to lie side by side, so that a page loads few sprites; a model that is added after the others
    leaves their slots as they are.
    """
    count = plan.view_count if images_at_hand(plan) else 0
    models = [model for model in plan.models if Look.of(plan, model).key == look.key] if count else []
    layers = [(model.name, layer.name) for model in models for layer in model.layers]
    strongest = [_strongest(plan, *names) for names in layers] + [listed_views(plan.run, *names) for names in layers]
    strongest += [listed_in_run(plan.run, model.name) for model in models]
    shown = pl.concat(strongest) if strongest else pl.Series([], dtype=pl.Int32)
    view = shown.unique(maintain_order=True).to_numpy().astype(np.int32)
    slot = np.full(count, -1, np.int32)
    slot[view] = np.arange(len(view), dtype=np.int32)
    return Slots(look, view, slot)


def _strongest(plan: Plan, model: str, layer: str) -> pl.Series:
    rows = schemas.scan_layer(plan.run, "top_images", model, layer).sort("unit", "rank").select("view")
    return rows.collect()["view"]


def images_at_hand(plan: Plan) -> bool:
    """Tell whether the data set is where it was when it was audited; a report without images can do without it."""
    return (plan.data / MANIFEST).is_file()


def write_sprites(plan: Plan, slots: Slots, sprites: Iterable[int], site: Path) -> int:
    """Write some sprites of a look and return how many thumbnails they hold."""
    from PIL import Image

    count, look = 0, slots.look
    for sprite in sprites:
        views = slots.view[sprite * PER_SPRITE : (sprite + 1) * PER_SPRITE]
        sheet = np.zeros((ACROSS * look.height, ACROSS * look.width, 3), np.uint8)
        order = np.argsort(views, kind="stable")  # neighbouring views of one image are decoded once
        for place, picture in zip(order, look.pictures(plan, views[order].tolist()), strict=True):
            top, left = (int(place) // ACROSS) * look.height, (int(place) % ACROSS) * look.width
            sheet[top : top + look.height, left : left + look.width] = picture
        sink = io.BytesIO()
        Image.fromarray(sheet).save(sink, "WEBP", quality=_QUALITY, method=2)
        write_atomically(site / "thumbnails" / look.key / f"{sprite:06d}.webp", sink.getvalue())
        count += len(views)
    return count


def write_slots(site: Path, slots: Slots) -> None:
    """Keep which view lies in which slot, for the workers and for a reader of the site."""
    path = site / "thumbnails" / slots.look.key / "views.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, slots.view)


@lru_cache(maxsize=4)
def read_slots(site: Path, look: Look, views: int, digest: str) -> Slots:
    """Read the slots of a look; `digest` keeps apart what a site held at times."""
    view = np.load(site / "thumbnails" / look.key / "views.npy", allow_pickle=False)
    slot = np.full(views, -1, np.int32)
    slot[view] = np.arange(len(view), dtype=np.int32)
    return Slots(look, view, slot)


@dataclass(frozen=True)
class Thumbnail:
    """One thumbnail as a page draws it: its sprite, and how far the sprite is moved."""

    href: str
    x: int
    y: int
    look: Look
    across: int = ACROSS

    @classmethod
    def at(cls, slot: int, look: Look) -> "Thumbnail":
        """Return the thumbnail in a slot."""
        sprite, place = divmod(slot, PER_SPRITE)
        href = f"thumbnails/{look.key}/{sprite:06d}.webp"
        return cls(href, -(place % ACROSS) * look.width, -(place // ACROSS) * look.height, look)


def path_of(polygons: Iterable[NDArray[np.float64]], size: tuple[int, int]) -> str:
    """Return polygons in the unit square as the data of an SVG path in whole pixels of a picture of size (width, height)."""
    drawn = []
    for polygon in polygons:
        points = np.rint(polygon * size).astype(int)
        steps = np.diff(points, axis=0)
        steps = steps[(steps != 0).any(axis=1)]
        if len(steps) > 1:
            drawn.append(f"M{points[0, 0]} {points[0, 1]}l{_spaced(steps)}z")
    return "".join(drawn)


def _spaced(steps: NDArray[np.int64]) -> str:
    """Write numbers one after the other; a minus sign separates as well as a space does."""
    return " ".join(map(str, steps.ravel().tolist())).replace(" -", "-")


__all__ = [
    "ACROSS",
    "PER_SPRITE",
    "SAMPLES",
    "SIDE",
    "SPRITES",
    "Look",
    "Slots",
    "Thumbnail",
    "images_at_hand",
    "looks_of",
    "path_of",
    "read_slots",
    "slots_of",
    "write_slots",
    "write_sprites",
]
