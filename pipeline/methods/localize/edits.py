"""What a person decided of nodes: the file that a page gives, checked, and the decisions that a run keeps."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.method import Prints
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.tables import table_path, write_table
from filterscope.schemas.results import TABLES

KEEP, REMOVE, UNSURE = "keep", "remove", "unsure"
TABLE = "edit_decisions"
#: Bytes of a file of edits, decisions in it, and numbers of sets of annotated crops, at most.
LARGEST, MOST_DECISIONS, MOST_DRAWS = 2**20, 5000, 9999

_Name = Annotated[str, Field(max_length=500)]


@dataclass(frozen=True)
class Asked:
    """Which nodes a person looks at: those retrieved for a part of a category from some annotated crops.

    `layers` are separated by commas, from the top; `share` is that of the nodes that each template retrieves; `draw` is the
    number of the set of annotated crops, as of `localize`.
    """

    model: str
    category: str
    part: str
    layers: str
    shots: int
    share: float
    draw: int = 0

    @property
    def block(self) -> str:
        """Name of what is computed of it."""
        drawn = f".{self.draw}" if self.draw else ""
        return quote(f"{self.category}-{self.part}-{self.shots}{drawn}-{self.share:g}-{self.layers}", safe=",-")

    def fingerprint(self, plan: Plan, model: PlannedModel, prints: Prints) -> str:
        """Return 16 hexadecimal digits that change with the question and with the graph that it is about."""
        stated = [asdict(self), prints.of("graph", model).digest, plan.data_identity, model.weights_sha256]
        return hashlib.sha256(json.dumps(stated).encode()).hexdigest()[:16]


class Decision(BaseModel):
    """What a person said of a node, and how long they looked at it."""

    model_config = ConfigDict(strict=True, extra="forbid")

    node: _Name
    decision: Literal["keep", "remove", "unsure"]
    seconds: float = Field(ge=0, le=1e6, allow_inf_nan=False)


class Edits(BaseModel):
    """A file of edits."""

    model_config = ConfigDict(strict=True, extra="forbid")

    format: Literal["filterscope edits 1"]
    run: _Name
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    model: _Name
    category: _Name
    part: _Name
    layers: Annotated[str, Field(max_length=5000)]
    shots: int = Field(ge=1, le=1_000_000)
    share: float = Field(gt=0, le=1)
    draw: int = Field(0, ge=0, le=MOST_DRAWS)
    decisions: list[Decision] = Field(max_length=MOST_DECISIONS)

    @property
    def asked(self) -> Asked:
        """What the decisions are about."""
        return Asked(self.model, self.category, self.part, self.layers, self.shots, self.share, self.draw)

    def refuse_others(self, file: Path, fingerprint: str, known: Sequence[str]) -> None:
        """Stop where decisions are about another graph, a node that was never shown, or the same node twice.

        Raises
        ------
        InputError
            With what is wrong.
        """
        if self.fingerprint != fingerprint:
            raise InputError(
                f"{file}: its decisions are about another graph or data set ({self.fingerprint}, here {fingerprint}); "
                "write the page again with `filterscope edit` and decide anew"
            )
        nodes, seen = set(known), set[str]()
        for number, one in enumerate(self.decisions, 1):
            if one.node not in nodes:
                raise InputError(f"{file}, decision {number}: {one.node!r} is no node that the page shows")
            if one.node in seen:
                raise InputError(f"{file}, decision {number}: {one.node!r} is decided twice; keep one of the two")
            seen.add(one.node)
        if not self.decisions:
            raise InputError(f"{file} holds no decision; decide on the page, then download it again")


def read_edits(file: Path) -> Edits:
    """Read a file of edits, which may hold anything.

    Raises
    ------
    InputError
        If it cannot be read, is too large, or is no such file.
    """
    try:
        if not file.is_file():
            raise InputError(f"{file}: no such file; download it from the page of `filterscope edit`")
        if file.stat().st_size > LARGEST:
            raise InputError(f"{file} has {file.stat().st_size:,} bytes; edits have {LARGEST:,} at most")
        stated = json.loads(file.read_bytes().decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file} cannot be read as JSON in UTF-8: {error}") from None
    return checked(stated, str(file))


def checked(stated: Any, file: str) -> Edits:
    """Return edits from parsed JSON; `file` is what messages call it."""
    try:
        return Edits.model_validate(stated)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        received = "" if first["type"] == "missing" else f", received {str(first['input'])[:80]!r}"
        raise InputError(
            f"{file} holds no edits of a page: {where}: {first['msg'].lower()}{received}; "
            "download them from the page of `filterscope edit`"
        ) from None


def keep_edits(run: Path, edits: Edits) -> None:
    """Keep decisions in a run, in the place of those of before on the same question; the caller holds the run's lock."""
    shared = {**asdict(edits.asked), "fingerprint": edits.fingerprint}
    rows = [{**shared, "order": number, **one.model_dump()} for number, one in enumerate(edits.decisions, 1)]
    write_table(run, TABLE, (edits.model, edits.asked.block), [pa.Table.from_pylist(rows, schema=TABLES[TABLE])])


def kept_edits(plan: Plan, model: PlannedModel) -> dict[str, tuple[Asked, str, list[dict[str, Any]]]]:
    """Return what a run keeps of decisions on a model's nodes: by block the question, its fingerprint and the rows.

    A file that is damaged is passed over: `doctor` names it, and it is no reason not to plan the rest.
    """
    found = {}
    for path in sorted(table_path(plan.run, TABLE, (model.name, "any")).parent.glob("*.parquet")):
        try:
            with path.open("rb") as file:
                rows = pq.read_table(file).cast(TABLES[TABLE]).to_pylist()
            asked = Asked(*(rows[0][name] for name in Asked.__dataclass_fields__))
        except (OSError, ValueError, LookupError, pa.ArrowException):
            continue
        found[asked.block] = asked, rows[0]["fingerprint"], rows
    return found


__all__ = [
    "KEEP",
    "MOST_DRAWS",
    "REMOVE",
    "UNSURE",
    "Asked",
    "Decision",
    "Edits",
    "checked",
    "keep_edits",
    "kept_edits",
    "read_edits",
]
