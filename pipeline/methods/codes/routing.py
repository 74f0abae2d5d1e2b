"""What routing between capsules selects, group by group, beside the coupling of other groups."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from filterscope.pipeline.methods.codes.encode import read_coded
from filterscope.pipeline.run.plan import Plan, PlannedModel

_MEANS = ("agreement", "entropy")


def routing_rows(plan: Plan, model: PlannedModel) -> Iterator[dict[str, Any]]:
    """Yield rows of the table `capsule_routing`: of each group whose capsule is the longest on some encoded image."""
    if model.coding is None or not model.coding.routes:
        return
    names = ("winner", *_MEANS, "permuted", "other", "types", "other_types")
    stored = read_coded(plan, model, *(f"routed-{name}" for name in names))
    found = {name: stored[f"routed-{name}"] for name in names if f"routed-{name}" in stored}
    for group in np.unique(found.get("winner", np.zeros(0, np.int64))).tolist():
        mine = {name: values[found["winner"] == group] for name, values in found.items()}
        selected, count = mine["agreement"] - mine["permuted"], len(mine["winner"])
        top = int(mine["types"].mean(axis=0).argmax())
        yield {
            "group": group,
            "images": count,
            **{name: float(mine[name].mean()) for name in _MEANS},
            "agreement_permuted": float(mine["permuted"].mean()),
            "selected": float(selected.mean()),
            "selected_error": float(selected.std(ddof=1) / np.sqrt(count)) if count > 1 else None,
            "agreement_other": float(mine["other"].mean()),
            "top_type": top,
            "top_type_share": float(mine["types"][:, top].mean()),
            "top_type_share_other": float(mine["other_types"][:, top].mean()),
        }


__all__ = ["routing_rows"]
