"""Pages of units, and the strips of top images that other pages show of them."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from filterscope import schemas
from filterscope.jobs.report.place import ReportPlace, maps_place, strips_place, unit_place
from filterscope.jobs.report.render import url, write_page, write_script
from filterscope.jobs.report.sections import queries
from filterscope.jobs.report.sections.axes import Box
from filterscope.jobs.report.sections.cells import About
from filterscope.jobs.report.sections.charts import Field, field, histogram
from filterscope.jobs.report.sections.facts import best_concepts, concepts_of, units_of
from filterscope.jobs.report.sections.heat import heat_maps
from filterscope.jobs.report.sections.labelled import labelled_paths
from filterscope.jobs.report.sections.section import UnitSections
from filterscope.jobs.report.sections.strips import top_images
from filterscope.jobs.report.thumbnails import Look, Slots, Thumbnail
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.methods.dissection.options import mask_key
from filterscope.pipeline.methods.significance.trust import verdict
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import PlannedModel
from filterscope.pipeline.views.decode import view_files

#: Tables that the page of a unit shows where its layer was dissected, beside those of its findings.
OWN = (
    "units",
    "thresholds",
    "unit_significance",
    "unit_concept",
    "top_images",
    "activation_histograms",
    "receptive_fields",
    "concepts",
)
#: Top images in a strip.
STRIP = 6
#: Concepts on the page of a unit.
CONCEPTS = 8


@dataclass(frozen=True)
class UnitBlock:
    """Units `start` to `stop` - 1 of one layer."""

    model: PlannedModel
    layer: Layer
    start: int
    stop: int


def write_units(where: ReportPlace, block: UnitBlock) -> int:
    """Write the pages and the strips of a block of units, and return how many pages."""
    model, layer = block.model.name, block.layer.name
    dissected = where.dissected(block.model, layer)
    about = About(where, model, layer, concepts=frozenset(concepts_of(where.plan.run)["concept"]))
    sections = UnitSections(about, OWN if dissected else (), block.start, block.stop)
    own = _dissected(where, block) if dissected else {}
    for unit in range(block.start, block.stop):
        write_page(
            where.site,
            unit_place(model, layer, unit),
            "unit.html",
            run=str(where.plan.run),
            model=block.model,
            layer=block.layer,
            unit=unit,
            previous=unit - 1 if unit else None,
            following=unit + 1 if unit + 1 < block.layer.channels else None,
            sections=sections.of(unit),
            absent=sections.absent,
            **own.get(unit, {"u": None}),
        )
    return block.stop - block.start


def _dissected(where: ReportPlace, block: UnitBlock) -> dict[int, dict[str, Any]]:
    """Write the strips of a block of units, and return what dissection says on the page of each."""
    plan, (model, layer, start, stop) = where.plan, (block.model, block.layer, block.start, block.stop)
    look = Look.of(plan, model)
    slots = where.slots(look)
    units = units_of(plan.run, model.name, layer.name, start, stop)
    tops = top_images(plan, model, layer, look, start, stop)
    _write_strips(where, block, tops, slots)
    shown = _Shown(where, block, units, tops, slots)
    return {row["unit"]: shown.page(row) for row in units.iter_rows(named=True)}


def _write_strips(where: ReportPlace, block: UnitBlock, tops: pl.DataFrame, slots: Slots) -> None:
    """Write the strips of a block of units, and the maps of their images, which are read when someone asks for them."""
    plan, model, layer, look = where.plan, block.model, block.layer, slots.look
    strips: list[list[list[Any]]] = [[] for _ in range(block.stop - block.start)]
    rows = tops.filter(pl.col("rank") < STRIP).select("unit", "view", "path", "image")
    for unit, view, path, image in rows.iter_rows() if len(slots.slot) else []:
        strips[unit - block.start].append([int(slots.slot[view]), path, image, view])
    place, maps = (of(model.name, layer.name, block.start) for of in (strips_place, maps_place))
    facts = {
        "thumbnails": url("thumbnails", look.key),
        "seen": look.seen,
        "maps": url(*maps),
        "width": look.width,
        "height": look.height,
        "first": block.start,
        "units": strips,
    }
    write_script(where.site, place, "filterscope.strips", url(*place), facts)
    if len(slots.slot):
        drawn = heat_maps(plan, model, layer, block.start, block.stop)
        write_script(where.site, maps, "pictures.maps", url(*maps), drawn)


class _Shown:
    """What the pages of a block show, read for all of its units at once."""

    def __init__(
        self, where: ReportPlace, block: UnitBlock, units: pl.DataFrame, tops: pl.DataFrame, slots: Slots
    ) -> None:
        self.where, self.block, self.slots = where, block, slots
        plan, model, layer = where.plan, block.model, block.layer
        span = (block.start, block.stop)
        self.concepts = _by_unit(
            best_concepts(plan.run, model.name, layer.name, mask_key(plan, model), *span, CONCEPTS)
        )
        here = pl.col("unit").is_between(*span, closed="left")

        def read(name: str) -> pl.DataFrame:
            return schemas.scan_layer(plan.run, name, model.name, layer.name).filter(here).collect()

        self.fields = _by_unit(read("receptive_fields"))
        self.histograms = _by_unit(read("activation_histograms"))
        self.tops = _by_unit(tops)
        labels = dict(units.select("unit", "concept").iter_rows())
        pairs = tops.select("unit", "view").iter_rows() if len(slots.slot) else []
        self.labelled = (
            labelled_paths(plan, slots.look, {(v, labels[u]) for u, v in pairs if labels[u]}) if len(slots.slot) else {}
        )
        views = tops["view"].unique().sort().to_numpy()
        files = view_files(Dataset(plan.data), plan.views.image[views]) if len(slots.slot) else []
        self.files = dict(zip(views.tolist(), files, strict=False))

    def page(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the values of the page of one unit."""
        unit, layer, model = row["unit"], self.block.layer, self.block.model
        fields = self.fields.get(unit, [])
        return {
            "u": row,
            "maps": url(*maps_place(model.name, layer.name, self.block.start)),
            "verdict": verdict(row),
            "images": [self._image(top, row["concept"]) for top in self.tops.get(unit, [])],
            "concepts": self.concepts.get(unit, []),
            "histogram": histogram(self.histograms[unit][0], row["threshold"]) if unit in self.histograms else None,
            "field": drawn_field(model, layer, fields[0] if fields else None),
            "queries": queries,
            "geometry": mask_key(self.where.plan, model),
            "shown_concepts": CONCEPTS,
            "occluded": fields[0]["images"] if fields else None,
        }

    def _image(self, top: dict[str, Any], concept: str | None) -> dict[str, Any]:
        view = top["view"]
        slot = int(self.slots.slot[view]) if len(self.slots.slot) else -1
        return {
            "rank": top["rank"],
            "image": top["image"],
            "view": view,
            "maximum": top["maximum"],
            "path": top["path"],
            "labelled": self.labelled.get((view, concept)) if concept else None,
            "thumbnail": Thumbnail.at(slot, self.slots.look) if slot >= 0 else None,
            "file": self.files.get(view, "").rsplit("/", 1)[-1],
        }


def drawn_field(model: PlannedModel, layer: Layer, measured: dict[str, Any] | None) -> Field:
    """Draw the receptive field of a layer's middle position in the input, and the measured one of a unit beside it."""
    extent = model.transform.input_size
    if layer.field is None:
        return field(extent, None, None)
    middle = [
        c + (n // 2) * s
        for c, n, s in zip(layer.field.centre, (layer.height, layer.width), layer.field.stride, strict=True)
    ]
    empirical = None
    if measured and measured["empirical_size"] is not None:
        offset = (measured["offset_y"] or 0.0, measured["offset_x"] or 0.0)
        centre = [c + o for c, o in zip(middle, offset, strict=True)]
        empirical = _box(centre, (measured["empirical_size"],) * 2)
    return field(extent, _box(middle, layer.field.size), empirical)


def _box(centre: Any, size: Any) -> Box:
    """Return the box of a size about the centre of a pixel."""
    (y, x), (height, width) = centre, size
    return Box(float(x - width / 2 + 0.5), float(y - height / 2 + 0.5), float(width), float(height))


def _by_unit(frame: pl.DataFrame) -> dict[int, list[dict[str, Any]]]:
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in frame.iter_rows(named=True):
        rows.setdefault(row["unit"], []).append(row)
    return rows


__all__ = ["CONCEPTS", "OWN", "STRIP", "UnitBlock", "drawn_field", "write_units"]
