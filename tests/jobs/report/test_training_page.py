"""The page of a training: its numbers are those of the table, and names of labels are text."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from filterscope.jobs.report.pages.training import write_training
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.names import RECORD
from filterscope.pipeline.stores.tables import write_table
from filterscope.pipeline.training.folder import TrainingFolder
from filterscope.schemas.results import TABLES


def folder_of(run: Path, epochs: int) -> TrainingFolder:
    run.mkdir()
    (run / RECORD).touch()
    same = {"recipe": "plain", "subject": "data", "seed": 0, "examples": 40, "seconds": 1.0, "device": "cpu"}
    for epoch in range(1, epochs + 1):
        rows = [
            {"split": "train", "metric": "loss", "value": 1 / epoch},
            {"split": "heldout", "metric": "loss", "value": 1.5 / epoch},
            {"split": "heldout", "metric": "accuracy", "value": 1 - 0.25 / epoch, "control": 0.625},
            {"split": "heldout", "metric": "accuracy", "value": 0.875, "control": 0.5, "label": "<b>hat"},
        ]
        stated = [
            {"label": None, "control": None, "model": "plain-0", "epoch": epoch, "step": epoch} | same | row
            for row in rows
        ]
        write_table(
            run, "training", ("plain-0", f"epochs-{epoch:06}"), [pa.Table.from_pylist(stated, TABLES["training"])]
        )
    return TrainingFolder(run)


def test_curves_and_the_last_measures_are_those_of_the_table(tmp_path: Path) -> None:
    text = write_training(folder_of(tmp_path / "run", 4)).read_text()
    assert "<td>accuracy</td><td>4</td><td>0.938</td><td>0.625</td>" in text
    assert "<td>loss</td><td>4</td><td>0.375</td>" in text
    assert (
        "plain-0: accuracy: epoch (log) 1, 2, 3, 4; held out 0.750, 0.875, 0.917, 0.938; control 0.625, 0.625, 0.625, 0.625"
        in text
    )
    assert "held out 1.500, 0.750, 0.500, 0.375; train 1.000, 0.500, 0.333, 0.250" in text
    assert "&lt;b&gt;hat" in text
    assert "<b>hat" not in text


def test_one_epoch_has_no_curve_and_none_has_no_page(tmp_path: Path) -> None:
    text = write_training(folder_of(tmp_path / "one", 1)).read_text()
    assert "<figure>" not in text
    assert "<td>0.750</td><td>0.625</td>" in text
    with pytest.raises(InputError, match=r"no epoch of .* is done"):
        write_training(folder_of(tmp_path / "none", 0))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(InputError, match="exists and is no report"):
        write_training(folder_of(tmp_path / "two", 2), tmp_path / "mine")


def test_pictures_along_a_code_stand_in_their_rows(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "run", 2)
    shown = [(row, step) for row in range(2) for step in range(3)]
    same = {"model": "plain-0", "code": "uniform 0", "height": 4, "width": 5}
    rows = [
        {**same, "row": row, "step": step, "value": step - 1.0, "picture": bytes([100 * row + step] * 20)}
        for row, step in reversed(shown)
    ]
    table = pa.Table.from_pylist(rows, TABLES["generated"])
    write_table(folder.path, "generated", ("plain-0", "epochs-000002"), [table])
    text = write_training(folder).read_text()
    (coded,) = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(coded))))
    assert drawn.shape == (2 * 6, 3 * 7)  # each has a border of a pixel
    assert {(row, step): drawn[6 * row + 3, 7 * step + 3] for row, step in shown} == {
        (row, step): 100 * row + step for row, step in shown
    }
    assert "along uniform 0, from -1 to 1" in text
