"""The verb `find`: the units of a concept, and the units that fire in an image."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.methods.dissection.options import DissectionOptions, kept_concepts
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.plan import Plan

_KEYS = ["model", "layer", "unit"]


def units_for(run: str | Path, concept: str) -> pl.DataFrame:
    """Return every unit that meets a concept, that of highest IoU first.

    Parameters
    ----------
    run : path
        The run folder.
    concept : str
        Name of the concept.

    Returns
    -------
    polars.DataFrame
        model, layer, unit; `label`, whether the concept is the unit's label; iou, association, lift, effective_images of
        unit and concept; and, of its label, q_value and label_replicates, null for others and where not computed.

    Raises
    ------
    InputError
        If the run has no such concept.
    """
    _open(run)
    known = schemas.scan_concepts(run).select("concept").collect()["concept"].unique().to_list()
    if concept not in known:
        raise InputError(
            f"no concept {concept!r} in {run}.{did_you_mean(concept, known)} The table concepts lists all."
        )
    pairs = schemas.scan_unit_concept(run).filter(pl.col("concept") == concept, pl.col("iou") > 0)
    label = schemas.scan_units(run).select(*_KEYS, (pl.col("concept") == concept).fill_null(False).alias("label"))
    judged = schemas.scan_unit_significance(run).select(*_KEYS, "q_value", "label_replicates")
    found = pairs.join(label, on=_KEYS).join(judged, on=_KEYS, how="left")
    own = pl.when("label").then(pl.col("q_value", "label_replicates"))
    columns = [*_KEYS, "label", "iou", "association", "lift", "effective_images", "q_value", "label_replicates"]
    return (
        found.with_columns(own).select(columns).sort(["iou", *_KEYS], descending=[True, False, False, False]).collect()
    )


def units_in(run: str | Path, image: int) -> pl.DataFrame:
    """Return every unit that is above its threshold somewhere in an image, by how much of the image that is.

    Parameters
    ----------
    run : path
        The run folder.
    image : int
        Number of the image in the data set.

    Returns
    -------
    polars.DataFrame
        model, layer, unit, concept (its label), detector, activated (mask pixels above T, in all views of the image),
        maximum, threshold.

    Raises
    ------
    InputError
        If the run kept no units of images, or has no such image.
    """
    plan = _open(run)
    if plan.of(DissectionOptions).unit_image == "off":
        raise InputError(f"{run} was audited with --unit-image off; audit with active or top to ask for an image")
    views = schemas.scan_views(run).select(pl.col("image").max()).collect().item()
    if views is None or not 0 <= image <= views:
        raise InputError(f"no image {image} in {run}; images are 0 to {views}")
    fired = (
        schemas.scan_unit_image(run)
        .filter(pl.col("image") == image)
        .group_by(_KEYS)
        .agg(pl.col("activated").sum(), pl.col("maximum").max())
    )
    units = schemas.scan_units(run).select(*_KEYS, "concept", "detector")
    limits = schemas.scan_thresholds(run).select(*_KEYS, "threshold")
    found = fired.join(units, on=_KEYS, how="left").join(limits, on=_KEYS, how="left")
    columns = [*_KEYS, "concept", "detector", "activated", "maximum", "threshold"]
    return found.select(columns).sort(["activated", *_KEYS], descending=[True, False, False, False]).collect()


def find(run: str | Path, *, concept: str | None, image: int | None) -> pl.DataFrame:
    """Return the units of a concept, or those that fire in an image; exactly one of the two is asked for."""
    if (concept is None) == (image is None):
        raise InputError("find takes one of --concept NAME and --image NUMBER")
    return units_for(run, concept) if concept is not None else units_in(run, image or 0)


def _open(run: str | Path) -> Plan:
    return RunFolder.existing(run).plan()


def left_out(run: str | Path) -> str | None:
    """Return in a sentence what `units_for` does not see where a run keeps some concepts of each unit; None if it sees all."""
    kept = kept_concepts(_open(run))
    if kept is None:
        return None
    return (
        f"the run keeps the {kept} concepts of highest IoU of each unit: units that rank this one lower are not listed "
        "(--unit-concept full keeps all)"
    )


__all__ = ["find", "left_out", "units_for", "units_in"]
