"""The verb `report`: plan the pages of a run as units of work, and write those that are missing or out of date."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filterscope.jobs.report.pages.concepts import ConceptBlock, concepts_of, write_concepts
from filterscope.jobs.report.pages.graph import graphs_of, write_graph
from filterscope.jobs.report.pages.layers import LayerPage, write_layer
from filterscope.jobs.report.pages.overview import write_overview
from filterscope.jobs.report.pages.units import UnitBlock, write_units
from filterscope.jobs.report.place import ReportPlace
from filterscope.jobs.report.render import HERE, digest, slug
from filterscope.jobs.report.sections.strips import write_slots
from filterscope.jobs.report.sections.thumbnails import (
    PER_SPRITE,
    SPRITES,
    Look,
    Slots,
    images_at_hand,
    looks_of,
    slots_of,
    write_sprites,
)
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.engine.stage import Fingerprint, Output, Stage, Unit, blocks
from filterscope.pipeline.run.folder import RunFolder, signature
from filterscope.pipeline.run.plan import Plan
from filterscope.pipeline.stores.places import is_object, path_of

#: Concepts in a unit of work.
CONCEPTS = 100

#: Tables that the pages of a layer show, and those that the pages of the whole run show.
LAYER_TABLES = (
    "layers",
    "thresholds",
    "activation_histograms",
    "units",
    "unit_concept",
    "top_images",
    "unit_significance",
    "layer_significance",
    "unit_anchorings",
    "label_stability",
    "detector_growth",
    "graph_nodes",
    "receptive_fields",
    "location_instability",
)
GRAPH_TABLES = ("units", "graph_nodes", "graph_edges", "node_positions", "graph_summary")
RUN_TABLES = (*LAYER_TABLES, "models", "concepts", "graph_summary", "rejects", "runs")


@dataclass(frozen=True)
class ReportTask:
    """Some pages: what writes them, and of what."""

    unit: Unit
    where: ReportPlace
    write: Callable[[ReportPlace, Any], int]
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
        If there is no run, it has no findings, or `out` holds something else.
    """
    from filterscope.jobs.runs.progress import Progress
    from filterscope.pipeline.engine.quiet import native_messages_to
    from filterscope.pipeline.engine.runner import Runner, start_ray

    plan = RunFolder.existing(run).plan()
    site = _folder(plan.run, out)
    _refuse_foreign(site)
    if not any(any((plan.run / "tables" / name).rglob("*.parquet")) for name in ("units", "graph_summary")):
        raise InputError(
            f"{run} holds no units and no explanatory graphs yet; finish `filterscope audit` with the metric dissection or "
            "graph first"
        )
    site.mkdir(parents=True, exist_ok=True)
    stage, ledger = report_stage(plan, site), Ledger(site / "ledger")
    missing = ledger.missing(stage.units)
    if missing:
        ledger.forget(missing)
        left = (stage.name, len(stage.units), len(missing))
        shutil.copytree(HERE / "static", site / "static", dirs_exist_ok=True)
        with native_messages_to(site / "ledger" / "ray.log"), Progress([left]) as progress:
            progress.begin(stage.name)
            start_ray()
            Runner(ledger).run(stage, progress.advance)
    return site / "index.html"


def _folder(run: Path, out: Path | None) -> Path:
    site = path_of(out or run / "report").absolute()
    if is_object(site):
        raise InputError(
            f"a report is written to a file system, not to {site}: name a folder with --out, and copy it where it is to be "
            "read, as with `aws s3 sync`"
        )
    return site


def _refuse_foreign(site: Path) -> None:
    if site.exists() and (not site.is_dir() or (any(site.iterdir()) and not (site / "ledger").is_dir())):
        raise InputError(f"{site} exists and is no report; choose another --out")


def report_stage(plan: Plan, site: Path) -> Stage:
    """Plan the report: thumbnails by sprites, units by blocks, layers, graphs, concepts by blocks, the overview.

    No unit of work reads what another writes; all read tables and images alone. Which thumbnail lies where is settled
    here and kept in the site.
    """
    slots = [slots_of(plan, look) for look in looks_of(plan).values()]
    for found in slots:
        write_slots(site, found)
    where = ReportPlace(plan, site, tuple((found.look.key, _digest_of(found)) for found in slots))
    tasks = {task.unit: task for task in _tasks(where, slots)}
    return Stage.of("report", tasks, carry_out)


def carry_out(task: ReportTask) -> list[Output]:
    """Write the pages of a unit of work."""
    return [Output(task.unit, task.write(task.where, task.subject))]


def _tasks(where: ReportPlace, slots: list[Slots]) -> Iterator[ReportTask]:
    plan = where.plan
    signatures = _Signatures(plan.run)
    for found in slots:
        for name, start, stop in blocks("sprites", found.sprites, SPRITES):
            held = hashlib.sha256(found.view[start * PER_SPRITE : stop * PER_SPRITE].tobytes()).hexdigest()[:16]
            fingerprint = _fingerprint(plan, {"views": held})
            unit = Unit("report", ("thumbnails", found.look.key, name), fingerprint)
            yield ReportTask(unit, where, _sprites, (found.look, range(start, stop)))
    for model in plan.models:
        digest_of_slots = dict(where.digests)[Look.of(plan, model).key]
        for layer in model.layers:
            if not where.dissected(model, layer.name):
                continue
            state = signatures.of(LAYER_TABLES, (f"model={model.name}", f"layer={layer.name}"))
            fingerprint = _fingerprint(plan, {"tables": state, "thumbnails": digest_of_slots})
            for name, start, stop in blocks("units", layer.channels, plan.options.unit_block):
                unit = Unit("report", ("units", model.name, layer.name, name), fingerprint)
                yield ReportTask(unit, where, write_units, UnitBlock(model, layer, start, stop))
            unit = Unit("report", ("layers", model.name, layer.name, "layer"), fingerprint)
            yield ReportTask(unit, where, write_layer, LayerPage(model, layer))
    for page in graphs_of(plan):
        state = signatures.of(GRAPH_TABLES, (f"model={page.model.name}",))
        unit = Unit("report", ("graphs", page.model.name, slug(page.category)), _fingerprint(plan, {"tables": state}))
        yield ReportTask(unit, where, write_graph, page)
    everything = {"tables": signatures.of(RUN_TABLES, ()), "thumbnails": str(where.digests)}
    for name, start, stop in blocks("concepts", concepts_of(plan.run).height, CONCEPTS):
        unit = Unit("report", ("concepts", name), _fingerprint(plan, everything))
        yield ReportTask(unit, where, write_concepts, ConceptBlock(start, stop))
    yield ReportTask(Unit("report", ("overview",), _fingerprint(plan, everything)), where, write_overview, None)


def _sprites(where: ReportPlace, subject: tuple[Look, Iterable[int]]) -> int:
    look, sprites = subject
    return write_sprites(where.plan, where.slots(look), sprites, where.site)


def _fingerprint(plan: Plan, inputs: dict[str, str]) -> Fingerprint:
    return Fingerprint({"report": digest(), "data": plan.data_identity, "images": images_at_hand(plan)}, inputs)


def _digest_of(slots: Slots) -> str:
    return hashlib.sha256(slots.view.tobytes()).hexdigest()[:16] if len(slots.slot) else ""


class _Signatures:
    """States of tables: names, sizes and times of their files."""

    def __init__(self, run: Path) -> None:
        self._tables = run / "tables"

    def of(self, tables: Iterable[str], folders: tuple[str, ...]) -> str:
        """Return a digest of the state of tables, or of the part of them in the given Hive folders."""
        found = hashlib.sha256()
        for name in tables:
            folder = self._tables.joinpath(name, *folders)
            for path in sorted(folder.rglob("*.parquet")):
                found.update(f"{name} {path.name} {signature(path)}\n".encode())
        return found.hexdigest()[:16]


__all__ = ["CONCEPTS", "ReportTask", "carry_out", "report_stage", "write_report"]
