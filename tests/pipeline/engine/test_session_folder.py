"""Ray's sockets have names that the system takes, however long the folder for temporary files is."""

import os
import subprocess
import sys

import pytest

from filterscope.pipeline.engine import runner
from filterscope.pipeline.engine.errors import InputError


@pytest.fixture
def folders(monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.delenv("TMPDIR", raising=False)
    return monkeypatch


@pytest.mark.parametrize("name", ["TMPDIR", "RAY_TMPDIR"])
def test_a_long_folder_is_left_for_a_short_one(folders, name):
    assert runner.session_folder() is None
    folders.setenv(name, "/" + "a" * 35)
    assert runner.session_folder() is None
    folders.setenv(name, "/" + "a" * 36)
    assert runner.session_folder() == "/tmp/ray"


def test_the_variable_is_named_where_there_is_no_short_folder(folders):
    folders.setenv("TMPDIR", "/" + "a" * 100)
    folders.setattr(runner, "_SHORT_FOLDER", "/absent")
    with pytest.raises(
        InputError, match=r"^TMPDIR is '/a+', too long .* set RAY_TMPDIR to a folder of at most 36 bytes$"
    ):
        runner.session_folder()


@pytest.mark.slow
def test_ray_starts_where_the_folder_has_a_hundred_characters(tmp_path):
    folder = tmp_path / ("a" * max(1, 99 - len(str(tmp_path))))
    folder.mkdir()
    code = (
        "from filterscope.pipeline.engine.runner import start_ray; start_ray(); import ray; print(ray.get(ray.put(7)))"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("RAY_ADDRESS", "RAY_TMPDIR")} | {
        "TMPDIR": str(folder)
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr
