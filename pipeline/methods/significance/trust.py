"""Every sentence about trust: which numbers of a layer to believe, and whether to believe a unit's label."""

from collections.abc import Mapping
from typing import Any

from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.operators.statistics.significance import FALSE_DISCOVERY_RATE

#: A label rests on few images below so many effective groups.
FEW = 5


def evidence(row: Mapping[str, Any]) -> str:
    """Return both, significant, replicates, over or none: the strongest thing that can be said of a unit's label."""
    if row["status"] != "live":
        return "none"
    if row["significant"]:
        return "both" if row["label_replicates"] else "significant"
    if row["label_replicates"]:
        return "replicates"
    return "over" if row["detector"] else "none"


def trust(row: Mapping[str, Any]) -> str:
    """Say which numbers of a layer to trust.

    Parameters
    ----------
    row : mapping
        A row of `layer_significance`; what runs of earlier versions did not count is None.

    Returns
    -------
    str
        A sentence without a full stop.
    """
    over, significant = row["over_cutoff"], row["significant"]
    if not sum(entry["concepts"] for entry in row["eligible"]):
        return "no concept is in enough images or groups to label a unit: there is no label to trust"
    if not significant:
        return f"{_none_significant(row)}{_replicating(row)}" if over else _NO_LABEL
    below = significant - (significant if row["significant_over_cutoff"] is None else row["significant_over_cutoff"])
    those = f"trust the {_units(significant, 'significant unit')}"
    if below == significant:
        all_of = "it lies" if significant == 1 else "all of them lie"
        those += f", though {all_of} below {DETECTOR_IOU}"
    elif below:
        those += f", {below} of them below {DETECTOR_IOU}"
    if not over:
        return f"{those}: no unit is over {DETECTOR_IOU}{_replicating(row)}"
    return f"{those}; {_of_those_over(row)}{_replicating(row)}"


_NO_LABEL = f"no unit is over {DETECTOR_IOU} and none is significant: there is no label to trust"


def _none_significant(row: Mapping[str, Any]) -> str:
    over, most, least = row["over_cutoff"], row["most_by_chance"], row["least_by_chance"]
    if most is not None and over > most:
        return (
            f"believe no single label: {_units(over)} {_is(over)} over {DETECTOR_IOU}, more than in any permutation "
            f"({_by_chance(row)}), but none stands out by itself"
        )
    if least is not None and over < least:
        return f"trust none of the {_units(over, 'label')} over {DETECTOR_IOU}: every permutation has more ({_by_chance(row)})"
    which = "the one label" if over == 1 else f"any of the {over:,} labels"
    return f"do not trust {which} over {DETECTOR_IOU}: permuted annotations give as many ({_by_chance(row)})"


def _of_those_over(row: Mapping[str, Any]) -> str:
    over = row["over_cutoff"]
    return f"of the {_units(over)} over {DETECTOR_IOU}, {_by_chance(row)}"


def _by_chance(row: Mapping[str, Any]) -> str:
    """State how many units over the cut-off chance gives, with its spread where the run counted it."""
    mean = row["expected_by_chance"]
    if row["most_by_chance"] is None:
        return f"{figure(mean)} expected by chance"
    if not row["most_by_chance"]:
        return f"none in {row['permutations']} permutations"
    spread = f"standard deviation {figure(row['expected_by_chance_sd'])}"
    return f"{figure(mean)} expected by chance, {spread}, {row['least_by_chance']:,} to {row['most_by_chance']:,}"


def _replicating(row: Mapping[str, Any]) -> str:
    count, most = row["replicating"], row["replicating_most_by_chance"]
    if most is None or not count:
        return ""
    verb = "replicates" if count == 1 else "replicate"
    if count <= most:
        return f"; {count:,} {verb}, as permuted labels do ({figure(row['replicating_by_chance'])}, up to {most:,})"
    return f"; {count:,} {verb}, {figure(row['replicating_by_chance'])} by chance"


def verdict(row: Mapping[str, Any]) -> str:
    """Say in a few sentences what a unit detects and whether to believe it.

    Parameters
    ----------
    row : mapping
        The columns of `units` and `unit_significance`; those that a run lacks are None.
    """
    if row["status"] == "dead":
        return "This unit is dead: it is constant or never above zero, and has no label."
    if row["status"] == "saturated":
        return "This unit is saturated: its threshold is its maximum, nothing is above it, and it has no label."
    if row["concept"] is None:
        return "No concept with enough images meets this unit anywhere."
    start = f"{'Its label is' if row['detector'] else 'Its nearest concept is'} {row['concept']} ({row['category']})."
    weak = "" if row["detector"] else f" Its IoU is not over {DETECTOR_IOU}."
    return " ".join(filter(None, (start, _against_chance(row) + weak, _on_new_images(row), _few(row))))


def _against_chance(row: Mapping[str, Any]) -> str:
    if row["significant"] is None:
        return "It was not compared with chance."
    if row["q_value"] is None:
        return f"Its significance is {row['note']}."
    q = f"q = {row['q_value']:.3f}"
    if row["significant"]:
        agree = "and" if row["label_replicates"] else "but"
        return f"It stands out from chance ({q}), {agree} {_halves(row)}."
    agree = "but" if row["label_replicates"] else "and"
    return f"It does not stand out from chance ({q}, above {FALSE_DISCOVERY_RATE}), {agree} {_halves(row)}."


def _halves(row: Mapping[str, Any]) -> str:
    if row["label_replicates"]:
        return "it replicates: either half of the images chooses this label, and it holds on the other"
    if row["halves_agree"] is None:
        return "it does not replicate"
    if row["halves_agree"]:
        return (
            f"either half of the images chooses this label, but not both find it over {DETECTOR_IOU} on the other half"
        )
    return "the two halves of the images do not both choose this label"


def _on_new_images(row: Mapping[str, Any]) -> str:
    if row["expected_iou"] is None:
        return ""
    low, high = row["interval_low"], row["interval_high"]
    return f"On as many new images its IoU is expected to be {row['expected_iou']:.3f} ({low:.3f} to {high:.3f})."


def _few(row: Mapping[str, Any]) -> str:
    rests = row["effective_groups"]
    if rests is None or not row["detector"] or rests >= FEW:
        return ""
    return f"It rests on {figure(rests)} effective images: believe it only after a look at them."


def figure(value: float) -> str:
    """Write a count that need not be whole: two digits that count at least, so that what is not 0 never reads 0."""
    if value == round(value) or abs(value) >= 99.5:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 9.95 else f"{value:.2g}"


def _units(count: int, what: str = "unit") -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


__all__ = ["FEW", "evidence", "figure", "trust", "verdict"]
