"""What the loop came to, for terminal, report and notebook."""

from pathlib import Path

import polars as pl

from filterscope import schemas
from filterscope.pipeline.debugging.measure import ACCURACY, EASY, HARD, OMEGA
from filterscope.pipeline.methods.method import Finding, Method

_KEYS = ["model", "problem"]
#: A gap of which at most this share is left counts as closed; a relation of which at least this share is left, as not.
_CLOSED, _LEFT = 0.5, 0.5


def found(run: str | Path) -> pl.DataFrame:
    """Return what was found before anything was mended, a sentence in each row: model, problem, kind, `found`."""
    rows = schemas.scan_debug_found(run).collect()
    first = rows.unique([*_KEYS, "line"], keep="first", maintain_order=True)
    return first.sort(*_KEYS, "line").select(*_KEYS, "kind", pl.col("text").alias("found"))


def steps(run: str | Path) -> pl.DataFrame:
    """Return each measure of each step, before and after, beside the control, in order of what it costs."""
    order = pl.col("measure").replace_strict({ACCURACY: 0, "worst group": 1, OMEGA: 2}, default=3)
    rows = schemas.scan_debug_steps(run).with_columns(order.alias("place"))
    columns = ["measure", "label", "group", "before", "after", "control", "low", "high", "gain"]
    ends = [pl.col("gain_low").alias("gain low"), pl.col("gain_high").alias("gain high")]
    found = rows.sort(*_KEYS, "kind", "cost", "step", "place", "label", "group", nulls_last=True)
    return found.select(*_KEYS, "step", pl.col("cost").alias("labels paid"), *columns, *ends).collect()


def verdicts(run: str | Path) -> pl.DataFrame:
    """Return, for each step, the gap of the first attribute between images that agree and that contradict, and the relation.

    Returns
    -------
    polars.DataFrame
        One row per step: `labels paid` and images `looked` at; the gap before, after and of the control; omega likewise; and
        `verdict`, in words.
    """
    rows = []
    table = schemas.scan_debug_steps(run).sort(*_KEYS, "kind", "cost", "step").collect()
    for (model, problem, step), part in table.group_by([*_KEYS, "step"], maintain_order=True):
        hard, easy = (_of(part, ACCURACY, group) for group in (HARD, EASY))
        omega = _of(part, OMEGA, None)
        gaps = {name: _less(easy, hard, name) for name in ("before", "after", "control")}
        relations = {name: omega.get(name) for name in ("before", "after", "control")}
        known = {
            "model": model,
            "problem": problem,
            "step": step,
            "labels paid": part["cost"][0],
            "looked": part["looked"][0],
        }
        named = {f"gap {name}": value for name, value in gaps.items()} | {f"omega {k}": v for k, v in relations.items()}
        rows.append(known | named | {"verdict": verdict(gaps, relations)})
    numbers = [f"{what} {name}" for what in ("gap", "omega") for name in ("before", "after", "control")]
    schema = {
        "model": pl.String, "problem": pl.String, "step": pl.String, "labels paid": pl.Int32, "looked": pl.Float64,
        **dict.fromkeys(numbers, pl.Float64), "verdict": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema)


def verdict(gaps: dict[str, float | None], relations: dict[str, float | None]) -> str:
    """Say whether a fix closed the gap, more than its control, and whether the representation is still biased."""
    before, after, control = gaps["before"], gaps["after"], gaps["control"]
    if before is None or after is None or control is None:
        said = "no group is known to be worse than others"
    elif before <= 0:
        said = "there was no gap to close"
    else:
        rest = abs(after)  # it may have turned round
        closed = "closes" if rest <= _CLOSED * before else "narrows" if rest < before else "does not close"
        than = "more than the control" if rest < abs(control) else "no more than the control"
        said = f"{closed} the gap ({before:.2f} to {after:.2f}; control {control:.2f}), {than}"
    was, now = relations["before"], relations["after"]
    if was is None or now is None:
        return said
    if abs(now) >= _LEFT * abs(was):
        return f"{said}; the representation is still biased: omega {was:+.2f} to {now:+.2f}"
    return f"{said}; omega falls too, {was:+.2f} to {now:+.2f}"


def _of(part: pl.DataFrame, measure: str, group: str | None) -> dict[str, float | None]:
    """Return the first row of a measure and group: that of the first attribute of a pair; empty where there is none."""
    same = pl.col("group").is_null() if group is None else pl.col("group") == group
    first = (part["problem"][0] or "").partition(", ")[0]
    rows = part.filter(pl.col("measure") == measure, same).sort(pl.col("label") != first, nulls_last=True)
    return rows.row(0, named=True) if rows.height else {}


def _less(one: dict[str, float | None], other: dict[str, float | None], name: str) -> float | None:
    a, b = one.get(name), other.get(name)
    return None if a is None or b is None else a - b


def curves(run: str | Path) -> pl.DataFrame:
    """Return the accuracy on the images that the network fails on against the labels paid, of fixes that cost labels.

    Columns: model, problem, label, kind, `labels paid`, `after` and `control`; a row with 0 labels is the network as it was.
    """
    rows = (
        schemas.scan_debug_steps(run)
        .filter(pl.col("cost") > 0, pl.col("measure") == ACCURACY, pl.col("group") == HARD)
        .select(
            *_KEYS,
            pl.col("label").fill_null("class"),
            "kind",
            pl.col("cost").alias("labels paid"),
            "after",
            "control",
            "before",
        )
        .collect()
    )
    first = rows.unique([*_KEYS, "label", "kind"], keep="first", maintain_order=True).with_columns(
        pl.lit(0, pl.Int32).alias("labels paid"), pl.col("before").alias("after"), pl.col("before").alias("control")
    )
    return pl.concat([first, rows]).drop("before").sort(*_KEYS, "label", "kind", "labels paid")


_NOTE = (
    "Before: the network as it was. Control: as many images or units at random, as many updates, the same seeds. Gain: after "
    "less control; where its interval holds 0, chance would have done as well."
)

FINDINGS = (
    Finding(
        "What is to be mended: found by the audit",
        ("debug_found",),
        found,
        note="Of the problem that `filterscope debug` took up, on images that were never trained on.",
    ),
    Finding(
        "What mending did: gap and representation",
        ("debug_steps", "debug_choices", "debug_labels"),
        verdicts,
        note="Gap: accuracy where the relation holds less that where it does not. Omega is the relation of both attributes "
        "inside the network, and follows slowly: where accuracies have met and omega has not fallen, the representation is "
        "still biased, and what was mended may come apart on other data.",
    ),
    Finding("Before and after: each measure beside its control", ("debug_steps",), steps, note=_NOTE, terminal=False),
    Finding(
        "Accuracy against labels paid: on images that the network fails on",
        ("debug_steps",),
        curves,
        look="lines",
        note="Dashed: as many images at random. With 0 labels, the network as it was.",
        terminal=False,
    ),
)


def _findings() -> tuple[Finding, ...]:
    return FINDINGS


#: For pages: the loop is no method of an audit, which an audit could name.
LOOP = Method(
    name="debug",
    about="What fixing a problem does to a network that was trained here",
    source="Zhang & Zhu 2018, Visual Interpretability for Deep Learning: a Survey, section 8",
    stages=lambda options: (),
    findings=_findings,
)

__all__ = ["FINDINGS", "LOOP", "curves", "found", "steps", "verdict", "verdicts"]
