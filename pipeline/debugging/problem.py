"""Find: what an audit says is wrong with a network, as something that can be mended and measured."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from filterscope import schemas
from filterscope.pipeline.debugging.material import Material, Side
from filterscope.pipeline.debugging.options import DebugOptions
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.run.plan import Plan, PlannedModel

CONFLICT, BLIND_SPOT, LABEL_ERRORS = "conflict", "blind-spot", "label-errors"
#: Numbers of the four groups of a pair: 2 x the one attribute + the other.
_GROUPS = 4


@dataclass(frozen=True)
class Problem:
    """What is to be mended.

    Attributes
    ----------
    kind : str
        `CONFLICT`, `BLIND_SPOT` or `LABEL_ERRORS`.
    name : str
        What a person calls it.
    said : tuple of str
        What was found, in sentences.
    layer : str
        Audited layer that it was found at; empty where it is of no layer.
    pair : tuple of (str, str), optional
        The attributes that are tied together.
    sign : int
        Of their relation: 1 or -1.
    members : tuple of int
        Audited views of a blind spot; of label errors the training views, most suspicious first.
    """

    kind: str
    name: str
    said: tuple[str, ...]
    layer: str = ""
    pair: tuple[str, str] | None = None
    sign: int = 1
    members: tuple[int, ...] = ()

    @property
    def slug(self) -> str:
        """A name for files, the same for the same problem."""
        return f"{self.kind}-{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"

    @property
    def parameters(self) -> dict[str, object]:
        """What results depend on."""
        members = hashlib.sha256(np.array(self.members, np.int64).tobytes()).hexdigest()
        return {"kind": self.kind, "name": self.name, "layer": self.layer, "sign": self.sign, "members": members}

    def columns(self, side: Side) -> tuple[int, int]:
        """Return the places of the pair among the scores."""
        assert self.pair is not None
        return side.lesson.names.index(self.pair[0]), side.lesson.names.index(self.pair[1])

    def groups(self, side: Side) -> np.ndarray:
        """Return the group of each view, int64: of a pair 2 x the one label + the other, else the class; -1 not known."""
        target = side.lesson.target
        if self.pair is None:
            return target if target.ndim == 1 else np.full(len(target), -1)
        one, other = (target[:, column].astype(np.int64) for column in self.columns(side))
        return np.where((one >= 0) & (other >= 0), 2 * one + other, -1)

    def hard(self, side: Side) -> np.ndarray:
        """Return which views the network fails on, bool: those that contradict a relation, those of the blind spot."""
        if self.kind == CONFLICT:
            groups = self.groups(side)
            return (groups >= 0) & (((groups == 1) | (groups == 2)) == (self.sign > 0))
        found = np.zeros(len(side.views), np.bool_)
        if self.kind == BLIND_SPOT:
            found[list(self.members)] = True
        return found


def found(plan: Plan, model: PlannedModel, material: Material, asked: DebugOptions) -> Problem:
    """Return the problem that is asked for.

    Raises
    ------
    InputError
        If the audit did not look for it, or found none.
    """
    finders: Mapping[str, Callable[..., Problem]] = {
        CONFLICT: _conflict, BLIND_SPOT: _blind_spot, LABEL_ERRORS: _label_errors
    }  # fmt: skip
    needs = {CONFLICT: "attribute_relations", BLIND_SPOT: "partitions", LABEL_ERRORS: "self_influence"}
    methods = {CONFLICT: "bias", BLIND_SPOT: "blind-spots", LABEL_ERRORS: "influence"}
    if asked.pair and asked.find not in ("auto", CONFLICT):
        raise InputError(f"--pair goes with --find {CONFLICT}, not {asked.find}")
    wanted = asked.find if asked.find != "auto" else CONFLICT if asked.pair else ""
    there = [kind for kind, table in needs.items() if _has(plan.run, table, model.name)]
    if wanted and wanted not in there:
        raise InputError(
            f"{plan.run} has no finished {methods[wanted]} of {model.name}; audit it with --methods {methods[wanted]}"
        )
    if not there:
        raise InputError(
            f"{plan.run} has not looked for what is wrong with {model.name}; audit it with --methods "
            f"{', '.join(methods.values())}, or one of these"
        )
    return finders[wanted or there[0]](plan, model, material, asked)


def _has(run: Path, table: str, model: str) -> bool:
    return schemas.scan(run, table).filter(model=model).head(1).collect().height > 0


def same_views(plan: Plan, side: Side, why: str) -> None:
    """Stop if the views of an audit are others than those of a side, so that their numbers say nothing."""
    if plan.data_identity != side.identity or plan.options.view_settings != side.settings:
        raise InputError(
            f"{why} are views of the audit, which are not those that the network was trained on: audit {side.folder} with the "
            "--views of the training and without --flips"
        )


def _conflict(plan: Plan, model: PlannedModel, material: Material, asked: DebugOptions) -> Problem:
    rows = schemas.scan_attribute_relations(plan.run).filter(
        pl.col("model") == model.name, pl.col("mean").is_not_null()
    )
    table = rows.collect()
    layer = next((own.name for own in reversed(model.layers) if (table["layer"] == own.name).any()), "")
    table = table.filter(layer=layer)
    names = list(material.names)
    pairs = table.filter(pl.col("attribute").is_in(names), pl.col("other").is_in(names))
    if asked.pair:
        wanted = asked.pair.split(",")
        for name in wanted:
            if name not in names:
                raise InputError(
                    f"--pair {asked.pair}: the network has no attribute {name!r}.{did_you_mean(name, names)}"
                )
        pairs = pairs.filter(pl.col("attribute").is_in(wanted), pl.col("other").is_in(wanted))
    if pairs.is_empty():
        raise InputError(
            f"{plan.run} has no relation of {asked.pair or 'two labelled attributes'} at {model.name} {layer}"
        )
    failures = pairs.filter(pl.col("kind") == "failure_mode").sort("divergence", descending=True)
    row = (failures if failures.height else pairs.sort("rank")).row(0, named=True)
    pair = tuple(asked.pair.split(",")) if asked.pair else (row["attribute"], row["other"])
    of = f"{row['rank']} of {table.height:,} pairs by what the labels do not explain"
    data = "" if row["data_correlation"] is None else f", {row['data_correlation']:+.2f} in the labels"
    chance = "" if row["random"] is None else f", {row['random']:+.2f} with weights in another order"
    said = [
        f"{pair[0]} and {pair[1]} are tied together at {layer}: relation {row['mean']:+.2f} "
        f"[{row['low']:+.2f}, {row['high']:+.2f}]{data}{chance}; rank {of}"
    ]
    if row["expected"] is not None:
        said.append(f"{row['expected']} is expected: {row['kind']}, divergence {row['divergence']:.2f} nats")
    sign = 1 if row["mean"] >= 0 else -1
    return Problem(CONFLICT, f"{pair[0]}, {pair[1]}", tuple(said), layer, (pair[0], pair[1]), sign)


def _blind_spot(plan: Plan, model: PlannedModel, material: Material, asked: DebugOptions) -> Problem:
    same_views(plan, material.new, "members of blind spots")
    rows = schemas.scan_partitions(plan.run).filter(pl.col("model") == model.name, pl.col("wrong_low").is_not_null())
    keys = ["class", "method", "partition"]
    table = rows.sort(["wrong_low", "views", *keys], descending=[True, True, False, False, False]).collect()
    members = schemas.scan_partition_members(plan.run).filter(model=model.name).collect()
    here = np.zeros(len(material.new.views), np.bool_)
    here[material.pool] = True
    there = np.zeros(len(here), np.bool_)
    there[material.measured] = True
    for row in table.iter_rows(named=True):
        views = members.filter(**{key: row[key] for key in keys})["view"].sort().to_numpy()
        if here[views].any() and there[views].any():
            break
    else:
        raise InputError(
            f"no blind spot of {model.name} has members both in the pool and among the images that measure; audit more "
            "images, or change --measured"
        )
    name = f"class {row['class']}, {row['method']} {row['partition']}"
    what = f" ({row['pattern']})" if row["pattern"] else ""
    said = (
        f"of the views that are taken for class {row['class']} with confidence, {row['method']} {row['partition']}{what} is "
        f"wrong most often: {row['wrong']} of {row['labelled']}, at least {row['wrong_low']:.0%}",
    )
    return Problem(BLIND_SPOT, name, said, row["layer"] or "", members=tuple(views.tolist()))


def _label_errors(plan: Plan, model: PlannedModel, material: Material, asked: DebugOptions) -> Problem:
    same_views(plan, material.old, "suspected label errors")
    table = schemas.scan_self_influence(plan.run).filter(
        pl.col("model") == model.name, pl.col("rank").is_not_null()
    ).collect()  # fmt: skip
    layer = next((own.name for own in reversed(model.layers) if (table["layer"] == own.name).any()), "")
    table = table.filter(layer=layer).sort("rank")
    learned = np.zeros(len(material.old.views), np.bool_)
    learned[material.learned] = True
    views = table["view"].to_numpy()
    views = views[learned[views]]
    if not len(views):
        raise InputError(f"{plan.run} computed the self-influence of no image that {model.name} was trained on")
    odd = table.filter(pl.col("given_label") != pl.col("predicted")).height
    said = (
        f"{len(views):,} training images have a self-influence at {layer}; the head contradicts the label of {odd:,} of them",
    )
    return Problem(LABEL_ERRORS, f"labels at {layer}", said, layer, members=tuple(views.tolist()))


__all__ = ["BLIND_SPOT", "CONFLICT", "LABEL_ERRORS", "Problem", "found", "same_views"]
