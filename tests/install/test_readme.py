"""What a package index shows of filterscope holds, and the README's commands work where only a wheel is installed."""

import os
import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from importlib.metadata import distribution

import pytest
from packaging.requirements import Requirement

from tests.install.conftest import ROOT

pytestmark = pytest.mark.slow

README = (ROOT / "README.md").read_text(encoding="utf-8")
#: Fewer images than the README draws, so that it takes a minute.
FEWER = {"filterscope sample data/sample": "filterscope sample data/sample --images 120"}


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as content:
        (name,) = (name for name in content.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(content.read(name))


def test_the_long_description_is_the_readme_without_a_relative_link(metadata):
    text = metadata.get_payload()
    assert metadata["Description-Content-Type"].startswith("text/markdown")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 20
    assert [link for link in links if not link.startswith("https://")] == []
    assert text.strip() == README.encode().decode("utf-8").strip()


def test_the_metadata_says_what_a_package_index_asks(metadata):
    classifiers = metadata.get_all("Classifier")
    assert len(classifiers) == len(set(classifiers)) > 8
    assert {"Typing :: Typed", "Operating System :: POSIX :: Linux", "Programming Language :: Python :: 3.11"} <= {
        *classifiers
    }
    assert not any(classifier.startswith("License ::") for classifier in classifiers)  # an expression says it
    assert metadata["License-Expression"] == "Apache-2.0"
    urls = dict(entry.split(", ", 1) for entry in metadata.get_all("Project-URL"))
    assert {"Homepage", "Documentation", "Source", "Issues", "Changelog"} <= set(urls)
    assert all(url.startswith("https://") for url in urls.values())


def test_a_wheel_says_that_it_is_typed(wheel):
    assert "filterscope/py.typed" in zipfile.ZipFile(wheel).namelist()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def link_required(stated, extra, packages):
    """Link what a distribution requires, and what that requires, as it is installed here, which is what constraints pin."""
    known, waiting = set(), [(line, extra) for line in stated]
    while waiting:
        line, asked = waiting.pop()
        requirement = Requirement(line)
        if requirement.marker and not any(
            requirement.marker.evaluate({"extra": one}) for one in (asked, "") if one is not None
        ):
            continue
        for inner in requirement.extras or {""}:
            if (requirement.name, inner) in known:
                continue
            known.add((requirement.name, inner))
            found = distribution(requirement.name)
            waiting += [(more, inner) for more in found.requires or ()]
            for top in {file.parts[0] for file in found.files} - {"..", "__pycache__"}:
                if not (packages / top).exists():
                    (packages / top).symlink_to(found.locate_file(top))


def test_the_commands_of_the_readme_run_in_a_clean_environment(wheel, metadata, tmp_path):
    """Installed is the wheel with what it says that it requires, and nothing else: no more of this environment is seen."""
    place, user = tmp_path / "venv", tmp_path / "user"
    user.mkdir()
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    install, commands = blocks("")
    named = re.fullmatch(r'pip install "filterscope\[(\w+)\]"', install.strip())
    (packages,) = place.glob("lib/python*/site-packages")
    link_required(metadata.get_all("Requires-Dist"), named[1], packages)
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON") and name != "VIRTUAL_ENV"
    }
    environment = {**kept, "PATH": f"{place / 'bin'}{os.pathsep}{kept['PATH']}"}

    def run(*command):
        done = subprocess.run(command, cwd=user, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel))
    (code,) = blocks("python")
    where = run("python", "-c", "import filterscope; print(filterscope.__file__)")
    assert where.startswith(str(place))
    for full, fewer in FEWER.items():
        assert full in commands
        commands = commands.replace(full, fewer)
    run("bash", "-ec", commands)
    assert (user / "runs" / "first" / "report" / "index.html").is_file()
    made = {path: path.stat().st_mtime_ns for path in (user / "runs" / "first" / "tables").rglob("*.parquet")}
    assert "expected_iou" in run("python", "-c", code)
    again = {path: path.stat().st_mtime_ns for path in made}
    assert made == again  # the same in Python: nothing is left to compute
