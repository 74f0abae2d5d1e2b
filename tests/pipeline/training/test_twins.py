"""Twins: what each measure is made of."""

from pathlib import Path

import pyarrow as pa
import pytest

from filterscope.pipeline.stores.tables import write_table
from filterscope.pipeline.training import twins
from filterscope.schemas.results import TABLES


def twin(model, variant):
    return twins.Twin(model, model, Path("none"), "interpretable-cnn", "net-layer", variant, 0)


def write_parts(run, model, shares):
    """Write part interpretability of units on two parts, of which only the first is eligible."""
    rows = [
        {
            "model": model, "layer": "filters", "unit": unit, "concept": concept, "views": 10, "matched": int(10 * share),
            "share": share, "mean_iou": 0.1, "largest_iou": 0.3, "eligible": concept != "ear", "best": True,
        }
        for unit, own in enumerate(shares)
        for concept, share in zip(("head", "tail", "ear"), own, strict=True)
    ]  # fmt: skip
    schema = TABLES["part_interpretability"]
    write_table(run, "part_interpretability", (model, "filters", "u0"), [pa.Table.from_pylist(rows, schema=schema)])


def test_part_interpretability_is_the_best_eligible_part_of_each_filter(tmp_path):
    write_parts(tmp_path, "a", [(0.2, 0.1, 0.9), (0.0, 0.4, 0.0)])
    write_parts(tmp_path, "b", [(0.5, 0.1, 0.0), (0.7, 0.6, 1.0)])
    pair = [twins._parts(tmp_path, twin(model, variant)) for model, variant in (("a", "plain"), ("b", "interpretable"))]
    assert [values.tolist() for values in pair] == [[0.2, 0.4], [0.5, 0.7]]
    name, plain, other, (difference, low, high) = twins._compared("part interpretability", twins.np.mean, pair, 0)
    assert (name, plain, other) == ("part interpretability", pytest.approx(0.3), pytest.approx(0.6))
    assert low <= difference <= high
    assert difference == pytest.approx(0.3)
    assert twins._parts(tmp_path, twin("none", "plain")).tolist() == []
