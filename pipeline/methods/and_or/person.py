"""What a person says of a part, crop by crop: whom a question is about, and the answers that a run keeps."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.tables import table_path, write_table
from filterscope.schemas.results import TABLES

RIGHT, PLACE, OTHER, NEW, ABSENT = "right", "place", "other", "new", "absent"
#: Answers that mark where the part is.
MARKED = (PLACE, OTHER, NEW)
TABLE = "part_answers"


@dataclass(frozen=True)
class About:
    """What questions are about: a part of the objects of a category, in some layers, from the top, separated by commas."""

    model: str
    category: str
    part: str
    layers: str

    @property
    def block(self) -> str:
        """Name of what is computed of it: the part, and digits that no other category, part and layers have."""
        stated = json.dumps([self.category, self.part, self.layers])
        return f"{quote(self.part, safe='')[:40]}-{hashlib.sha256(stated.encode()).hexdigest()[:16]}"

    def subject(self, plan: Plan) -> str:
        """Return 16 hexadecimal digits that change with the question, the data set and the network."""
        stated = [asdict(self), plan.data_identity, plan.model(self.model).weights_sha256]
        return hashlib.sha256(json.dumps(stated).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Told:
    """An answer, with what it is told by: `template` is the view that its template began with.

    `box` holds y and x, height and width in input pixels; of a point the last two are None, of an absent part there is none.
    """

    view: int
    said: str
    template: int | None
    box: tuple[float | None, ...]
    gain: float | None = field(compare=False)
    source: str = field(compare=False)

    @property
    def part(self) -> tuple[float, ...]:
        """Where the centre is, y and x; empty if the part is absent."""
        return tuple(value for value in self.box[:2] if value is not None)


def in_order(answers: Sequence[Told]) -> list[Told]:
    """Return answers of one file as they are taken: new templates first, so that others may name them."""
    return [one for one in answers if one.said == NEW] + [one for one in answers if one.said != NEW]


def keep_told(plan: Plan, about: About, images: Mapping[int, int], before: int, told: Sequence[Told]) -> None:
    """Keep answers after those of before, in a file of their own; `images` by view. The caller holds the run's lock."""
    rows = []
    for number, one in enumerate(told, before + 1):
        y, x, height, width = one.box or (None,) * 4
        rows.append(
            {
                **asdict(about),
                "number": number,
                "image": images[one.view],
                "view": one.view,
                "answer": one.said,
                "template": one.template,
                "y": y,
                "x": x,
                "height": height,
                "width": width,
                "predicted_gain": one.gain,
                "source": one.source,
            }
        )
    place = (about.model, f"{about.block}-{before:06d}")
    if table_path(plan.run, TABLE, place).exists():
        raise InputError(
            f"{table_path(plan.run, TABLE, place)} holds answers that cannot be read; move it away, and no other answer is lost"
        )
    write_table(plan.run, TABLE, place, [pa.Table.from_pylist(rows, schema=TABLES[TABLE])])


def kept_answers(plan: Plan, model: PlannedModel) -> dict[About, list[Told]]:
    """Return the answers that a run keeps about a model's crops, in order.

    A file that is damaged is passed over, with all after it: `doctor` names it, and it is no reason not to plan the rest.
    """
    rows: dict[About, dict[int, Told]] = {}
    for path in sorted(table_path(plan.run, TABLE, (model.name, "any")).parent.glob("*.parquet")):
        try:
            with path.open("rb") as file:
                found = pq.read_table(file).cast(TABLES[TABLE]).to_pylist()
            for row in found:
                about = About(*(row[name] for name in About.__dataclass_fields__))
                rows.setdefault(about, {})[row["number"]] = _told(row)
        except (OSError, ValueError, LookupError, pa.ArrowException):
            continue
    return {about: _unbroken(own) for about, own in rows.items() if 1 in own}


def _told(row: Mapping[str, Any]) -> Told:
    box = () if row["y"] is None else tuple(row[name] for name in ("y", "x", "height", "width"))
    return Told(row["view"], row["answer"], row["template"], box, row["predicted_gain"], row["source"])


def _unbroken(rows: Mapping[int, Told]) -> list[Told]:
    told = list[Told]()
    while len(told) + 1 in rows:
        told.append(rows[len(told) + 1])
    return told


__all__ = [
    "ABSENT", "MARKED", "NEW", "OTHER", "PLACE", "RIGHT", "TABLE", "About", "Told", "in_order", "keep_told",
    "kept_answers",
]  # fmt: skip
