"""The page `docs/write_a_method.md` runs as it stands, in a copy of the tree, by its own commands."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from filterscope import schemas
from tests.planted import write_dataset

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "write_a_method.md").read_text()
TREE = ("filterscope", "schemas", "operators", "pipeline", "jobs", "tests", "docs", "pyproject.toml")
REGISTRY = "pipeline/methods/registry.py"
ADDED = {
    "operators/activations/sparseness.py",
    "schemas/sparseness.py",
    "pipeline/methods/sparseness.py",
    "tests/operators/activations/test_sparseness.py",
    "tests/docs/pictures/sparseness.py",
    "docs/sparseness.md",
}
ZOO = """\
data = "planted"
layers = "1"
methods = ["sparseness"]

[[models]]
source = "factory:tests.planted:network"
name = "planted"
input_size = 32
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]
interpolation = "nearest"
"""


def files_of_the_page():
    """Return the files that stand on the page in full, by their paths."""
    blocks = re.finditer(r"^### `([^`\n]+)`\n\n```(?:python|markdown)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return {block[1]: block[2] for block in blocks}


def edits_of_the_page():
    """Return what the page replaces in a file, by its path: lines before and after."""
    section = re.search(r"^### `([^`]+)`\n\n```diff\n.*?(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    edits = []
    for block in re.findall(r"^```diff\n(.*?)^```$", section[0], re.MULTILINE | re.DOTALL):
        lines = block.splitlines(keepends=True)
        before, after = ("".join(line[1:] for line in lines if line[0] in marks) for marks in ((" ", "-"), (" ", "+")))
        edits.append((before, after))
    return section[1], edits


def commands_of_the_page():
    """Return the commands of the page, one line each."""
    block = re.search(r"^## \d+\. Run it\n\n```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1]
    return [line for line in block.replace("\\\n", "").splitlines() if line]


def contents(tree):
    """Return the files that a commit would hold."""
    paths = [path for path in tree.rglob("*") if path.suffix in (".py", ".md", ".toml", ".json") and path.is_file()]
    return {str(path.relative_to(tree)): path.read_bytes() for path in paths if not path.is_relative_to(tree / "data")}


class Tree:
    """A copy of the source tree with the method of the page in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        # compiled kernels come along; what another process is just writing does not
        ignored = shutil.ignore_patterns("*.pyc*", "*.tmp*")
        for name in TREE:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
            else:
                shutil.copy2(ROOT / name, folder)
        self.before = contents(folder)
        for name, text in files_of_the_page().items():
            (folder / name).write_text(text)
        name, edits = edits_of_the_page()
        text = (folder / name).read_text()
        for before, after in edits:
            assert text.count(before) == 1, f"the page edits lines that are not in {name}:\n{before}"
            text = text.replace(before, after)
        (folder / name).write_text(text)
        for made in ("docs/tables.md", "tests.docs.pictures"):
            self.run(next(command for command in commands_of_the_page() if made in command))
        self.after = contents(folder)

    def run(self, command):
        """Run a command of the page, or another; return what it printed."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "COLUMNS": "120"}
        environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
        done = subprocess.run(
            ["bash", "-euc", command], cwd=self.folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return Tree(tmp_path_factory.mktemp("page") / "tree")


def test_a_method_is_one_file_of_each_kind_and_one_registry(tree):
    assert tree.after.keys() - tree.before.keys() == ADDED
    changed = {name for name, held in tree.before.items() if tree.after[name] != held}
    assert changed == {REGISTRY, "docs/tables.md"}


def test_the_copy_is_what_runs(tree):
    assert tree.run("python -c 'import filterscope; print(filterscope.__file__)'").startswith(str(tree.folder))


def test_its_files_pass_the_linters(tree):
    files = " ".join(sorted(name for name in (*ADDED, REGISTRY) if name.endswith(".py")))
    tree.run(f"python -m ruff check {files} && python -m ruff format --check {files}")


def test_help_lists_it(tree):
    printed = re.sub(r"[\s│]+", " ", tree.run("filterscope audit --help"))
    assert "sparseness: How few of the images a unit responds to." in printed


def test_its_table_is_documented(tree):
    assert "\n#### unit_sparseness\n" in (tree.folder / "docs" / "tables.md").read_text()
    assert b"unit_sparseness" not in tree.before["docs/tables.md"]


def test_its_page_and_picture_are_what_they_must_be(tree):
    (command,) = (command for command in commands_of_the_page() if "test_methods.py" in command)
    assert passed(tree.run(command)) == 8


def passed(printed):
    return int(re.search(r"(\d+) passed", printed)[1])


def test_its_own_test_passes(tree):
    (command,) = (command for command in commands_of_the_page() if "tests/operators" in command)
    assert passed(tree.run(command)) == 4


@pytest.mark.slow
def test_it_meets_the_demands_on_every_method(tree):
    (command,) = (command for command in commands_of_the_page() if "test_every_method.py" in command)
    assert "tests/pipeline/methods/test_reads.py" in command
    printed = tree.run(f"{command} -rs")
    assert passed(printed) >= 7
    # the one demand that does not apply to it
    (skipped,) = re.findall("^SKIPPED .*", printed, re.MULTILINE)
    assert skipped.startswith("SKIPPED [1] ")
    assert "sparseness needs nothing" in skipped


@pytest.mark.slow
def test_nothing_that_counts_tables_or_stages_has_to_change(tree):
    """Tests of all schemas and of all fingerprints pass whole, beside the new method: the files above are all it takes."""
    (command,) = (command for command in commands_of_the_page() if "tests/schemas" in command)
    assert command == "python -m pytest tests/schemas tests/pipeline/methods/test_fingerprints.py"
    printed = tree.run(command)
    assert passed(printed) >= 40
    assert "skipped" not in printed


@pytest.mark.slow
def test_it_breaks_no_rule_of_imports_or_types(tree):
    assert "0 broken" in tree.run("lint-imports")
    files = " ".join(f"filterscope/{name}" for name in sorted(ADDED) if not name.startswith(("tests", "docs")))
    tree.run(f"python -m mypy --follow-imports silent {files}")


@pytest.mark.slow
def test_terminal_table_and_report_say_what_is_planted(tree):
    write_dataset(tree.folder / "data" / "planted")
    (tree.folder / "data" / "zoo.toml").write_text(ZOO)
    printed = tree.run("filterscope audit data/zoo.toml --out data/run")
    found = sparseness_of(tree, "data/run")
    # unit 0 is as strong on the 4 red images of 12, unit 2 never fires
    assert found[0] == pytest.approx(8 / 11)
    assert found[2] is None
    assert re.search(r"Lifetime sparseness\n", re.sub(" +", " ", printed).replace(" \n", "\n"))
    assert re.search(r"^planted +1 +3 +1 +\d ", printed, re.M)

    report = tree.folder / "data" / "run" / "report"
    assert "Lifetime sparseness" in (report / "index.html").read_text()
    page = (report / "m" / "planted" / "1" / "0.html").read_text()
    section = re.search(r"<section [^>]*lifetime-sparseness.*?</section>", page, re.DOTALL)[0]
    assert "0.7273" in section
    assert "Exponentially distributed responses give 0.5" in section


def sparseness_of(tree, run):
    """Return the sparseness of the units of a run; its table is read by the copy, for it is none of ours."""
    with pytest.raises(KeyError, match="no table 'unit_sparseness'"):
        schemas.scan(tree.folder / run, "unit_sparseness")
    code = (
        "from filterscope import schemas; "
        f"rows = schemas.scan_unit_sparseness({run!r}).sort('unit').collect(); print(rows['sparseness'].to_list())"
    )
    return [
        None if text == "None" else float(text) for text in tree.run(f'python -c "{code}"').strip("[]\n").split(", ")
    ]


@pytest.mark.slow
def test_the_audit_of_the_page_prints_what_the_page_shows(tree):
    for command in commands_of_the_page():
        if command.startswith("filterscope sample"):
            tree.run(command)
        elif command.startswith("filterscope audit"):
            printed = tree.run(command)
    shown = re.search(r"^`audit` prints\n\n```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1]
    expected, found = rows_of(shown), rows_of(printed)
    assert len(expected) == 4
    assert [row[:3] for row in found] == [row[:3] for row in expected]
    for row, other in zip(found[1:], expected[1:], strict=True):
        # processors differ in the last bits of a forward pass
        assert [float(value) for value in row[3:]] == pytest.approx([float(value) for value in other[3:]], rel=0.02)


def rows_of(printed):
    """Return the rows of the table of layers, its heading first."""
    start = printed.index("Lifetime sparseness")
    rows = [re.split(r"  +", line.strip()) for line in printed[start:].splitlines()[1:]]
    return [row for row in rows if len(row) == 6 and not row[0].startswith("---")]
