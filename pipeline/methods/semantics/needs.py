"""What the comparison of directions needs: labels of images, and another network that opens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.methods.semantics.options import SemanticsOptions
from filterscope.pipeline.run.needs import Need


@dataclass(frozen=True)
class Labels(Need):
    """An attribute of images of two values or more."""

    def check_data(self, method: str, dataset: Dataset, settings: Mapping[str, Any]) -> None:
        """Refuse a data set without such an attribute, and another network that does not open."""
        asked, table = SemanticsOptions.of(settings), dataset.table("attributes")
        known = sorted(set(table["attribute"].to_pylist()))
        if asked.label not in known:
            said = f"It has: {', '.join(known[:50])}" if known else "`filterscope import attributes` brings labels in"
            hint = did_you_mean(asked.label, known) or f" {said}."
            raise InputError(
                f"--semantics.label: the data set {dataset.folder} has no attribute {asked.label!r}.{hint}"
            )
        values = pc.unique(table.filter(pc.equal(table["attribute"], asked.label))["value"]).to_pylist()
        if len(values) < 2:
            raise InputError(
                f"--semantics.label: all images of {dataset.folder} with the attribute {asked.label!r} have the "
                f"value {values[0]!r}; name one of two labels or more"
            )
        if asked.judge is not None:
            from filterscope.pipeline.methods.semantics.judge import Judge

            try:
                Judge(asked.judge, "cpu")
            except InputError as error:
                raise InputError(f"--semantics.judge: {error}") from error


__all__ = ["Labels"]
