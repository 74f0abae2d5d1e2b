"""`audit` on the command line: what is said first, hints, and the report at its end, which never fails an audit."""

import errno

import pytest

from filterscope.jobs.cli import main as cli
from filterscope.jobs.report import site
from filterscope.jobs.runs import audit as jobs
from filterscope.pipeline.engine import runner
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.stores.promises import DamagedError
from tests import planted

ZOO = """
data = "data"
out = "run"
layers = ["1"]
methods = ["dissection"]
quantile = 0.05
min_images = 3
actors = 0
[[models]]
source = "factory:tests.planted:network{weights}"
name = "planted"
input_size = 16
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]
interpolation = "nearest"
"""


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """A folder with a finished audit that wrote its report, and what it printed."""
    folder = tmp_path_factory.mktemp("reported")
    return folder, audit_in(folder)


def audit_in(folder, *arguments, weights=""):
    """Audit the planted network in a folder; return exit code, standard output and standard error."""
    if not (folder / "data").exists():
        planted.write_dataset(folder / "data")
        (folder / "zoo.toml").write_text(ZOO.format(weights=weights))
    with pytest.MonkeyPatch.context() as patch:
        out, err = [], []
        for module in ("filterscope.jobs.terminal.sys.stdout", "filterscope.jobs.terminal.sys.stderr"):
            patch.setattr(module, Lines(out if module.endswith("out") else err))
        with pytest.raises(SystemExit) as stop:
            cli.main(["audit", str(folder / "zoo.toml"), *arguments])
    return stop.value.code or 0, "".join(out), "".join(err)


class Lines:
    """A stream that keeps what is written."""

    def __init__(self, texts):
        self.write, self.texts = texts.append, texts

    def flush(self):
        pass

    def isatty(self):
        return False

    def fileno(self):
        raise OSError


def test_the_first_line_comes_before_all_work_and_the_report_is_the_last(audited):
    folder, (code, out, err) = audited
    assert code == 0, err
    assert err.splitlines()[0] == "opening 1 network and the data set..."
    assert out.splitlines()[-1] == f"report: {folder}/run/report/index.html"
    assert (folder / "run" / "report" / "index.html").is_file()


def test_a_finished_audit_says_where_its_report_is(audited):
    folder, _ = audited
    page = folder / "run" / "report" / "index.html"
    code, out, err = audit_in(folder)
    assert (code, out, err) == (0, f"report: {page}\n", f"nothing to do: {folder}/run is complete\n")


def test_few_images_are_told_and_many_are_not(audited, monkeypatch):
    folder, (_, _, err) = audited
    assert "note: 12 images are few: only concepts in --min-images 3 of them or more can label a unit" in err
    monkeypatch.setattr(jobs, "FEW", 12)
    code, _, err = audit_in(folder, "--no-report", "--redo", "dissect")
    assert code == 0
    assert "images are few" not in err


def test_without_a_report_its_command_is_told(tmp_path):
    code, out, _ = audit_in(tmp_path, "--no-report")
    assert code == 0
    assert out.splitlines()[-1] == f"report: `filterscope report {tmp_path}/run` writes it"
    assert not (tmp_path / "run" / "report").exists()
    assert audit_in(tmp_path, "--no-report") == (0, "", f"nothing to do: {tmp_path}/run is complete\n")

    (tmp_path / "run" / "report").mkdir()
    (tmp_path / "run" / "report" / "thesis.tex").write_text("do not lose")
    code, out, err = audit_in(tmp_path)
    assert (code, out) == (0, "")
    assert err.endswith(
        f"note: the audit is done, but its report was not written: {tmp_path}/run/report exists and is no report; choose "
        "another --out\n"
    )
    assert (tmp_path / "run" / "report" / "thesis.tex").read_text() == "do not lose"


@pytest.mark.parametrize(
    ("error", "code"),
    [(InputError("s3"), 0), (OSError(errno.ENOSPC, "no space"), 0), (RunError("stopped"), 0),
     (DamagedError("torn"), 1), (ZeroDivisionError(), 1)],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_a_report_that_cannot_be_written_is_a_note_and_a_fault_is_a_fault(audited, monkeypatch, error, code):
    def fail(run):
        raise error

    monkeypatch.setattr(site, "write_report", fail)
    found, _, err = audit_in(audited[0])
    assert found == code
    assert ("note: the audit is done, but its report was not written: " in err) == (code == 0)


def test_random_weights_are_told_to_be_a_baseline(tmp_path, audited):
    code, out, _ = audit_in(tmp_path, "--no-report", weights="@random:0")
    assert code == 0
    told = " ".join(out.split())
    assert "note: planted: weights are random, so these numbers are a baseline" in told
    assert f"`filterscope compare {tmp_path}/run`" in told
    assert "weights are random" not in " ".join(audited[1][1].split())


@pytest.mark.parametrize(
    ("address", "line"), [(None, "starting Ray..."), ("10.0.0.1:6379", "joining the Ray cluster at 10.0.0.1:6379...")]
)
def test_a_line_is_said_before_ray_is_waited_for(monkeypatch, address, line):
    def refuse(given):
        raise InputError("no answer")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(runner, "refuse_silent", refuse)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    told = []
    with pytest.raises(InputError, match="no answer"):
        runner.start_ray(address, told.append)
    assert told == [line]
