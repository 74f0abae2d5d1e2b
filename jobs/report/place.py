"""Where the pages of a report lie, and what every page needs to be written."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filterscope.jobs.report.render import slug, url
from filterscope.jobs.report.thumbnails import Look, Slots, read_slots
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.tables import table_path

Place = tuple[str, ...]


@dataclass(frozen=True)
class ReportPlace:
    """A run and the folder of its site.

    Attributes
    ----------
    plan, site
        The run and the folder.
    digests : tuple of (str, str)
        Which thumbnails lie in which slots.
    layers, graphs : frozenset of (str, str)
        (model, layer) and (model, category) that have pages.
    """

    plan: Plan
    site: Path
    digests: tuple[tuple[str, str], ...]
    layers: frozenset[tuple[str, str]] = frozenset()
    graphs: frozenset[tuple[str, str]] = frozenset()

    def slots(self, look: Look) -> Slots:
        """Return where the thumbnails of a look lie."""
        digest = dict(self.digests)[look.key]
        return read_slots(self.site, look, self.plan.view_count if digest else 0, digest)

    def strips(self, row: Mapping[str, Any]) -> str:
        """Return the address of the file that holds the top images of a unit, by its model, layer and unit."""
        size = self.plan.options.unit_block
        return url(*strips_place(row["model"], row["layer"], row["unit"] // size * size))

    def dissected(self, model: PlannedModel, layer: str) -> bool:
        """Tell whether a layer has units, and so pages of them; a run may hold explanatory graphs alone."""
        folder = table_path(self.plan.run, "units", (model.name, layer, "any")).parent
        return any(folder.glob("*.parquet"))


def graph_place(model: str, category: str) -> Place:
    """Return the place of the page of an explanatory graph."""
    return "g", model, f"{slug(category)}.html"


def layer_place(model: str, layer: str) -> Place:
    """Return the place of the page of a layer."""
    return "m", model, layer, "index.html"


def unit_place(model: str, layer: str, unit: int) -> Place:
    """Return the place of the page of a unit: its permalink."""
    return "m", model, layer, f"{unit}.html"


def strips_place(model: str, layer: str, start: int) -> Place:
    """Return the place of the top images of a block of units."""
    return "m", model, layer, f"strips-{start:06d}.js"


def maps_place(model: str, layer: str, start: int) -> Place:
    """Return the place of the activation maps of a block of units."""
    return "m", model, layer, f"maps-{start:06d}.js"


def concept_place(concept: str) -> Place:
    """Return the place of the page of a concept."""
    return "c", f"{slug(concept)}.html"


def image_place(image: int) -> Place:
    """Return the place of the page of an image, by its row in the data set."""
    return "i", f"{image}.html"


def prediction_place(model: str, name: str) -> Place:
    """Return the place of the page of a prediction, by its model, view and class."""
    return "p", model, f"{name}.html"


def prediction_picture(model: str, name: str, *which: str) -> Place:
    """Return the place of a picture of a prediction: of the view, or of the map of a method and a network."""
    return "p", model, f"{'-'.join((name, *which))}.webp"


def hung_place(model: str, folders: tuple[str, ...], view: int, which: str) -> Place:
    """Return the place of a picture of a gallery; `folders` such as the attack, as keys call it, `which` such as change."""
    return "a", model, *folders, f"{view}-{which}.png"


def search_place(name: str) -> Place:
    """Return the place of a file that the search box looks through."""
    return "search", f"{name}.js"


__all__ = [
    "Place",
    "ReportPlace",
    "concept_place",
    "graph_place",
    "hung_place",
    "image_place",
    "layer_place",
    "maps_place",
    "prediction_picture",
    "prediction_place",
    "search_place",
    "strips_place",
    "unit_place",
]
