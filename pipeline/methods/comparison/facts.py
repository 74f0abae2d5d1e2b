"""What a CSV file of the user's, or timm's published results, states of networks: accuracy, year, training data, epoch."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.run.plan import PlannedModel
from filterscope.pipeline.stores.places import read_regular

#: Columns of numbers that are read, with what each becomes.
NUMBERS = {"top1": "published_top1", "year": "year", "epoch": "epoch"}
#: Columns of text: what the network was trained on, and which training it is a checkpoint of.
TEXTS = ("training_data", "training")
#: Most bytes of such a file; timm's results of 1,300 networks take 0.1 MB.
_MOST = 64 * 2**20


@dataclass(frozen=True)
class Facts:
    """What is stated of networks: by the name in the column `model`, the values of `NUMBERS` and `TEXTS`."""

    path: Path
    rows: Mapping[str, Mapping[str, float | str | None]]

    @classmethod
    def read(cls, path: Path) -> "Facts":
        """Read a CSV file with a column `model` and any of top1 (in percent), year, epoch, training_data and training.

        Other columns are passed over.

        Raises
        ------
        InputError
            If it cannot be read, has none of these columns, names a network twice, or holds no number where one belongs.
        """
        try:
            raw = read_regular(path)
            text = raw.decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--zoo {path}: {error}; give a CSV file with a column model, or none") from None
        if len(raw) > _MOST:
            raise InputError(f"--zoo {path}: {len(raw):,} bytes are no table of networks; at most {_MOST:,} are read")
        found = csv.DictReader(io.StringIO(text, newline=""))
        names = found.fieldnames or []
        if "model" not in names or not {*NUMBERS, *TEXTS} & {*names}:
            raise InputError(
                f"--zoo {path}: its columns are {', '.join(names) or 'none'}; it needs model and at least one of "
                f"{', '.join([*NUMBERS, *TEXTS])}.{did_you_mean('model', names)}"
            )
        rows: dict[str, Mapping[str, float | str | None]] = {}
        try:
            for row in found:
                name = (row["model"] or "").strip()
                if name in rows:
                    raise InputError(f"--zoo {path}, line {found.line_num}: {name!r} is there twice; keep one row")
                rows[name] = {
                    **{name: (row.get(name) or "").strip() or None for name in TEXTS},
                    **{
                        ours: _number(row.get(theirs), theirs, found.line_num, path) for theirs, ours in NUMBERS.items()
                    },
                }
        except csv.Error as error:
            raise InputError(f"--zoo {path}, line {found.line_num}: {error}") from None
        return cls(path, rows)

    def of(self, model: PlannedModel, label: str) -> Mapping[str, float | str | None] | None:
        """Return what is stated of a network: under its label or name, or its architecture's name if its weights are official.

        Random weights, and those of a file, are not the ones that were published under the name of an architecture.
        """
        for name in (label, model.name):
            if name in self.rows:
                return self.rows[name]
        spec = model.spec
        official = spec.scheme in ("timm", "torchvision") and spec.seed is None and spec.weights_path is None
        if not official:
            return None
        # timm names weights ARCH.TAG, and its results do too
        return self.rows.get(
            f"{spec.architecture}.{spec.weights}" if spec.weights else spec.architecture
        ) or self.rows.get(spec.architecture)


def _number(text: str | None, column: str, line: int, path: Path) -> float | None:
    if text is None or not text.strip():
        return None
    try:
        value = float(text.strip().replace(",", ""))
    except ValueError:
        value = float("nan")
    if not isfinite(value) or (column == "top1" and not 0 <= value <= 100):
        raise InputError(
            f"--zoo {path}, line {line}: {column} is {text!r}; give {'percent' if column == 'top1' else 'a number'}"
        )
    return value


__all__ = ["NUMBERS", "TEXTS", "Facts"]
