"""A piece of work of a training: some epochs, from the state that the piece before it left."""

import re
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.engine.keys import Key
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.engine.stage import Output
from filterscope.pipeline.models.names import network_path
from filterscope.pipeline.models.trained import write_network
from filterscope.pipeline.stores.artifacts import Artifact, Table
from filterscope.pipeline.stores.places import listing, read_regular, remove, write_atomically
from filterscope.pipeline.stores.promises import Promise
from filterscope.pipeline.stores.tables import table_path, write_table
from filterscope.pipeline.training.exact import exactly
from filterscope.pipeline.training.recipe import Measure, Setting, Training
from filterscope.pipeline.training.registry import RECIPES, recipe
from filterscope.pipeline.training.team import ALONE, Team
from filterscope.schemas.results import TABLES

STAGE = "train"
#: Folder of a run for what its trainings have in common.
SHARED = "shared"
#: States of a training that are kept: that of the last piece of work, and of the one before, from which it can be repeated.
KEPT_STATES = 2
_STATE = re.compile(r"epochs-\d{6}\.safetensors")


@dataclass(frozen=True)
class Segment:
    """Epochs `first` to `last` - 1 of a training.

    Attributes
    ----------
    key : Key
        Of this piece of work.
    run : Path
        The run folder.
    setting : Setting
        The training.
    first, last, total : int
        Epochs that were made before, that will have been made after, and of the whole training.
    before : Key, optional
        The piece of work that it goes on from.
    """

    key: Key
    run: Path
    setting: Setting
    first: int
    last: int
    total: int
    before: Key | None = None


def block_of(epochs: int) -> str:
    """Return the last part of the key of the piece of work that ends after so many epochs."""
    return f"epochs-{epochs:06d}"


def state_path(run: Path, name: str, block: str) -> Path:
    """Return where a piece of work leaves the state of its training."""
    return run / "states" / name / f"{block}.safetensors"


def _superseded(run: Path, place: Any) -> bool:
    """Tell whether a state was removed since later pieces of work were done."""
    name, block = place
    path = state_path(run, name, block)
    later = [other for other in listing(path.parent) if _STATE.fullmatch(other) and other > path.name]
    return not path.exists() and len(later) >= KEPT_STATES


STATE = Artifact.single("state", lambda run, place: state_path(run, *place), _superseded)
#: The network, which the last piece of work of a training writes.
NETWORK = Artifact(
    "network", lambda run, place, checksums: {"network": network_path(run, place[0])} if "network" in checksums else {}
)
WRITES = (STATE, NETWORK, Table("training"), *(Table(name) for one in RECIPES for name in one.tables))


def train_epochs(segment: Segment, team: Team = ALONE) -> list[Output]:
    """Train some epochs; the first worker writes state, metrics and, after the last epoch, the network.

    Raises
    ------
    DamagedError
        If the state before is missing or not the one that was written.
    RunError
        If the training diverged.
    """
    setting, run = segment.setting, segment.run
    name, block = segment.key.place
    with exactly(setting.device, setting.threads):
        training = resumed(segment)
        training.join(team)
        rows = []
        for epoch in range(segment.first, segment.last):
            began = time.perf_counter()
            measured = training.epoch(epoch, _seeded(setting, epoch + 1, team.rank))
            seconds = time.perf_counter() - began
            rows += [_row(segment, measure, epoch + 1, training.step, seconds) for measure in measured]
        if team.rank:
            return []
        checksums = {"state": _written(state_path(run, name, block), training.state())}
        table = pa.Table.from_pylist(rows, schema=TABLES["training"])
        _, checksums["training"] = write_table(run, "training", (name, block), [table])
        if segment.last == segment.total:
            checksums["network"] = _write_network(segment, training)
            checksums |= _write_tables(segment, training)
    _write_rejects(segment, training)
    _remove_states(run, name, block)
    return [
        Output(
            segment.key, len(rows), training.images * (segment.last - segment.first), len(training.rejects), checksums
        )
    ]


def resumed(segment: Segment) -> Training:
    """Return a training as it was before a piece of work."""
    from filterscope.pipeline.training.packing import unpacked

    _seeded(segment.setting, 0)
    training = recipe(segment.setting.recipe).start(replace(segment.setting, shared=segment.run / SHARED))
    if segment.before is not None:
        path = state_path(segment.run, *segment.before.place)
        damage = Promise(segment.run, (STAGE,), segment.before.place).broken
        try:
            data = read_regular(path)
            if sha256(data).hexdigest() != Ledger(segment.run / "ledger").record(segment.before)["checksums"].get(
                "state"
            ):
                raise damage(path, "is not the file that was written (its checksum differs)")
            training.load_state(unpacked(data))
        except FileNotFoundError:
            raise damage(path, "is missing") from None
        except (ValueError, LookupError, TypeError, RuntimeError) as error:
            raise damage(path, f"does not fit the training ({error})") from error
    return training


def _seeded(setting: Setting, epoch: int, rank: int = 0) -> np.random.Generator:
    """Seed torch and return a generator, by what is drawn: epoch 0 are the initial weights.

    Workers draw the same from the generator, such as the order of images, and each its own from torch, such as dropout.
    """
    import torch

    seed = seed_of("train", setting.recipe, setting.subject.name, setting.seed, epoch)
    torch.manual_seed((seed + rank) % 2**63)
    return np.random.default_rng(seed)


def _row(segment: Segment, measure: Measure, epoch: int, step: int, seconds: float) -> dict[str, Any]:
    setting = segment.setting
    stated = {"model": setting.name, "recipe": setting.recipe, "subject": setting.subject.name, "seed": setting.seed}
    return {**stated, "epoch": epoch, "step": step, **asdict(measure), "seconds": seconds, "device": setting.device}


def _written(path: Path, state: dict[str, Any]) -> str:
    from filterscope.pipeline.training.packing import packed

    data = packed(state)
    write_atomically(path, data)
    return sha256(data).hexdigest()


def _write_network(segment: Segment, training: Training) -> str:
    import torch

    setting, weights = segment.setting, training.weights()
    wrong = next((key for key, v in weights.items() if v.is_floating_point() and not torch.isfinite(v).all()), None)
    if wrong is not None:
        raise RunError(f"{setting.name} diverged: its weights {wrong} are not finite")
    about = {"name": setting.name, "subject": setting.subject.name, "seed": setting.seed, "epochs": segment.total}
    stated = training.description()
    about = {**stated.about, **about, "data": setting.data_identity}
    return write_network(
        network_path(segment.run, setting.name), weights, replace(stated, recipe=setting.recipe, about=about)
    )


def _write_tables(segment: Segment, training: Training) -> dict[str, str]:
    """Write what a recipe tells at the end; return the digest of each table."""
    found = training.tables()
    return {name: write_table(segment.run, name, segment.key.place, tables)[1] for name, tables in found.items()}


def _write_rejects(segment: Segment, training: Training) -> None:
    """Write the images that could not be decoded, once for a training."""
    place = (segment.key.place[0], "images")
    if segment.first == 0:
        table_path(segment.run, "rejects", place).unlink(missing_ok=True)
    if training.rejects:
        rows = [{"stage": STAGE, "item": item, "reason": reason} for item, reason in sorted(training.rejects.items())]
        write_table(segment.run, "rejects", place, [pa.Table.from_pylist(rows, schema=TABLES["rejects"])])


def _remove_states(run: Path, name: str, block: str) -> None:
    """Remove the states that no piece of work needs any more; this one's and the one before stay."""
    folder = state_path(run, name, block).parent
    older = sorted(other for other in listing(folder) if _STATE.fullmatch(other) and other < f"{block}.safetensors")
    for other in older[: max(len(older) - KEPT_STATES + 1, 0)]:
        with suppress(FileNotFoundError):
            remove(folder / other)


__all__ = ["KEPT_STATES", "STAGE", "WRITES", "Segment", "block_of", "resumed", "state_path", "train_epochs"]
