"""The verb `report`: plan the pages of a run as pieces of work, and write those that are missing or out of date."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filterscope.jobs.report import pictures
from filterscope.jobs.report.declared import declared, tables_of
from filterscope.jobs.report.pages import (
    changed,
    concepts,
    graph,
    images,
    inversions,
    layers,
    overview,
    predictions,
    search,
    units,
    zoo,
)
from filterscope.jobs.report.place import ReportPlace
from filterscope.jobs.report.render import HERE, digest, slug
from filterscope.jobs.report.sections import trees
from filterscope.jobs.report.sections.facts import concepts_of
from filterscope.jobs.report.tables import TableFiles
from filterscope.jobs.report.thumbnails import (
    PER_SPRITE,
    SPRITES,
    Look,
    Slots,
    images_at_hand,
    looks_of,
    slots_of,
    write_slots,
    write_sprites,
)
from filterscope.jobs.terminal import say
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.engine.keys import Fingerprint, Key, blocks
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods import registry
from filterscope.pipeline.methods.attribution.prediction import explained, signature_of
from filterscope.pipeline.methods.method import Per
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.places import is_local, path_of

Write = Callable[[ReportPlace, Any], int]

#: What the findings on the pages of a layer and of its units are about.
_LAYERS: tuple[Per, ...] = ("layer", "unit")


def depends(pages: str) -> tuple[str, ...]:
    """Return the tables on which pages depend: those that their own parts show, and those of their findings.

    Parameters
    ----------
    pages : str
        The first part of their keys: units or layers, graphs, concepts, images or pictures, predictions, search, zoo, overview.
    """
    if pages in ("units", "layers"):
        return tables_of(_LAYERS, (*layers.OWN, *units.OWN, *trees.OWN))
    if pages == "graphs":
        return tables_of(("category",), graph.OWN)
    if pages == "overview":
        return tables_of(("run",), (*overview.OWN, *concepts.OWN))
    own = {"concepts": concepts, "images": images, "pictures": pictures, "predictions": predictions, "search": search}
    own["inversions"] = inversions
    return zoo.OWN if pages == "zoo" else own[pages].OWN


#: Concepts, and images, in a piece of work.
CONCEPTS, IMAGES = 100, 128


@dataclass(frozen=True)
class ReportTask:
    """Some pages: what writes them, and of what."""

    key: Key
    where: ReportPlace
    write: Write
    subject: Any


def write_report(run: str | Path, out: Path | None = None) -> Path:
    """Write the report of a run, or what of it is missing or out of date.

    Parameters
    ----------
    run : path
        The run folder.
    out : path, optional
        Folder of the site; by default ``report`` in the run folder.

    Returns
    -------
    Path
        The first page.

    Raises
    ------
    InputError
        If there is no run, it holds nothing to show, or `out` holds something else.
    """
    from filterscope.jobs.runs.progress import Progress
    from filterscope.pipeline.engine.quiet import native_messages_to
    from filterscope.pipeline.engine.runner import LocalRunner, Runner, start_ray

    plan = RunFolder.existing(run).plan()
    site = folder_of(plan.run, out)
    stage, ledger = report_stage(plan, site), Ledger(site / "ledger")
    missing = list(ledger.missing(stage.keys))
    if missing:
        ledger.forget(missing)
        left = (stage.name, len(stage.keys), len(missing))
        prepare(site)
        with native_messages_to(site / "ledger" / "ray.log"), Progress([left]) as progress:
            progress.begin(stage.name)
            if plan.options.actors:
                start_ray(tell=say)
            # an audit that took no workers is too small for them to pay off here
            (Runner if plan.options.actors else LocalRunner)(ledger).run(stage, progress.advance)
    return site / "index.html"


def folder_of(run: Path, out: Path | None) -> Path:
    """Return the folder of the site of a run.

    Raises
    ------
    InputError
        If it is not on this machine, or holds something else.
    """
    site = path_of(out or run / "report").absolute()
    if not is_local(site):
        raise InputError(
            f"a report is written to a file system, not to {site}: name a folder with --out, and copy it where it is to be "
            "read, as with `aws s3 sync`"
        )
    _refuse_foreign(site)
    return site


def prepare(site: Path) -> None:
    """Make a folder a site: its style and scripts, and the ledger by which the next call knows its own."""
    (site / "ledger").mkdir(parents=True, exist_ok=True)
    shutil.copytree(HERE / "static", site / "static", dirs_exist_ok=True)


def _refuse_foreign(site: Path) -> None:
    if site.exists() and (not site.is_dir() or (any(site.iterdir()) and not (site / "ledger").is_dir())):
        raise InputError(f"{site} exists and is no report; choose another --out")


def report_stage(plan: Plan, site: Path) -> Stage:
    """Plan the report: thumbnails by sprites, units and images by blocks, layers, categories, concepts by blocks, the overview.

    No piece of work reads what another writes; all read tables and images alone. Which thumbnail lies where is settled
    here and kept in the site.

    Raises
    ------
    InputError
        If the run holds nothing that a page would show.
    """
    tables = TableFiles(plan.run)
    known = [(model, layer) for model in plan.models for layer in model.layers if _has_page(tables, model, layer)]
    categories = graph.categories_of(plan, tables)
    _refuse_empty(plan, tables, bool(known or categories))
    (site / "ledger").mkdir(parents=True, exist_ok=True)  # by which the next call knows its own
    slots = [slots_of(plan, look) for look in looks_of(plan).values()]
    for found in slots:
        write_slots(site, found)
    where = ReportPlace(
        plan,
        site,
        tuple((found.look.key, _digest_of(found)) for found in slots),
        frozenset((model.name, layer.name) for model, layer in known),
        frozenset((page.model.name, page.category) for page in categories),
    )
    planned = _Pages(where, tables)
    tasks = [*planned.sprites(slots), *planned.images(), *planned.layers(known), *planned.categories(categories)]
    tasks += [*planned.of_the_run(), *planned.of_many_models(), *planned.galleries(), *planned.predictions()]
    return Stage.of("report", {task.key: task for task in tasks}, carry_out)


def _has_page(tables: TableFiles, model: PlannedModel, layer: Layer) -> bool:
    """Tell whether a run has dissected a layer, or findings of it or of its units."""
    about = {finding.tables[0] for per in _LAYERS for _, finding in declared(per)}
    return any(tables.has(name, model.name, layer.name) for name in ("units", *sorted(about)))


def _refuse_empty(plan: Plan, tables: TableFiles, pages: bool) -> None:
    of_run = {finding.tables[0] for _, finding in declared("run")}
    if pages or any(tables.has(name) for name in of_run):
        return
    methods = registry.chosen(plan.options.methods)
    missing = sorted({finding.tables[0] for method in methods for finding in method.findings()} or of_run)
    raise InputError(
        f"{plan.run} holds nothing to show yet: its methods ({', '.join(plan.options.methods)}) have written none of the "
        f"tables {', '.join(missing)}; finish `filterscope audit` first"
    )


def carry_out(task: ReportTask) -> list[Output]:
    """Write the pages of a piece of work."""
    return [Output(task.key, task.write(task.where, task.subject))]


class _Pages:
    """The pieces of work of a report; each is done again when a table that its pages depend on changed."""

    def __init__(self, where: ReportPlace, tables: TableFiles) -> None:
        self.where, self._tables = where, tables
        self._thumbnails = dict(where.digests)
        self._explained = predictions.digest_of(where.plan.run)

    def _linked(self, model: str | None = None) -> dict[str, str]:
        """Return what decides on links: the pages there are, of a model or of all."""
        pages = [*sorted(self.where.layers), *sorted(self.where.graphs)]
        stated = "\n".join("/".join(page) for page in pages if model in (None, page[0]))
        return {"pages": hashlib.sha256(stated.encode()).hexdigest()[:16]}

    def _task(self, place: tuple[str, ...], inputs: Mapping[str, str], write: Write, subject: Any) -> ReportTask:
        plan = self.where.plan
        stated = {"report": digest(), "data": plan.data_identity, "images": images_at_hand(plan)}
        return ReportTask(Key("report", place, Fingerprint(stated, inputs)), self.where, write, subject)

    def sprites(self, slots: Sequence[Slots]) -> Iterator[ReportTask]:
        """Yield the thumbnails of each look."""
        for found in slots:
            for name, start, stop in blocks("sprites", found.sprites, SPRITES):
                held = found.view[start * PER_SPRITE : stop * PER_SPRITE].tobytes()
                inputs = {"views": hashlib.sha256(held).hexdigest()[:16]}
                place = ("thumbnails", found.look.key, name)
                yield self._task(place, inputs, _sprites, (found.look, range(start, stop)))

    def images(self) -> Iterator[ReportTask]:
        """Yield the large pictures of all images that pages show, their pages, both in blocks, and the grid of them."""
        shown = pictures.shown_images(self.where)
        common = {"thumbnails": str(self.where.digests), **self._linked()}
        named, tables = ({"tables": self._tables.state(depends(kind)), **common} for kind in ("pictures", "images"))
        for name, start, stop in blocks("images", len(shown), IMAGES):
            some = tuple(shown[start:stop])
            yield self._task(("pictures", name), named, pictures.write_pictures, some)
            before, after = ([*shown[end : end + 1], None][0] for end in (start - 1 if start else len(shown), stop))
            tables = {**tables, "predictions": self._explained}
            yield self._task(("images", name), tables, images.write_images, images.ImageBlock(some, before, after))
        yield self._task(("grid",), common, images.write_grid, None)

    def layers(self, pages: Iterable[tuple[PlannedModel, Layer]]) -> Iterator[ReportTask]:
        """Yield the units of each layer in blocks, and the layer."""
        plan = self.where.plan
        for model, layer in pages:
            inputs = {
                "tables": self._tables.state(depends("layers"), model.name, layer.name),
                "thumbnails": self._thumbnails[Look.of(plan, model).key],
                **self._linked(model.name),
            }
            for name, start, stop in blocks("units", layer.channels, plan.options.unit_block):
                place = ("units", model.name, layer.name, name)
                yield self._task(place, inputs, units.write_units, units.UnitBlock(model, layer, start, stop))
            place = ("layers", model.name, layer.name, "layer")
            yield self._task(place, inputs, layers.write_layer, layers.LayerPage(model, layer))

    def categories(self, pages: Iterable[graph.GraphPage]) -> Iterator[ReportTask]:
        """Yield the categories of each model."""
        for page in pages:
            inputs = {
                "tables": self._tables.state(depends("graphs"), page.model.name),
                "thumbnails": str(self.where.digests),  # which images have pages
                **self._linked(page.model.name),
            }
            yield self._task(("graphs", page.model.name, slug(page.category)), inputs, graph.write_graph, page)

    def of_the_run(self) -> Iterator[ReportTask]:
        """Yield the concepts in blocks, what the search box looks through, and the overview."""
        common = {"thumbnails": str(self.where.digests), **self._linked()}
        inputs = {"tables": self._tables.state(depends("concepts")), **common}
        for name, start, stop in blocks("concepts", concepts_of(self.where.plan.run).height, CONCEPTS):
            block = concepts.ConceptBlock(start, stop)
            yield self._task(("concepts", name), inputs, concepts.write_concepts, block)
        inputs = {"tables": self._tables.state(depends("search")), **common}
        yield self._task(("search",), inputs, search.write_search, None)
        if inversions.has_page(self.where.plan.run):
            inputs = {"tables": self._tables.state(depends("inversions"))}
            yield self._task(("inversions",), inputs, inversions.write_inversions, None)
        inputs = {"tables": self._tables.state(depends("overview")), "predictions": self._explained, **common}
        yield self._task(("overview",), inputs, overview.write_overview, None)

    def of_many_models(self) -> Iterator[ReportTask]:
        """Yield what measures of models go with, where there are enough of them."""
        if zoo.has_page(self.where):
            yield self._task(("zoo",), {"tables": self._tables.state(depends("zoo"))}, zoo.write_of_run, None)

    def galleries(self) -> Iterator[ReportTask]:
        """Yield the pictures of attacked and edited images of each model that galleries show."""
        for model in self.where.plan.models:
            for table in changed.OWN:
                if self._tables.has(table, model.name):
                    inputs = {"tables": self._tables.state((table,), model.name)}
                    yield self._task(("galleries", table, model.name), inputs, _gallery, (table, model.name))

    def predictions(self) -> Iterator[ReportTask]:
        """Yield the predictions that were explained, and the list of them."""
        run, inputs = self.where.plan.run, {"thumbnails": str(self.where.digests), **self._linked()}
        places = list(explained(run))
        for place in places:
            tables = self._tables.state(depends("predictions"), place[0])
            own = {"prediction": str(signature_of(run, place)), "tables": tables, **inputs}
            yield self._task(("predictions", *place), own, _prediction, place)
        if places:
            yield self._task(("predictions",), {"predictions": self._explained, **inputs}, _predictions, None)


def _prediction(where: ReportPlace, place: tuple[str, str]) -> int:
    return predictions.write_prediction(where.plan, where.site, place, report=True, shown=pictures.shown_images(where))


def _gallery(where: ReportPlace, subject: tuple[str, str]) -> int:
    return changed.write_gallery(where, *subject)


def _predictions(where: ReportPlace, _: None) -> int:
    return predictions.write_list(where.plan, where.site, report=True)


def _sprites(where: ReportPlace, subject: tuple[Look, Iterable[int]]) -> int:
    look, sprites = subject
    return write_sprites(where.plan, where.slots(look), sprites, where.site)


def _digest_of(slots: Slots) -> str:
    return hashlib.sha256(slots.view.tobytes()).hexdigest()[:16] if len(slots.slot) else ""


__all__ = ["CONCEPTS", "IMAGES", "ReportTask", "carry_out", "depends", "report_stage", "write_report"]
