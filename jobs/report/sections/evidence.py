"""What the evidence for a unit's label amounts to, in a word and in a sentence."""

from collections.abc import Mapping
from typing import Any

from filterscope.operators.dissection.scores import DETECTOR_IOU
from filterscope.operators.statistics.significance import FALSE_DISCOVERY_RATE


def evidence(row: Mapping[str, Any]) -> str:
    """Return both, significant, replicates, over or none: the strongest thing that can be said of a label."""
    if row["status"] != "live":
        return "none"
    if row["significant"]:
        return "both" if row["label_replicates"] else "significant"
    if row["label_replicates"]:
        return "replicates"
    return "over" if row["detector"] else "none"


def verdict(row: Mapping[str, Any]) -> str:
    """Say in a sentence or two what a unit detects and whether to believe it."""
    if row["status"] == "dead":
        return "This unit is dead: it is constant or never above zero, and has no label."
    if row["status"] == "saturated":
        return "This unit is saturated: its threshold is its maximum, nothing is above it, and it has no label."
    if row["concept"] is None:
        return "No concept with enough images meets this unit anywhere."
    start = f"{'Its label is' if row['detector'] else 'Its nearest concept is'} {row['concept']} ({row['category']})."
    return f"{start} {_reason(row)}"


def _reason(row: Mapping[str, Any]) -> str:
    if row["significant"] is None:
        return "It was not compared with chance."
    if row["note"]:
        return f"Its significance is {row['note']}."
    weak = "" if row["detector"] else f" Its IoU is not over {DETECTOR_IOU}."
    return _SENTENCES[bool(row["significant"]), bool(row["label_replicates"])].format(q=row["q_value"]) + weak


_SENTENCES = {
    (True, True): "It stands out from chance (q = {q:.3f}), and images held out choose the same label.",
    (True, False): "It stands out from chance (q = {q:.3f}), but images held out do not choose the same label.",
    (False, True): f"Images held out choose the same label, but it does not stand out from chance (q = {{q:.3f}}, "
    f"above {FALSE_DISCOVERY_RATE}).",
    (
        False,
        False,
    ): "It does not stand out from chance (q = {q:.3f}), and images held out do not choose the same label.",
}

__all__ = ["evidence", "verdict"]
