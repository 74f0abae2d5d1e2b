"""What a comparison shows of its sides: top images of their best units, short names, and charts over depth and time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filterscope.jobs.report.sections.multiples import Counted, Multiples, multiples
from filterscope.jobs.report.sections.strips import top_images
from filterscope.jobs.report.thumbnails import (
    ACROSS,
    PER_SPRITE,
    Look,
    Slots,
    Thumbnail,
    images_at_hand,
    write_sprites,
)
from filterscope.pipeline.methods.comparison.comparison import Comparison, Side
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.places import is_local

#: Top images of a unit.
IMAGES = 3
#: Concepts that have a chart.
CHARTED = 8

Strip = list[dict[str, Any]]


@dataclass(frozen=True)
class _Reported(Look):
    """A look whose pictures come from the report of the run where it has them, and else from the data set."""

    def pictures(self, plan: Plan, views: Sequence[int]) -> NDArray[np.uint8]:
        found = _from_report(plan.run, self, views)
        return super().pictures(plan, views) if found is None else found


def write_strips(sides: Sequence[Side], units: Sequence[Sequence[int]], out: Path) -> list[dict[int, Strip] | None]:
    """Write thumbnails of the strongest images of some units of each side.

    Parameters
    ----------
    sides : sequence of Side
        The sides.
    units : sequence of sequence of int
        The units of each.
    out : Path
        Folder of the page.

    Returns
    -------
    list
        For each side the images of each unit as a page draws them: `thumbnail`, `path` and `image`; None where neither the
        images nor a report that shows them is there.
    """
    tops = [_tops(side, wanted) for side, wanted in zip(sides, units, strict=True)]
    strips: list[dict[int, Strip] | None] = []
    for number, (side, found) in enumerate(zip(sides, tops, strict=True)):
        look = Look.of(side.plan, side.planned)
        views = sorted({top["view"] for some in found.values() for top in some})
        if not images_at_hand(side.plan) and _from_report(side.run, look, views) is None:
            strips.append(None)
            continue
        folder = f"sides/{number + 1}"
        slots = _slots(side.plan, _Reported(look.key, look.geometry, look.height, look.width), views)
        write_sprites(side.plan, slots, range(slots.sprites), out / folder)
        strips.append({unit: [_drawn(top, slots, folder) for top in some] for unit, some in found.items()})
    return strips


def _tops(side: Side, units: Sequence[int]) -> dict[int, Strip]:
    layer = next(known for known in side.planned.layers if known.name == side.layer)
    look = Look.of(side.plan, side.planned)
    return {
        unit: top_images(side.plan, side.planned, layer, look, unit, unit + 1).head(IMAGES).to_dicts() for unit in units
    }


def _slots(plan: Plan, look: Look, views: Sequence[int]) -> Slots:
    slot = np.full(plan.view_count, -1, np.int32)
    slot[views] = np.arange(len(views), dtype=np.int32)
    return Slots(look, np.array(views, np.int32), slot)


def _drawn(top: Mapping[str, Any], slots: Slots, folder: str) -> dict[str, Any]:
    thumbnail = Thumbnail.at(int(slots.slot[top["view"]]), slots.look)
    thumbnail = replace(thumbnail, href=f"{folder}/{thumbnail.href}")
    return {"thumbnail": thumbnail, "path": top["path"], "image": top["image"]}


def _from_report(run: Path, look: Look, views: Sequence[int]) -> NDArray[np.uint8] | None:
    """Return views as a report of the run shows them, as `Look.pictures` does; None unless it has all of them."""
    folder = run / "report" / "thumbnails" / look.key
    if not is_local(folder):  # a report is written to a file system
        return None
    try:
        held = np.load(folder / "views.npy", allow_pickle=False)
        slots = {int(view): slot for slot, view in enumerate(held)}
        pictures = np.zeros((len(views), look.height, look.width, 3), np.uint8)
        for picture, view in zip(pictures, views, strict=True):
            sprite, place = divmod(slots[view], PER_SPRITE)
            top, left = (place // ACROSS) * look.height, (place % ACROSS) * look.width
            file = folder / f"{sprite:06d}.webp"
            picture[:] = _sheet(file, file.stat().st_mtime_ns)[top : top + look.height, left : left + look.width]
    except (OSError, ValueError, KeyError):  # no report, an old or damaged one, or one without these views
        return None
    return pictures


@lru_cache(maxsize=64)
def _sheet(path: Path, written: int) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def short_names(sides: Sequence[Side]) -> tuple[str, list[str]]:
    """Return what all sides have in common, and what tells them apart: models of one layer, or layers of one model."""
    layers = [side.layer for side in sides]
    if len({_owner(side) for side in sides}) == 1 and len(set(layers)) == len(layers):
        return sides[0].model, layers
    if len(set(layers)) == 1:
        return layers[0], [side.name.removesuffix(f" {side.layer}") for side in sides]
    return "", [side.name for side in sides]


def charts(found: Comparison) -> list[Multiples]:
    """Lay out shares of units that stand, over depth where models have several layers, and over models where there are some.

    A line joins the layers of a network, and checkpoints of one architecture; other networks have no order.
    """
    sides = found.members
    layers = list(dict.fromkeys(side.layer for side in sides))
    owners = list(dict.fromkeys(_owner(side) for side in sides))
    at = {(_owner(side), side.layer): number for number, side in enumerate(sides)}
    if len(at) < 3:
        return []
    first = [next(side for side in sides if _owner(side) == owner) for owner in owners]
    names = [side.name.removesuffix(f" {side.layer}") for side in first]
    grid = [[at.get((owner, layer)) for layer in layers] for owner in owners]
    drawn = []
    if len(at) > len(owners):
        axis = "layers, from the first to the last"
        drawn += _drawn_over("depth", axis, found, places=layers, lines=names, grid=grid, joined=True)
    if len(owners) > 1:
        one = len({side.planned.architecture for side in sides}) == 1
        what = "checkpoints" if one else "models"
        lines, across = layers, [list(column) for column in zip(*grid, strict=True)]
        if len(at) == len(owners):  # a layer of each, whatever its name
            lines, across = [" or ".join(layers)], [list(at.values())]
        axis = f"{what}, in the order given"
        drawn += _drawn_over(what, axis, found, places=names, lines=lines, grid=across, joined=one)
    return drawn


def _drawn_over(what: str, axis: str, found: Comparison, **laid: Any) -> list[Multiples]:
    units = [side.units.height for side in found.members]
    kinds = {"Categories": _categories(found), "Concepts of most units": _concepts(found)}
    return [
        multiples(f"{name} over {what}", axis, units=units, kinds=some, **laid) for name, some in kinds.items() if some
    ]


def _owner(side: Side) -> tuple[Path, str]:
    return side.run, side.model


def _categories(found: Comparison) -> list[Counted]:
    """Return units that stand of each category."""
    kinds = [
        Counted(str(name), str(name), (rows["strong"] + rows["tentative"]).to_list())
        for (name,), rows in found.verdicts.group_by("category", maintain_order=True)
    ]
    return [kind for kind in kinds if any(kind.counts)]


def _concepts(found: Comparison) -> list[Counted]:
    """Return units that stand of the concepts that most of them stand for."""
    sides = found.members
    kinds = [
        Counted(name, category, [side.stand.get(name, 0) if name in side.eligible else None for side in sides])
        for name, category in found.concepts.select("concept", "category").iter_rows()
    ]
    most = sorted(kinds, key=lambda kind: (-sum(count or 0 for count in kind.counts), kind.name))
    return [kind for kind in most if any(kind.counts)][:CHARTED]


__all__ = ["IMAGES", "charts", "short_names", "write_strips"]
