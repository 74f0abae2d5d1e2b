"""The recipe `rule-distil`: the teacher against all assignments, and labels with errors that a true rule mends."""

from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from filterscope import schemas
from filterscope.jobs.config.train import asked_of
from filterscope.jobs.runs.train import train
from filterscope.operators.rules.formula import parse
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.training.distilled import Teacher

SIDE, IMAGES, TRAIN = 24, 420, 260
TRUE = ("one,1,label:red => ~label:green", "other,1,~label:red => label:green")
FALSE = ("one,1,label:red => ~label:large", "other,1,~label:red => label:large")


def write_flipped(folder: Path) -> tuple[Path, Path]:
    """Write squares that are red or green, small or large; a fifth of the labels that are trained on is wrong."""
    rng = np.random.default_rng(0)
    files = folder / "files"
    files.mkdir(parents=True)
    with DatasetWriter(folder / "data", source={"reader": "planted"}) as out:
        for number in range(IMAGES):
            red, large = rng.random(2) < 0.5
            side = 14 if large else 6
            pixels = rng.integers(60, 140, (SIDE, SIDE, 3)).astype(np.uint8)
            row, column = rng.integers(0, SIDE - side, 2)
            pixels[row : row + side, column : column + side] = (200, 60, 60) if red else (60, 200, 60)
            Image.fromarray(pixels).save(files / f"{number:04}.png")
            image = out.image(files / f"{number:04}.png")
            wrong = (rng.random(3) < 0.2) & (number < TRAIN)
            for name, value, flipped in zip(("red", "green", "large"), (red, not red, large), wrong, strict=True):
                out.attribute(image, name, str(int(value != flipped)))
    (folder / "train.txt").write_text("\n".join(f"{number:04}.png" for number in range(TRAIN)))
    return folder / "data", folder / "train.txt"


def test_the_posterior_is_the_mean_over_all_assignments():
    rules = [(parse("label:a => ~label:c"), 1.0), (parse("label:a | label:c"), 0.5)]
    scores = np.random.default_rng(0).normal(size=(5, 3))
    found = Teacher.of(rules, ("a", "b", "c"), 6.0).posterior(scores)
    p = 1 / (1 + np.exp(-scores))
    for image in range(5):
        total, shares = 0.0, np.zeros(2)
        for a, c in product((0, 1), repeat=2):
            share = (p[image, 0] if a else 1 - p[image, 0]) * (p[image, 2] if c else 1 - p[image, 2])
            share *= np.exp(-6 * ((1 - min(1 - a + 1 - c, 1)) + 0.5 * (1 - min(a + c, 1))))
            total, shares = total + share, shares + share * np.array([a, c])
        assert found[image] == pytest.approx([shares[0] / total, p[image, 1], shares[1] / total])


def test_truth_is_of_the_answers_themselves():
    teacher = Teacher.of([(parse("label:a => label:b"), 1.0)], ("b", "a"), 6.0)
    scores = np.array([[-30.0, 30.0], [30.0, 30.0], [0.0, 0.0]])
    assert teacher.truths(scores)[:, 0] == pytest.approx([0, 1, 1], abs=1e-9)


def ask(data: Path, listed: Path, **options: object) -> dict:
    told = {"input_size": SIDE, "epochs": 4, "batch": 32, "learn": "attributes", "train_on": str(listed), "decay": 0.5}
    return asked_of("rule-distil", data, {**told, **options}, seeds=1)


def test_what_cannot_be_followed_is_refused(tmp_path):
    data, listed = write_flipped(tmp_path)
    for rules, words in (
        ((), "name a TOML file"),
        (("a,1,concept:red => label:red",), "rules on labels"),
        (("a,1,label:rod => label:red",), "Did you mean 'red'"),
    ):
        with pytest.raises(InputError, match=words):
            train(ask(data, listed, rules=rules), tmp_path / "run", actors=0)


@pytest.mark.slow
def test_a_true_rule_mends_wrong_labels_and_a_permuted_one_does_not(tmp_path):
    data, listed = write_flipped(tmp_path)
    found = {}
    for name, rules in (("true", TRUE), ("false", FALSE)):
        assert train(ask(data, listed, rules=rules), tmp_path / name, actors=0)
        rows = schemas.scan(tmp_path / name, "training").filter(pl.col("split") == "heldout", pl.col("epoch") == 4)
        for row in rows.filter(pl.col("label").is_null()).collect().to_dicts():
            found[name, row["model"], row["metric"]] = row["value"]
    assert found["true", "plain-0", "accuracy"] == found["false", "plain-0", "accuracy"]
    plain = found["true", "plain-0", "accuracy"]
    assert found["true", "distilled-0", "accuracy"] > plain + 0.01
    assert found["false", "distilled-0", "accuracy"] < plain - 0.05
    assert found["false", "distilled-0", "violations"] < found["false", "plain-0", "violations"]
