"""Audits in this process, what they found, and whether two found the same."""

import json
from pathlib import Path
from typing import Any

from filterscope import schemas

#: What tells the rows of a layer apart.
KEYS = {
    "thresholds": ["unit"],
    "activation_histograms": ["unit"],
    "units": ["unit"],
    "unit_concept": ["unit", "concept"],
    "unit_image": ["unit", "view"],
    "top_images": ["unit", "rank"],
}


def audit_here(out: Path, *, redo: str | None = None, **settings: Any) -> Path:
    """Audit into a folder without workers, what units label unless other metrics are asked for, and return the folder."""
    from filterscope.jobs.config.audit import load_config
    from filterscope.jobs.runs.audit import audit

    settings.setdefault("methods", settings.pop("metrics", "dissection"))
    audit(load_config(out=out, **{**settings, "actors": 0}), redo=redo)
    return out


def unpromised(run: Path) -> Path:
    """Let a test edit the tables of a run: take from its markers what they promise of them, and return the folder."""
    for marker in (run / "ledger").rglob("*.json"):
        marker.write_text(json.dumps({**json.loads(marker.read_bytes()), "checksums": {}}))
    return run


def tables(run):
    """All findings of a run, sorted by their keys."""
    return {name: schemas.scan(run, name).sort("model", "layer", *keys).collect() for name, keys in KEYS.items()}


def assert_same(one, other):
    """Fail unless two runs found the same, and anything."""
    for name, frame in tables(one).items():
        assert frame.equals(tables(other)[name]), name
        assert frame.height > 0, name


def unit(layer: str, number: int, iou: float, concept: str | None) -> dict[str, Any]:
    """Return a row of the table `units`, of model a."""
    best = [{"category": "object", "concept": concept, "iou": iou}] if concept else []
    return {
        "model": "a", "layer": layer, "unit": number, "status": "live", "concept": concept, "iou": iou,
        "detector": iou > 0.04, "association": 0.0, "activated_fraction": 0.005, "minimum": 0.0, "maximum": 0.1,
        "mean": float("nan"), "standard_deviation": 1.0, "best_per_category": best,
    }  # fmt: skip
