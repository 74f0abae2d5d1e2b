"""Stage `codes`: the groups and directions of a layer put together; which codes are more specific than random directions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.codes.effects import LEVEL, p_values, q_values, quantile, specificity, whitening
from filterscope.operators.codes.equivariance import TRANSFORMS
from filterscope.operators.codes.morphometry import FACTORS
from filterscope.operators.codes.scores import Scores
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.stage import Output, Stage
from filterscope.pipeline.methods.codes.choices import class_rows, purities
from filterscope.pipeline.methods.codes.encode import CODED
from filterscope.pipeline.methods.codes.measure import MEASURED, STAGE, measured_path
from filterscope.pipeline.methods.codes.routing import routing_rows
from filterscope.pipeline.methods.codes.subjects import Subject, direction_blocks, groups_of, subjects
from filterscope.pipeline.methods.method import Prints, StageKind
from filterscope.pipeline.methods.tasks import each_model, key_of, one
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.arrays import read_arrays
from filterscope.pipeline.stores.artifacts import Table
from filterscope.pipeline.stores.promises import Promise
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES

#: A code is active whose variance is above this share of the largest of its group.
_ACTIVE = 0.01
#: Codes with a lower q are starred.
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class SummaryTask:
    """The codes of one layer."""

    key: Key
    plan: Plan
    model: PlannedModel
    number: int


def plan_summary(kind: StageKind, plan: Plan, prints: Prints) -> Sequence[Stage]:
    """Plan a key for each model and layer."""
    tasks = {}
    for model, own in each_model(plan):
        for number, subject in enumerate(subjects(model)):
            key = key_of(kind, (model.name, subject.layer, "layer"), model, prints)
            tasks[key] = SummaryTask(key, own, model, number)
    return one(kind, tasks, summarise)


class _Group:
    """What was measured of one group."""

    def __init__(self, task: SummaryTask, subject: Subject, group: int, block: str) -> None:
        self.group, self.subject, self.model = group, subject, task.model
        place = (task.model.name, subject.layer)
        self.told = _read(task.plan, (*place, block))
        parts = [_read(task.plan, (*place, f"{block}-{part}")) for _, _, part in direction_blocks(task.plan, subject)]
        self.bases = int(parts[0]["bases"]) if parts else 0
        self.done = {name: np.concatenate([part[name] for part in parts]) for name in _DONE} if self.bases else {}
        self.names = self.told["names"].tolist()
        self.attributes = int(self.told["provided"])

    @cached_property
    def directions(self) -> np.ndarray | None:
        """What specificity is of, (codes + random directions, factors): effects, or information above the null."""
        if self.done:
            return np.asarray(self.done["effect"])
        if "random_information" not in self.told:
            return None
        own = np.maximum(np.nan_to_num(self.told["information"] - self.told["null"]), 0)
        return np.concatenate([own, self.told["random_information"]])

    @cached_property
    def factors(self) -> list[str]:
        """Names of the factors that directions are about."""
        return self.names[-len(FACTORS) :] if self.done else self.names

    @cached_property
    def specific(self) -> np.ndarray:
        """Specificity of codes, then of random directions."""
        dims = self.subject.dims
        return np.full(dims, np.nan) if self.directions is None else specificity(self.directions)

    @cached_property
    def whitened(self) -> np.ndarray:
        """Specificity of the codes on whitened factors; NaN without effects."""
        dims, shapes = self.subject.dims, self.told["shapes"]
        if not self.done or len(shapes) < 2:
            return np.full(dims, np.nan)
        return specificity(self.done["effect"][:dims] @ whitening(shapes))

    @cached_property
    def p(self) -> np.ndarray:
        """Share of random directions that are as specific as each code."""
        dims = self.subject.dims
        return p_values(self.specific[:dims], self.specific[dims:])

    @property
    def images(self) -> int:
        """Images that were encoded."""
        return int(self.told["images"])


#: What blocks of directions hold of each.
_DONE = ("effect", "error", "linearity", "monotone", "kept")


def _read(plan: Plan, place: tuple[str, ...]) -> dict[str, np.ndarray]:
    return read_arrays(Promise(plan.run, (STAGE,), place).read(MEASURED.name, measured_path(plan.run, place)))


def summarise(task: SummaryTask) -> list[Output]:
    """Write the tables of a layer."""
    subject = subjects(task.model)[task.number]
    groups = [_Group(task, subject, group, block) for group, block in groups_of(subject)]
    q = q_values(np.stack([group.p for group in groups]))
    told = [group.told["association_p"] for group in groups if "association_p" in group.told]
    association_q = list(q_values(np.stack(told))) if told else [None] * len(groups)
    parts: dict[str, list[dict[str, Any]]] = {
        name: []
        for name in ("code_factors", "codes", "code_summary", "code_classes", "capsule_routing", "equivariance")
    }
    for at, group in enumerate(groups):
        parts["code_factors"] += _factors_of(group, association_q[at])
        parts["codes"] += _codes_of(group, q[at])
        parts["code_summary"].append(_summary_of(group, q[at]))
        parts["code_classes"] += class_rows(group.told, group.model, group.group)
        parts["equivariance"] += _equivariance_of(group)
    parts["capsule_routing"] += routing_rows(task.plan, task.model)
    rows, checksums = 0, {}
    for name, found in parts.items():
        own = {"model": task.model.name, "layer": subject.layer}
        table = pa.Table.from_pylist([{**own, **_nullable(row)} for row in found], schema=TABLES[name])
        count, checksums[name] = write_table(task.plan.run, name, task.key.place, [table])
        rows += count
    return [Output(task.key, rows, checksums=checksums)]


def _nullable(row: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in row.items()}


def _factors_of(group: _Group, association_q: np.ndarray | None) -> list[dict[str, Any]]:
    rows, first = [], len(group.names) - len(FACTORS)
    for code in range(group.subject.dims):
        for number, name in enumerate(group.names):
            row = {"group": group.group, "code": code, "factor": name}
            row["provider"] = "attributes" if number < group.attributes else "morphometry"
            if association_q is not None:
                row["mutual_information"] = float(group.told["information"][code, number])
                row["mutual_information_null"] = float(group.told["null"][code, number])
                row["association_q"] = float(association_q[code, number])
                row["spearman"] = float(group.told["spearman"][code, number])
                row["partial_spearman"] = float(group.told["partial_spearman"][code, number])
            if group.done and number >= first:
                names = {"effect": "effect", "error": "effect_error", "linearity": "linearity", "monotone": "monotone"}
                row |= {column: float(group.done[key][code, number - first]) for key, column in names.items()}
            rows.append(row)
    return rows


def _codes_of(group: _Group, q: np.ndarray) -> list[dict[str, Any]]:
    dims = group.subject.dims
    variance = group.told.get("variance")
    kept = group.done["kept"] if group.done else np.full(dims, np.nan)
    random_kept = kept[dims:][~np.isnan(kept[dims:])]
    rows = []
    for code in range(dims):
        row: dict[str, Any] = {
            "group": group.group,
            "code": code,
            "basis": "intervention" if group.subject.decodes else "association",
            "specificity": float(group.specific[code]),
            "specificity_whitened": float(group.whitened[code]),
            "random95": quantile(group.specific[dims:]),
            "p": float(group.p[code]),
            "q_value": float(q[code]),
            "identity_kept": float(kept[code]),
            "identity_kept_random": float(random_kept.mean()) if len(random_kept) else None,
            "images": group.bases if group.subject.decodes else group.images,
        }
        if group.done:
            row["change"] = float(np.abs(group.done["effect"][code]).sum())
        if variance is not None:
            row |= {"variance": float(variance[code]), "active": bool(variance[code] > _ACTIVE * variance.max())}
        if group.directions is not None and not np.isnan(group.specific[code]):
            order = np.argsort(-np.abs(group.directions[code]), kind="stable")
            row["top_factor"] = group.factors[order[0]]
            row["runner_up"] = group.factors[order[1]] if len(order) > 1 else None
        rows.append(row)
    return rows


def _summary_of(group: _Group, q: np.ndarray) -> dict[str, Any]:
    dims = group.subject.dims
    own, random = group.specific[:dims], group.specific[dims:]
    row: dict[str, Any] = {
        "group": group.group,
        "codes": dims,
        "factors": int((~np.isnan(group.told["information"])).any(axis=0).sum())
        if "information" in group.told
        else len(group.names),
        "images": group.images,
        "specificity": _mean(own),
        "specificity_random": _mean(random),
        "aligned": int((own > quantile(random)).sum()) if len(random) else 0,
        "expected_aligned": float((1 - LEVEL) * (~np.isnan(own)).sum()),
        "significant": int((q < SIGNIFICANT).sum()),
        **purities(group.told, group.model),
    }
    if "scores" in group.told:
        for name, value, turned in zip(Scores._fields, group.told["scores"], group.told["scores_rotated"], strict=True):
            row |= {name: float(value), f"{name}_rotated": float(turned)}
    return row


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _equivariance_of(group: _Group) -> list[dict[str, Any]]:
    if "equivariance" not in group.told:
        return []
    names = ("r2", "r2_pixels", "r2_layer", "r2_permuted")
    return [
        {
            "group": group.group,
            "transform": kind,
            **dict(zip(names, map(float, told), strict=True)),
            "images": int(group.told["moved"]),
        }
        for kind, told in zip(TRANSFORMS, group.told["equivariance"], strict=True)
        if not np.isnan(told[0])
    ]


SUMMARY = StageKind(
    "codes",
    reads=(CODED, MEASURED),
    writes=(
        Table("code_factors"),
        Table("codes"),
        Table("code_summary"),
        Table("code_classes"),
        Table("capsule_routing"),
        Table("equivariance"),
    ),
    plan=plan_summary,
    parameters=lambda plan, model: {"level": LEVEL, "active": _ACTIVE, "significant": SIGNIFICANT},
)

__all__ = ["SIGNIFICANT", "SUMMARY"]
