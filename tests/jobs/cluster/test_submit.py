"""What is sent to a cluster, and what a person is told when it cannot be sent."""

import asyncio
import json
import shlex
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest
import tomli_w

from filterscope.jobs.cli import main as cli
from filterscope.jobs.cluster import submit as submitting
from filterscope.jobs.cluster.submission import prepare
from filterscope.jobs.config.audit import load_config
from filterscope.pipeline.engine.errors import InputError, RunError


@pytest.fixture
def zoo(tmp_path):
    """Return a TOML file whose data set is on the cluster alone."""
    path = tmp_path / "zoo.toml"
    models = [{"source": "factory:mine:network", "name": "mine"}, {"source": "torchvision:resnet18@w.pth"}]
    path.write_text(tomli_w.dumps({"data": "/cluster/data", "out": "runs/a", "models": models, "layers": ["layer4"]}))
    return path


@pytest.fixture
def config(zoo):
    return load_config(zoo, elsewhere=True)


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return stop.value.code, out, err


def test_the_configuration_that_is_sent_is_the_one_that_audit_reads(config, tmp_path):
    submission = prepare(config, tmp_path / "sent")
    assert load_config(submission.folder / "audit.toml", elsewhere=True) == config
    assert config.out == tmp_path / "runs" / "a"
    assert config.models[1].source == f"torchvision:resnet18@{tmp_path}/w.pth"
    assert submission.entrypoint == "python -m filterscope audit audit.toml"
    assert {path.name for path in submission.folder.iterdir()} == {
        "audit.toml", "constraints.txt", "requirements.txt", "filterscope",
    }  # fmt: skip
    assert not list(submission.folder.rglob("__pycache__"))
    assert list((submission.folder / "filterscope" / "jobs" / "report" / "templates").iterdir())


def test_pinned_packages_are_installed_but_ray(config, tmp_path):
    submission = prepare(config, tmp_path / "sent")
    place = "-r ${RAY_RUNTIME_ENV_CREATE_WORKING_DIR}/requirements.txt"
    assert submission.runtime_env["working_dir"] == str(tmp_path / "sent")
    assert submission.runtime_env["pip"] == {"packages": [place]}
    lines = (tmp_path / "sent" / "requirements.txt").read_text().splitlines()
    assert lines[0] == "-c constraints.txt"
    assert any(line.startswith("torch>=") for line in lines)
    assert not any(line.startswith(("ray", "pytest")) for line in lines)
    assert "torch==" in (tmp_path / "sent" / "constraints.txt").read_text()
    assert "pip" not in prepare(config, tmp_path / "sent", install=False).runtime_env
    assert not (tmp_path / "sent" / "requirements.txt").exists()


def test_the_line_by_hand_says_the_same(config, tmp_path):
    submission = prepare(config, tmp_path / "my sent", redo="dissect")
    words = shlex.split(submission.command("http://head:8265"))
    assert words[:7] == [
        "ray",
        "job",
        "submit",
        "--address",
        "http://head:8265",
        "--working-dir",
        f"{tmp_path}/my sent",
    ]
    assert words[7] == "--runtime-env-json"
    assert {**json.loads(words[8]), "working_dir": words[6]} == submission.runtime_env
    assert words[9:] == ["--", *shlex.split(submission.entrypoint)]
    assert words[-2:] == ["--redo", "dissect"]


def test_own_modules_travel_along_but_hide_nothing(config, tmp_path):
    code = tmp_path / "code"
    code.mkdir()
    (code / "mine.py").write_text("def network(): ...")
    submission = prepare(config, tmp_path / "sent", code=code)
    assert (submission.folder / "mine.py").read_text() == "def network(): ..."
    (code / "mine.py").rename(code / "filterscope.py")
    with pytest.raises(InputError, match="'filterscope', which would hide"):
        prepare(config, tmp_path / "sent", code=code)
    with pytest.raises(InputError, match="no such folder"):
        prepare(config, tmp_path / "sent", code=tmp_path / "nowhere")


def test_a_folder_that_holds_something_else_is_left_alone(config, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(InputError, match="holds no earlier submission; choose another --staging"):
        prepare(config, tmp_path / "full")
    assert (tmp_path / "full" / "thesis.tex").exists()
    with pytest.raises(InputError, match=r"no constraints at .*--no-install"):
        prepare(config, tmp_path / "sent", constraints=tmp_path / "none.txt")


def test_a_dry_run_prints_the_line_and_asks_nobody(capsys, zoo, tmp_path):
    arguments = ("submit", zoo, "--address", "http://nowhere.invalid:8265", "--staging", tmp_path / "sent", "--dry-run")
    code, _, err = run(capsys, *arguments)
    assert code == 0
    assert err.startswith("the same by hand: ray job submit --address http://nowhere.invalid:8265 --working-dir ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data = ", "cannot read"),
        ('data = "d"\nout = "o"\nmodel = "x"', "unknown key 'model' in .*Did you mean 'models'"),
        ('data = "d"\nout = "o"', "models: missing"),
        ('data = "d"\nout = "o"\nquantile = 2.0\nmodels = ["torchvision:resnet18@random:0"]', "quantile: received 2.0"),
    ],
)
def test_a_wrong_file_is_refused_as_by_audit(capsys, tmp_path, text, message):
    zoo = tmp_path / "zoo.toml"
    zoo.write_text(text)
    said = [run(capsys, *words) for words in (("audit", zoo), ("submit", zoo, "--address", "http://127.0.0.1:1"))]
    assert said[0] == said[1]
    assert said[0][0] == 2
    with pytest.raises(InputError, match=message):
        load_config(zoo)


@pytest.fixture
def without_token(monkeypatch, tmp_path):
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize("address", ["head:8265", "ray://head:10001", "http://", "http://head:port", "auto"])
def test_what_is_no_address_of_a_dashboard(address):
    with pytest.raises(InputError, match=r"expected the address of a dashboard, such as http://HEAD:8265"):
        submitting.client_of(address)


def test_an_address_where_nobody_answers(capsys, zoo, without_token):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        code, _, err = run(capsys, "submit", zoo, "--address", address)
    assert code == 2
    assert err.startswith(f"error: no Ray cluster answers at {address} (ConnectionError)")
    assert "is the head node running" in err


@pytest.fixture
def server():
    """Return a function that starts a server whose every answer has the given status."""
    started = []

    def start(status, text=""):
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        started.append(HTTPServer(("127.0.0.1", 0), Answer))
        threading.Thread(target=started[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{started[-1].server_port}"

    yield start
    for one in started:
        one.shutdown()
        one.server_close()


@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_or_wrong_token_says_how_to_set_one(server, without_token, status):
    with pytest.raises(InputError, match=r"did not accept the token .*RAY_AUTH_TOKEN_PATH"):
        submitting.client_of(server(status, "Unauthorized"))


def test_a_server_that_is_no_cluster(server, without_token):
    with pytest.raises(InputError, match="is not the dashboard of a Ray cluster"):
        submitting.client_of(server(404))
    with pytest.raises(InputError, match="is not the dashboard of a Ray cluster"):
        submitting.client_of(server(200, "<html>"))


def test_a_token_that_cannot_be_read(monkeypatch, without_token, tmp_path):
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(InputError, match=r"RAY_AUTH_TOKEN_PATH=.*the token cannot be read"):
        submitting.client_of("http://127.0.0.1:1")
    (tmp_path / "token").touch()
    with pytest.raises(InputError, match="the file is empty"):
        submitting.client_of("http://127.0.0.1:1")


class Client:
    """Answers as a job server does whose connection breaks after every piece but the last."""

    def __init__(self, *tails, status="SUCCEEDED", code=0):
        self.tails, self.asked = list(tails), 0
        self.details = SimpleNamespace(
            status=_Status(status), driver_exit_code=code, submission_id="job", message="why"
        )

    async def tail_job_logs(self, job):
        self.asked += 1
        pieces = self.tails.pop(0) if self.tails else []
        for piece in pieces:
            yield piece
        if self.tails or not pieces:
            raise ConnectionError("gone")

    def get_job_info(self, job):
        return self.details


class _Status(str):
    def is_terminal(self):
        return self in ("SUCCEEDED", "FAILED", "STOPPED")


def followed(monkeypatch, client):
    monkeypatch.setattr(submitting, "_PAUSE", 0)
    said = []
    return asyncio.run(submitting._followed(client, "job", said.append)), said


def test_logs_are_taken_up_where_the_connection_broke(monkeypatch, capsys):
    client = Client(["one\ntw"], ["one\n", "two\nthr"], ["one\ntwo\nthree\n", "four\n"])
    assert followed(monkeypatch, client) == (0, [])
    assert capsys.readouterr().out == "one\ntwo\nthree\nfour\n"
    assert client.asked == 3


def test_a_cluster_that_is_gone_for_good(monkeypatch):
    with pytest.raises(RunError, match=r"job job is out of reach \(gone\)"):
        followed(monkeypatch, Client())


@pytest.mark.parametrize(
    ("status", "code", "expected", "said"),
    [
        ("SUCCEEDED", 0, 0, []),
        ("FAILED", 2, 2, []),
        ("FAILED", 1, 1, []),
        ("FAILED", None, 1, ["job job failed: why"]),
        ("FAILED", -9, 1, ["job job failed: why"]),
        ("STOPPED", None, 130, ["job job was stopped"]),
    ],
)
def test_the_exit_code_is_that_of_the_job(monkeypatch, status, code, expected, said):
    assert followed(monkeypatch, Client(["x\n"], status=status, code=code)) == (expected, said)
