"""SQL that gives the rows of a list of a page, for `filterscope query`; `static/download.js` adds the filters of the page."""

from typing import Any

from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.schemas.results import SCANNED

_SAME_LAYER = "u.model = {0}.model and u.layer = {0}.layer"
_SAME = _SAME_LAYER + " and u.unit = {0}.unit"


def literal(value: str | float) -> str:
    """Write a value as SQL: text in single quotes, each of its own doubled."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def matching(alias: str = "", **values: Any) -> str:
    """Return the condition that columns have these values; those that are None are left out."""
    dot = f"{alias}." if alias else ""
    return " and ".join(f"{dot}{name} = {literal(value)}" for name, value in values.items() if value is not None)


def units_of_layer(model: str, layer: str, *, located: bool) -> str:
    """Return the query of all units of a layer, to which conditions and an order may be added.

    Parameters
    ----------
    located : bool
        Whether the run measured location instability, of which the query has the mean over landmarks.
    """
    unstable = (
        "left join (select model, layer, unit, avg(instability) as instability from location_instability "
        f"group by model, layer, unit) as l on {_SAME.format('l')} "
    )
    return (
        "select u.unit, u.status, u.concept, u.category, u.detector, u.standing, u.iou, u.runner_up, u.runner_up_iou, "
        "u.significant, u.label_replicates, u.q_value, u.expected_iou, u.iou_heldout, u.effective_groups, c.effective_images, "
        f"c.lift{', l.instability' if located else ''} from labels as u "
        f"left join unit_concept as c on {_SAME.format('c')} and u.concept = c.concept "
        f"{unstable if located else ''}where {matching('u', model=model, layer=layer)}"
    )


def layers() -> str:
    """Return the query of the layers of a run."""
    return (
        "select l.model, l.layer, u.units, u.over_cutoff, s.expected_by_chance, s.significant, s.replicating, "
        "s.replicating_by_chance, u.unique, u.median_iou, u.dead, u.saturated from layers as l join (select model, layer, "
        "count(*) as units, sum(case when detector then 1 else 0 end) as over_cutoff, count(distinct case when detector then "
        "concept end) as unique, median(iou) as median_iou, sum(case when status = 'dead' then 1 else 0 end) as dead, "
        "sum(case when status = 'saturated' then 1 else 0 end) as saturated from units group by model, layer) as u on "
        f"{_SAME_LAYER.format('l')} left join layer_significance as s on {_SAME_LAYER.format('s')} "
        "order by l.model, l.layer"
    )


def concepts() -> str:
    """Return the query of the concepts of a run, with how many units are labelled with each."""
    return (
        "select c.concept, c.category, c.images, coalesce(u.units, 0) as units from (select concept, category, max(images) as "
        "images from concepts group by concept, category) as c left join (select concept, count(*) as units from units "
        "where detector group by concept) as u on c.concept = u.concept order by units desc, c.concept"
    )


def units_with(concept: str, *, labelled: bool) -> str:
    """Return the query of the units labelled with a concept, or labelled otherwise and best at it of all of its category."""
    return (
        "select model, layer, unit, b.iou, concept as label, standing from (select model, layer, unit, concept, standing, "
        f"unnest(best_per_category) as b from labels) as u where b.concept = {literal(concept)} and b.iou > {DETECTOR_IOU} "
        f"and concept {'=' if labelled else '<>'} {literal(concept)} order by standing, b.iou desc, model, layer, unit"
    )


def concepts_of_unit(model: str, layer: str, unit: int, geometry: str, count: int) -> str:
    """Return the query of the eligible concepts of highest IoU of a unit."""
    return (
        "select concept, category, iou, intersection, activated, labelled, lift, association, effective_images, standard_error "
        f"from unit_concept where {matching(model=model, layer=layer, unit=unit)} and iou > 0 and concept in (select concept "
        f"from concepts where eligible and {matching(geometry=geometry)}) order by iou desc limit {count}"
    )


def top_images(model: str, layer: str, unit: int) -> str:
    """Return the query of the strongest images of a unit."""
    return f"select rank, image, maximum from top_images where {matching(model=model, layer=layer, unit=unit)} order by rank"


def table_of(table: str, **about: Any) -> str:
    """Return the query of the rows of a table that a page is about, by those of its columns that say so."""
    known = {name: value for name, value in about.items() if name in SCANNED[table].names}
    condition = matching(**known)
    return f"select * from {table}" + (f" where {condition}" if condition else "")


__all__ = [
    "concepts", "concepts_of_unit", "layers", "literal", "matching", "table_of", "top_images", "units_of_layer", "units_with",
]  # fmt: skip
