"""The same demands on every registered method."""

import re
import shutil
from functools import cache
from pathlib import Path

import pytest

from filterscope.jobs.config.audit import load_config
from filterscope.jobs.runs.audit import audit
from filterscope.jobs.runs.doctor import examine
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.methods import registry
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.run.options import RunOptions
from filterscope.pipeline.stores.artifacts import Table
from filterscope.schemas.results import TABLES
from tests.audits import audit_here
from tests.pipeline.methods import every

DOCS = Path(__file__).parents[3] / "docs"
NAMES = registry.names()


def own_tables(name):
    method = registry.method(name)
    return {a.name for kind in method.stages(RunOptions()) for a in kind.writes if isinstance(a, Table)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return every.write_data(tmp_path_factory.mktemp("every") / "data")


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """Return a function that gives an undisturbed run by one method."""

    @cache
    def run(name):
        return audit_here(tmp_path_factory.mktemp(name) / "run", **every.settings([name], data))

    return run


def contents(run):
    """Return every file that pieces of work left, and which are marked; not what says when."""
    times = {"ledger", "journal.jsonl", "run.toml", "ray.log", "runs", "report"}
    files = [path for path in run.rglob("*") if path.is_file() and not times & set(path.relative_to(run).parts)]
    found = {str(path.relative_to(run)): path.read_bytes() for path in files}
    return found | {str(path.relative_to(run)): b"" for path in (run / "ledger").rglob("*.json")}


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name):
    method = registry.method(name)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
    assert method.about
    assert not method.about.endswith(".")
    assert method.source
    assert method.options.method in ("", name)
    for field in method.options.model_fields.values():
        assert field.description


@pytest.mark.parametrize("name", NAMES)
def test_its_tables_are_documented_and_shown(name):
    tables, text = own_tables(name), (DOCS / "tables.md").read_text()
    assert tables <= TABLES.keys()
    assert all(f"### {table}\n" in text for table in tables)
    for finding in registry.method(name).findings():
        assert set(finding.tables) <= TABLES.keys()
    shown = {table for finding in registry.method(name).findings() for table in finding.tables}
    assert shown & tables or not tables, f"no finding of {name} shows a table of its own"


@pytest.mark.parametrize("name", NAMES)
def test_it_has_a_page_of_documentation(name):
    """The page goes by its name, and states the years of its sources, its options as flags and as TOML keys, its tables."""
    assert (DOCS / f"{name}.md").is_file()
    method, text = registry.method(name), (DOCS / f"{name}.md").read_text()
    years = re.findall(r"\b(?:19|20)\d\d\b", method.source)
    assert years, f"the source of {name} has no year"
    assert [year for year in years if year not in text] == []
    quoted = set(re.findall(r"`([^`\n]+)`", text))
    names = {
        said for field, flat in method.options.flat_names().items() for said in (field, f"--{flat.replace('_', '-')}")
    }
    assert sorted((names | own_tables(name)) - quoted) == []


class _KilledError(BaseException):
    """The process ends here."""


def killed_at(run, config, number, patch, *, marked):
    """Audit until work is to be marked for the `number`-th time, before or after its marker is written."""
    mark, calls = Ledger.mark, iter(range(10**6))

    def counted(self, *arguments):
        if next(calls) == number:
            if marked:
                mark(self, *arguments)
            raise _KilledError
        mark(self, *arguments)

    patch.setattr(Ledger, "mark", counted)
    with pytest.raises(_KilledError):
        audit(config)
    patch.setattr(Ledger, "mark", mark)
    (run / "run.lock").unlink(missing_ok=True)


#: Methods that take many seconds to do three times.
LONG = (
    "and-or", "attribution", "bias", "blind-spots", "codes", "decision-tree", "effective-field", "graph", "influence",
    "inversion", "localize", "location", "pattern-positions", "rules", "saliency", "synthesis", "unit-attribute",
    "up-convolution", "visualization", "vulnerable",
)  # fmt: skip


# inside the first stages and inside the last, which are its own; between two pieces of work, and within one
@pytest.mark.parametrize(
    ("share", "marked"),
    [pytest.param(1 / 3, True, marks=pytest.mark.slow), (2 / 3, False), pytest.param(1, False, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in NAMES]
)
def test_it_resumes_bit_for_bit(name, share, marked, data, finished, tmp_path, monkeypatch):
    undisturbed = contents(finished(name))
    total = sum(key.startswith("ledger") for key in undisturbed)
    run = tmp_path / "run"
    config = load_config(out=run, **every.settings([name], data, actors=0))
    killed_at(run, config, min(int(share * total), total - 1), monkeypatch, marked=marked)
    assert contents(run) != undisturbed
    assert audit(config)
    assert contents(run) == undisturbed
    assert not audit(config)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in NAMES]
)
def test_the_doctor_finds_and_mends_what_is_damaged_of_it(name, finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished(name), run)
    assert examine(run) == []
    folder = RunFolder(run)
    stages = Stages(folder.plan())
    own = {kind.name for kind in registry.method(name).stages(folder.plan().options)}
    own |= {kind.name for kind in stages.kinds if kind.forward}
    files = [
        path
        for kind in stages.kinds
        if kind.name in own
        for artifact in kind.writes
        for path in _some_files(folder, stages, kind, artifact)
    ]
    assert files or not own
    for path in files:
        held = path.read_bytes()
        assert held, path
        changed = bytearray(held)
        changed[len(held) // 2] ^= 1
        path.write_bytes(bytes(changed))
        assert path in {problem.path for problem in examine(run)}, f"doctor does not see a flipped bit of {path}"
        path.unlink()
        assert path in {problem.path for problem in examine(run)}, f"doctor does not see that {path} is missing"
        path.write_bytes(held)


def _some_files(folder, stages, kind, artifact):
    """Return the files of the first piece of work that left any."""
    for stage in stages.all():
        for key in stage.keys if stage.name == kind.name else ():
            files = artifact.files(folder.path, key.place, folder.ledger.record(key)["checksums"])
            if files:
                return list(files.values())
    return []


@pytest.mark.parametrize("name", NAMES)
def test_bad_options_are_refused_in_words(name, data, tmp_path):
    method = registry.method(name)
    for field, flat in method.options.flat_names().items():
        with pytest.raises(InputError, match=re.escape(flat)) as refusal:
            load_config(out=tmp_path / "run", **{**every.settings([name], data), flat: object()})
        assert "received" in str(refusal.value), field
    with pytest.raises(InputError, match="unknown key") as refusal:
        load_config(out=tmp_path / "run", **{**every.settings([name], data), f"{name}.nothing": 1})
    assert f"{name}.nothing" in str(refusal.value)


@pytest.mark.parametrize("name", NAMES)
def test_what_it_needs_is_refused_before_anything_runs(name, data, tmp_path):
    """A data set without any annotation answers no question that needs one, a network without a head none about classes."""
    from tests.planted import entry, write_colours

    write_colours(tmp_path / "bare", images=2)
    if not registry.method(name).needs():
        pytest.skip(f"{name} needs nothing of data sets and networks")
    headless = {"models": [entry("network")], "layers": "0,1"}
    asked = {**every.settings([name], data), "data": tmp_path / "bare", **headless, "actors": 0}
    with pytest.raises(InputError) as refusal:
        audit(load_config(out=tmp_path / "run", **asked))
    # neither the folder's name nor the method's says what is missing
    said = str(refusal.value).replace(str(tmp_path), "").replace(name, "").lower()
    assert len(said) > 40
    assert any(word in said for word in every.words_of_needs(name)), f"{said!r} does not say what {name} lacks"
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("group", ["images", "crops"])
def test_two_workers_leave_what_one_process_leaves(group, data, audited, tmp_path):
    names = every.groups()[group]
    names = names if group == "crops" else names[::2]  # what is added to a run changes nothing of it
    runs = [audited(**every.settings(names, data, actors=actors), out=tmp_path / f"{actors}") for actors in (0, 2)]
    assert contents(runs[0]) == contents(runs[1])
