"""The verb `train`: killed and resumed, side by side, changed, damaged."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs.config.train import asked_of
from filterscope.jobs.runs.doctor import examine, repair
from filterscope.jobs.runs.status import run_status
from filterscope.jobs.runs.train import train
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.training.supervised import Supervised
from tests.planted.lessons import QUICK, write_lesson


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lesson(tmp_path_factory.mktemp("data") / "lesson")


def trained(data: Path, out: Path, seeds: int = 1, redo: bool = False, actors: int = 0, **options: object) -> bool:
    return train(asked_of("plain", data, {**QUICK, **options}, seeds=seeds), out, actors=actors, redo=redo)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trainings of three epochs, never interrupted."""
    out = tmp_path_factory.mktemp("run") / "run"
    assert trained(data, out, seeds=2)
    return out


def digests(run: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((run / "networks").iterdir())}


def dying_at(step: int) -> Callable[..., None]:
    """Return an update that is interrupted, as by Ctrl-C, before the update of a number."""
    update, calls = Supervised._update, [0]

    def dies(self: Supervised, *args: object) -> None:
        calls[0] += 1
        if calls[0] == step:
            raise KeyboardInterrupt
        update(self, *args)

    return dies


def test_a_training_that_is_interrupted_at_any_update_ends_in_the_same_bits(
    data: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in np.random.default_rng(5).choice(np.arange(1, 15), 3, replace=False).tolist():
        with monkeypatch.context() as patch:
            patch.setattr(Supervised, "_update", dying_at(step))
            with pytest.raises(KeyboardInterrupt):
                trained(data, tmp_path / "run", seeds=2)
    assert trained(data, tmp_path / "run", seeds=2)
    assert digests(tmp_path / "run") == digests(run)
    then, now = (
        schemas.scan_training(folder).drop("seconds").collect().sort(pl.all()) for folder in (run, tmp_path / "run")
    )
    assert then.equals(now)


@pytest.mark.slow
def test_a_process_that_is_killed_three_times_ends_in_the_same_bits(data: Path, run: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "filterscope",
        "train",
        "plain",
        "--data",
        data,
        "--out",
        tmp_path / "run",
        "--seeds",
        "2",
    ]
    command += [str(part) for name, value in QUICK.items() for part in (f"--{name.replace('_', '-')}", value)]
    random = np.random.default_rng(2)
    for kill in range(3):
        child = subprocess.Popen([*map(str, command), "--actors", "0"], env={**os.environ}, stderr=subprocess.DEVNULL)
        markers, wanted = tmp_path / "run" / "ledger" / "train", kill + 1
        while len(list(markers.rglob("epochs-*.json"))) < wanted and child.poll() is None:
            time.sleep(0.01)
        time.sleep(float(random.uniform(0, 0.1)))
        child.send_signal(signal.SIGKILL)
        child.wait()
    subprocess.run([*map(str, command), "--actors", "0"], check=True)
    assert digests(tmp_path / "run") == digests(run)


@pytest.mark.slow
def test_trainings_side_by_side_give_the_bits_of_one_after_the_other(data: Path, run: Path, tmp_path: Path) -> None:
    assert trained(data, tmp_path / "run", seeds=2, actors=2)
    assert digests(tmp_path / "run") == digests(run)


def test_a_finished_training_is_recognised_and_extended_by_seeds(data: Path, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    assert not trained(data, tmp_path / "run", seeds=2)
    assert trained(data, tmp_path / "run", seeds=3)
    now = digests(tmp_path / "run")
    assert len(set(now.values())) == 3
    assert now.items() > digests(run).items()


def test_another_option_is_refused_until_it_is_trained_anew(data: Path, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    with pytest.raises(InputError, match=r"batch is 16 and was 32\. Set them back, train again with --redo"):
        trained(data, tmp_path / "run", seeds=2, batch=16)
    assert digests(tmp_path / "run") == digests(run)
    assert trained(data, tmp_path / "run", seeds=2, batch=16, redo=True)
    assert digests(tmp_path / "run")["plain-0.safetensors"] != digests(run)["plain-0.safetensors"]
    with pytest.raises(InputError, match="epochs is 4 and was 3"):
        trained(data, tmp_path / "run", seeds=2, batch=16, epochs=4)


def test_the_table_holds_every_epoch_with_what_a_constant_answer_gives(run: Path) -> None:
    rows = schemas.scan_training(run).collect()
    assert rows["epoch"].unique().sort().to_list() == [1, 2, 3]
    assert set(rows["model"]) == {"plain-0", "plain-1"}
    updates = rows.filter(model="plain-0").group_by("epoch").agg(pl.col("step").first()).sort("epoch")
    assert updates["step"].to_list() == [3, 6, 9]  # 72 images to train on, 32 an update
    right = rows.filter(metric="accuracy", split="heldout")
    classes = [0.25, 0.75]
    assert right["control"].is_between(*classes).all()
    assert right.filter(epoch=3)["value"].min() >= 0.9  # colour is plain to see
    assert set(right["examples"]) == {24}
    assert rows.filter(metric="loss")["control"].null_count() == rows.filter(metric="loss").height


def test_status_tells_of_each_training(run: Path) -> None:
    rows = run_status(run)
    assert [(row["stage"], row["tasks"], row["left"]) for row in rows] == [
        ("train/plain-0", 3, 0),
        ("train/plain-1", 3, 0),
    ]


@pytest.mark.parametrize("lost", ["networks/plain-0.safetensors", "states/plain-0/epochs-000003.safetensors"])
def test_what_is_damaged_is_found_and_computed_again(lost: str, run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    (folder / lost).write_bytes((folder / lost).read_bytes()[:-1])
    found = examine(folder)
    assert [problem.path.relative_to(folder).as_posix() for problem in found] == [lost]
    repair(folder, found)
    assert not examine(folder)
    assert digests(folder) == digests(run)


def test_a_training_whose_states_are_gone_begins_again_and_ends_in_the_same_bits(
    data: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    shutil.rmtree(folder / "states" / "plain-1")
    (folder / "networks" / "plain-1.safetensors").unlink()
    repair(folder, examine(folder))
    assert digests(folder) == digests(run)
    assert not examine(folder)


def test_a_state_that_was_changed_stops_the_training_that_would_go_on_from_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Supervised, "_update", dying_at(5))
        with pytest.raises(KeyboardInterrupt):
            trained(data, tmp_path / "run")
    state = tmp_path / "run/states/plain-0/epochs-000001.safetensors"
    content = bytearray(state.read_bytes())
    content[-3] ^= 1
    state.write_bytes(content)
    with pytest.raises(RunError, match=r"epochs-000001.*checksum differs.*doctor"):
        trained(data, tmp_path / "run")
    repair(tmp_path / "run", [problem for problem in examine(tmp_path / "run") if problem.ours])
    assert (tmp_path / "run/networks/plain-0.safetensors").is_file()


def test_images_that_cannot_be_decoded_are_left_out_and_told(tmp_path: Path) -> None:
    data = write_lesson(tmp_path / "data", images=110, broken=1)
    assert trained(data, tmp_path / "run", epochs=1)
    rejects = schemas.scan_rejects(tmp_path / "run").collect()
    assert rejects["item"].to_list() == ["images/0109.png"]
    data = write_lesson(tmp_path / "worse", images=110, broken=8)
    with pytest.raises(RunError, match=r"images could not be decoded, more than 1% of them; the first, images/01"):
        trained(data, tmp_path / "other", epochs=1)


def test_folders_of_audits_and_of_trainings_are_not_confused(data: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds trained networks; choose another --out for an audit"):
        RunFolder(run).refuse_foreign()
    with pytest.raises(InputError, match="audit --model trained:"):
        RunFolder.existing(run)
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "run.toml").touch()
    with pytest.raises(InputError, match="holds an audit; choose another --out"):
        trained(data, tmp_path / "audit")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").touch()
    with pytest.raises(InputError, match="is not a run folder"):
        trained(data, tmp_path / "notes")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch": 1}, "--batch: received 1; expected greater than or equal to 2"),
        ({"bach": 1}, "the recipe plain has no option 'bach'.*Did you mean 'batch'"),
        ({"input_size": 8}, "--input-size.0: received 8; expected greater than or equal to 16"),
        ({"views": "dog"}, "--views: received 'dog'; expected image, objects or objects:CATEGORY"),
        ({"learn": "categories"}, "whole images have no category; add --views objects"),
        ({"learn": "classes", "truth": "colour"}, "no image of .* has this attribute; it has class, large, red"),
        ({"learn": "attributes", "attributes": "rad"}, "no such binary attribute in .*Did you mean 'red'"),
        ({"train_on": "nowhere.txt"}, "--train-on .*nowhere.txt cannot be read"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_written(
    options: dict[str, object], said: str, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said):
        trained(data, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_an_unknown_recipe_names_those_there_are(data: Path) -> None:
    with pytest.raises(InputError, match=r"no recipe .plane.; recipes are .*plain.*Did you mean 'plain'"):
        asked_of("plane", data)
