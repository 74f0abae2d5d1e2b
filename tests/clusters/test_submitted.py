"""An audit submitted to a real head node that wants a token."""

import re
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
import tomli_w

from tests import planted
from tests.audits import assert_same, audit_here
from tests.clusters.head import Head
from tests.planted import PLANTED

pytestmark = pytest.mark.fault
ROOT = Path(__file__).parents[2]
LIMIT = 300


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    pytest.importorskip("aiohttp", reason="the dashboard needs ray[default]")
    started = Head(tmp_path_factory.mktemp("head"))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a data set, and a network in a module of its own."""
    folder = tmp_path_factory.mktemp("submitted")
    planted.write_dataset(folder / "data")
    (folder / "code").mkdir()
    text = (ROOT / "tests" / "planted" / "networks.py").read_text()
    (folder / "code" / "mine.py").write_text(text)
    return folder


def settings(folder, **others):
    model = {**PLANTED, "source": "factory:mine:network"}
    return {"data": str(folder / "data"), "models": [model], "layers": ["0", "1"], "quantile": 0.05, "min_images": 3,
            "batch_size": 2, "metrics": ["dissection"], **others}  # fmt: skip


def submitted(head, folder, name, environment=None, **others):
    zoo = folder / f"{name}.toml"
    zoo.write_text(tomli_w.dumps({**settings(folder, **others), "out": str(folder / name)}))
    words = ["submit", str(zoo), "--address", head.address, "--code", str(folder / "code"), "--no-install"]
    return subprocess.run(
        [sys.executable, "-m", "filterscope", *words, "--staging", str(folder / f"{name}.submit")],
        cwd=folder,
        env={**(environment or head.environment), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )


class Scraper:
    """Reads the metrics of a node again and again, as Prometheus does, and keeps the largest value of each series."""

    def __init__(self, port):
        self.found, self._url, self._done = {}, f"http://127.0.0.1:{port}/metrics", threading.Event()
        self._thread = threading.Thread(target=self._scrape, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _scrape(self):
        while not self._done.wait(0.5):
            try:
                text = urllib.request.urlopen(self._url, timeout=5).read().decode()
            except OSError:
                continue
            for name, tags, value in re.findall(r"^ray_(filterscope_\w+)\{(.*)\} (\S+)$", text, re.MULTILINE):
                key = name, dict(re.findall(r'(\w+)="(.*?)"', tags))["stage"]
                self.found[key] = max(self.found.get(key, 0.0), float(value))


def test_an_audit_is_carried_out_and_its_logs_are_followed(head, folder, monkeypatch):
    with Scraper(head.metrics) as scraper:
        done = submitted(head, folder, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dissect" in done.stdout
    assert "Detectors: IoU > 0.04" in done.stdout
    assert "the same by hand: ray job submit --address" in done.stderr
    token = Path(head.environment["RAY_AUTH_TOKEN_PATH"]).read_text()
    assert token not in done.stdout + done.stderr
    assert not [path for path in (folder / "run").rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    monkeypatch.syspath_prepend(str(folder / "code"))
    assert_same(folder / "run", audit_here(folder / "here", **settings(folder, data=folder / "data")))
    assert scraper.found["filterscope_tasks_done_total", "extract"] > 0
    assert scraper.found["filterscope_images_total", "extract"] > 0
    assert scraper.found["filterscope_stage_seconds", "extract"] > 0
    again = submitted(head, folder, "run")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "nothing to do" in again.stdout


def test_the_exit_code_of_a_job_that_fails_is_returned(head, folder):
    done = submitted(head, folder, "wrong", data=str(folder / "nowhere"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "no data set at" in done.stdout


@pytest.mark.parametrize("token", [None, "0" * 64])
def test_without_the_token_nothing_is_sent(head, folder, token):
    environment = {key: text for key, text in head.environment.items() if not key.startswith("RAY_")}
    environment |= {"HOME": str(folder)} | ({"RAY_AUTH_TOKEN": token} if token else {})
    done = submitted(head, folder, "refused", environment)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "did not accept the token" in done.stderr
    assert not (folder / "refused.submit").exists()
