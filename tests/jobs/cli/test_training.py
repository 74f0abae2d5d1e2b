"""The verb `train` on the command line."""

from pathlib import Path

import pytest

from filterscope.jobs.cli.main import main
from tests.planted.lessons import QUICK, write_lesson


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


def test_a_training_tells_what_it_came_to_and_the_second_time_that_there_is_nothing_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = write_lesson(tmp_path / "data"), tmp_path / "run"
    flags = [str(part) for name, value in QUICK.items() for part in (f"--{name.replace('_', '-')}", value)]
    command = ["train", "plain", "--data", data, "--out", out, "--seeds", 2, "--actors", 0, "--learn", "attributes"]
    command += [*flags, "--attributes", "red,large"]
    assert run(*command) == 0
    told = capsys.readouterr()
    names = [line.split()[0] for line in told.out.splitlines() if line.startswith("plain-")]
    assert names == ["plain-0", "plain-0", "plain-1", "plain-1"]
    assert f"audit one: --model trained:{out}/plain-0" in told.out
    assert run(*command) == 0
    assert f"nothing to do: {out} is complete" in capsys.readouterr().err
    assert run("report", out) == 0
    assert (out / "report" / "index.html").is_file()
    assert run("status", out, "--format", "json") == 0
    assert run("layers", f"trained:{out}/plain-0") == 0
    assert "input 24 x 24" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plain", "--batch", "1"], "--batch: received 1"),
        (["plain", "--batch", "many"], "--batch: received 'many'; expected a whole number"),
        (["plain", "--seeds", "0"], "--seeds 0: from 1 to 10,000"),
        (["plain", "--device", "tpu"], "--device tpu: auto, cpu or cuda"),
        (["plain", "--threads", "0"], "--threads 0: from 1 to 256"),
        (["plane"], "No such command 'plane'"),
        (["plain", "--model", "torchvision:resnet18"], "No such option"),
    ],
)
def test_wrong_arguments_end_with_exit_code_2(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train", *arguments, "--data", tmp_path / "none", "--out", tmp_path / "run") == 2
    assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not (tmp_path / "run").exists()
