"""Every sentence about trust: which numbers of a layer to believe, and whether to believe a unit's label."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import polars as pl

from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.schemas.significance import NOT_TESTABLE

#: A label rests on few images below so many effective groups.
FEW = 5

Standing = Literal["strong", "tentative", "few images", "chance", "no label"]

#: What a unit's label can be, that to believe most first.
STANDINGS: tuple[Standing, ...] = get_args(Standing)

#: What each means, for a legend.
MEANINGS: dict[Standing, str] = {
    "strong": f"significant, replicates, and rests on at least {FEW} effective images or groups of images",
    "tentative": "significant or replicating, not both; or chance was not, or cannot be, measured",
    "few images": f"significant or replicating, but rests on fewer than {FEW} effective images or groups of images",
    "chance": "neither significant nor replicating",
    "no label": f"no IoU is over {DETECTOR_IOU}",
}


def standing(row: Mapping[str, Any]) -> Standing:
    """Return what a unit's label is worth: the verdict by which every list, count, badge and colour goes.

    Parameters
    ----------
    row : mapping
        The columns of `units` and `unit_significance`; those that a run lacks are None, as is `effective_images` of the
        unit and its label in `unit_concept`, which stands in where the run counted no groups, and may be left out.

    Returns
    -------
    str
        One of `STANDINGS`; `MEANINGS` says what each means.
    """
    found = evidence(row)
    if row["status"] != "live" or not row["detector"]:
        return "no label"
    rests = row["effective_groups"]
    if rests is None:
        rests = row.get("effective_images")
    compared = row["significant"] is not None and row["q_value"] is not None
    if found == "over" and compared:
        return "chance"
    if rests is not None and rests < FEW:
        return "few images"
    return "strong" if found == "both" else "tentative"


def evidence(row: Mapping[str, Any]) -> str:
    """Return both, significant, replicates, over or none: what was found for a unit's label, whatever it rests on."""
    if row["status"] != "live":
        return "none"
    if row["significant"]:
        return "both" if row["label_replicates"] else "significant"
    if row["label_replicates"]:
        return "replicates"
    return "over" if row["detector"] else "none"


def with_standing(units: pl.DataFrame) -> pl.DataFrame:
    """Add the column `standing`, the `standing` of each row of a frame with the columns that it reads; it sorts best first."""
    rests = pl.coalesce("effective_groups", *(["effective_images"] if "effective_images" in units.columns else []))
    kinds = units.select(  # few differ in what `standing` looks at, however many units there are
        *("status", "detector", "significant", "label_replicates"),
        pl.when(pl.col("q_value").is_not_null()).then(0.0).alias("q_value"),
        pl.when(rests < FEW).then(0.0).when(rests >= FEW).then(float(FEW)).alias("effective_groups"),
    )
    known = kinds.unique()
    named = known.with_columns(pl.Series("standing", map(standing, known.iter_rows(named=True)), pl.Enum(STANDINGS)))
    joined = kinds.join(named, on=kinds.columns, how="left", nulls_equal=True, maintain_order="left")
    return units.with_columns(joined["standing"])


def trust(row: Mapping[str, Any]) -> str:
    """Say which numbers of a layer to trust.

    Parameters
    ----------
    row : mapping
        A row of `layer_significance`; what runs of earlier versions did not count is None. With `strong`, how many of its
        labels are, it is these that are to be trusted.

    Returns
    -------
    str
        A sentence without a full stop.
    """
    over, significant = row["over_cutoff"], row["significant"]
    if not sum(entry["concepts"] for entry in row["eligible"]):
        return "no concept is in enough images, or groups of images, to label a unit: there is no label to trust"
    if not significant:
        return f"{_none_significant(row)}{_replicating(row)}" if over else _NO_LABEL
    known = row["significant_over_cutoff"]
    below = 0 if known is None else significant - known
    strong = row.get("strong")
    if strong is None:
        those = f"trust the {'one significant unit' if significant == 1 else f'{significant:,} significant units'}"
    else:
        those = (
            f"trust the {_are(strong, 'one strong label', f'{strong:,} strong labels')}"
            if strong
            else "no label is strong"
        )
        those += f"; {significant:,} {_are(significant, 'unit is', 'units are')} significant"
    if below == significant:
        those += f", though {'it lies' if significant == 1 else 'all of them lie'} below {DETECTOR_IOU}"
    elif below:
        those += f", {_are(below, 'one of which lies', f'{below:,} of which lie')} below {DETECTOR_IOU}"
    if not over:
        return f"{those}; no unit is {_OVER}{_replicating(row)}"
    return f"{those}; {_units_over(over)}, where {_by_chance(row)}{_replicating(row)}"


_OVER = f"over {DETECTOR_IOU}"
_NO_LABEL = f"no unit is {_OVER} and none is significant: there is no label to trust"


def _none_significant(row: Mapping[str, Any]) -> str:
    over, least, most = row["over_cutoff"], row["least_by_chance"], row["most_by_chance"]
    if most is None:
        which = f"the one label {_OVER} is not" if over == 1 else f"none of the {over:,} labels {_OVER} is"
        return f"{which} significant: {_by_chance(row)}"
    if over > most:
        than = f"{_units_over(over)}, more than in any permutation of the annotations, but"
        if over == 1:
            return f"{than} it does not stand out by itself: {_by_chance(row)}"
        return f"trust no single label: {than} none stands out by itself; {_by_chance(row)}"
    if over < least:
        return f"{_units_over(over)}, fewer than in any permutation of the annotations: {_by_chance(row)}"
    which = f"do not trust the one label {_OVER}" if over == 1 else f"trust none of the {over:,} labels {_OVER}"
    return f"{which}: {_by_chance(row)}"


def _by_chance(row: Mapping[str, Any]) -> str:
    """State how many units over the cut-off chance gives, with its spread where the run counted it."""
    mean, least, most = row["expected_by_chance"], row["least_by_chance"], row["most_by_chance"]
    if most == 0:
        return f"none is expected by chance (0 in each of {row['permutations']} permutations)"
    expected = f"{figure(mean)} {_are(mean)} expected by chance" if mean else "none is expected by chance"
    if most is None:
        return expected
    return f"{expected} (standard deviation {figure(row['expected_by_chance_sd'])}, {_range(least, most)})"


def _range(least: int, most: int) -> str:
    return f"{least:,} to {most:,} in permutations" if least < most else f"{most:,} in every permutation"


def _replicating(row: Mapping[str, Any]) -> str:
    count, most = row["replicating"], row["replicating_most_by_chance"]
    if most is None or not count:
        return ""
    those = f"{count:,} {_are(count, 'label replicates', 'labels replicate')}"
    if not most:
        return f"; {those}, none by chance"
    by_chance = f"{figure(row['replicating_by_chance'])} by chance, at most {most:,}"
    return f"; {those}, {'no more than in permutations' if count <= most else 'more than in any permutation'} ({by_chance})"


def verdict(row: Mapping[str, Any]) -> str:
    """Say in a few sentences what a unit detects and whether to believe it.

    Parameters
    ----------
    row : mapping
        The columns of `units` and `unit_significance`; those that a run lacks are None.
    """
    if row["status"] == "dead":
        return "This unit is dead: it is constant or never above zero, so it has no label."
    if row["status"] == "saturated":
        return "This unit is saturated: its threshold is its maximum, so nothing is above it and it has no label."
    if row["concept"] is None:
        return "It has no label: no concept that may label a unit overlaps it anywhere."
    label = f"{row['concept']} ({row['category']})"
    start = f"Its label is {label}." if row["detector"] else f"Its nearest concept is {label}, at an IoU not {_OVER}."
    return " ".join(filter(None, (start, _against_chance(row), _on_new_images(row), _few(row))))


def _against_chance(row: Mapping[str, Any]) -> str:
    if row["significant"] is None:
        return "It was not compared with chance."
    if row["q_value"] is None:
        return f"Whether it stands out from chance is {NOT_TESTABLE}: it lies alike in most images."
    q, again = f"q = {row['q_value']:.3g}", row["label_replicates"]
    if row["significant"]:
        return f"It stands out from chance ({q}) {'and' if again else 'but'} {_halves(row)}."
    return f"It does not stand out from chance ({q}) {'but' if again else 'and'} {_halves(row)}."


def _halves(row: Mapping[str, Any]) -> str:
    if row["label_replicates"]:
        return "replicates: each half of the images chooses this label, and it holds on the other half"
    if row["halves_agree"] is None:
        return "does not replicate"
    if row["halves_agree"]:
        return (
            "does not replicate: both halves of the images choose this label, but held out its IoU is not "
            f"{_OVER} on at least one of them"
        )
    return "does not replicate: the two halves of the images do not both choose this label"


def _on_new_images(row: Mapping[str, Any]) -> str:
    if row["expected_iou"] is None:
        return ""
    mean, low, high = (_iou(row[name]) for name in ("expected_iou", "interval_low", "interval_high"))
    return f"On as many new images its IoU is expected to be {mean} (90 % prediction interval: {low} to {high})."


def _iou(value: float) -> str:
    """Write an IoU with three decimals, or with one digit that counts: what is not 0 never reads 0."""
    return f"{value:.3f}" if value >= 0.0005 or not value else f"{value:.1g}"


def _few(row: Mapping[str, Any]) -> str:
    rests = row["effective_groups"]
    if rests is None or not row["detector"] or rests >= FEW:
        return ""
    return (
        f"It rests on few images or groups of images ({figure(rests)} effective): look at them before you believe it."
    )


def figure(value: float) -> str:
    """Write a count that need not be whole: two digits that count at least, so that what is not 0 never reads 0."""
    if value == round(value) or abs(value) >= 99.5:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 9.95 else f"{value:.2g}"


def _units_over(count: int) -> str:
    return f"{count:,} {_are(count, 'unit is', 'units are')} {_OVER}"


def _are(count: float, one: str = "is", several: str = "are") -> str:
    return one if count == 1 else several


__all__ = [
    "FEW",
    "MEANINGS",
    "STANDINGS",
    "Standing",
    "evidence",
    "figure",
    "standing",
    "trust",
    "verdict",
    "with_standing",
]
