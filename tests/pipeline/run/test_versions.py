"""Versions name filterscope, and its commit where there is one."""

import shutil
import subprocess
from importlib.metadata import version

import pytest

from filterscope.pipeline.run.versions import commit, versions


@pytest.fixture
def checkout(tmp_path):
    """A git checkout with one commit, and the digits of that."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "checkout"
    folder.mkdir()

    def git(*words):
        known = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c", *words]
        return subprocess.run(known, capture_output=True, text=True, check=True).stdout.strip()

    git("init")
    (folder / "file").write_text("one")
    git("add", "file")
    git("commit", "-m", "one")
    git("tag", "-a", "v1", "-m", "a release")
    commit.cache_clear()
    yield folder, git("rev-parse", "HEAD")
    commit.cache_clear()


def test_the_commit_is_that_of_the_checkout_whatever_hooks_say(checkout, monkeypatch, tmp_path):
    folder, digits = checkout
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert commit(folder) == digits


def test_changed_files_are_told_and_new_ones_are_not(checkout):
    folder, digits = checkout
    (folder / "another").touch()
    assert commit(folder) == digits
    commit.cache_clear()
    (folder / "file").write_text("two")
    assert commit(folder) == f"{digits}-dirty"


def test_a_folder_within_a_checkout_of_something_else_has_no_commit(checkout):
    (checkout[0] / "site-packages").mkdir()
    assert commit(checkout[0] / "site-packages") is None


def test_without_git_there_is_no_commit(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert commit(checkout[0]) is None


def test_versions_name_filterscope_and_hold_no_place(monkeypatch):
    monkeypatch.setattr("filterscope.pipeline.run.versions.commit", lambda source: None)
    stated = versions()
    assert stated["filterscope"] == version("filterscope")
    assert "commit" not in stated
    monkeypatch.setattr("filterscope.pipeline.run.versions.commit", lambda source: "a" * 40)
    assert versions() == {**stated, "commit": "a" * 40}
    assert not any("/" in value for value in versions().values())
