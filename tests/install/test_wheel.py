"""One name is installed, filterscope, so that no name of ours meets a user's: out of a checkout and out of a wheel.

The user's folder holds modules called as our folders are. Those that no audit needs raise when they are imported; the network
comes from the one that is named.
"""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import polars as pl
import pytest

from filterscope import schemas
from tests.install.conftest import ROOT, SOURCES, pip
from tests.planted import write_dataset

pytestmark = pytest.mark.slow

ZOO = """\
data = "data"
layers = "0,1"
quantile = 0.05
min_images = 3

[[models]]
source = "factory:pipeline.nets:build"
name = "planted"
input_size = 32
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]
interpolation = "nearest"
"""


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Return a folder that holds what the wheel installs."""
    target = tmp_path_factory.mktemp("target")
    pip("install", "--target", target, wheel)
    return target


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """Return a user's folder: data, a network, and modules of the user's own named as our folders are."""
    folder = tmp_path_factory.mktemp("user")
    for name in ("schemas.py", "jobs.py", "operators/__init__.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f'raise ImportError("{name} is the user\'s own, and nothing of ours imports it")\n')
    (folder / "pipeline").mkdir()
    (folder / "pipeline" / "__init__.py").touch()
    network = (ROOT / "tests" / "planted" / "networks.py").read_text()
    (folder / "pipeline" / "nets.py").write_text(f"{network}\n\nbuild = network\n")
    write_dataset(folder / "data")
    (folder / "zoo.toml").write_text(ZOO)
    return folder


def python(user, path, *arguments):
    """Run Python from the user's folder, with PYTHONPATH or without."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if path:
        environment["PYTHONPATH"] = os.pathsep.join(map(str, path))
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=user, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def names_in(wheel):
    return {Path(name) for name in zipfile.ZipFile(wheel).namelist()}


def test_a_wheel_holds_one_package(wheel):
    assert {name.parts[0] for name in names_in(wheel)} == {"filterscope", "filterscope-0.2.0.dist-info"}


def test_a_wheel_holds_every_module_and_no_other(wheel):
    sources = [Path("filterscope", path.relative_to(ROOT / "filterscope")) for path in ROOT.glob("filterscope/*.py")]
    for room in SOURCES[1:]:
        sources += [Path("filterscope", path.relative_to(ROOT)) for path in (ROOT / room).rglob("*.py")]
    assert {name for name in names_in(wheel) if name.suffix == ".py"} == set(sources)


def test_a_wheel_holds_what_is_no_module(wheel):
    report = {path for folder in ("templates", "static") for path in (ROOT / "jobs" / "report" / folder).iterdir()}
    assert len(report) > 10
    report.add(ROOT / "jobs" / "cost" / "unit_costs.json")
    expected = {Path("filterscope", path.relative_to(ROOT)) for path in report} | {Path("filterscope", "py.typed")}
    assert {name for name in names_in(wheel) if name.parts[0] == "filterscope" and name.suffix != ".py"} == expected


@pytest.mark.parametrize(
    ("place", "path", "actors"), [("checkout", "", 0), ("checkout", ".", 2), ("wheel", "", 2), ("wheel", ".", 0)]
)
def test_an_audit_beside_modules_of_the_same_names(user, installed, place, path, actors):
    paths = [*([path] if path else []), *([installed] if place == "wheel" else [])]
    ours = installed / "filterscope" if place == "wheel" else ROOT / "filterscope"
    code = "import filterscope.jobs.cli.main as ours; print(ours.__file__)"
    assert Path(python(user, paths, "-c", code).strip()).is_relative_to(ours)

    out = user / "runs" / f"{place}-{actors}-{path}"
    arguments = ["-m", "filterscope", "audit", "zoo.toml", "--methods", "dissection", "--no-report", "--actors", actors]
    printed = python(user, paths, *arguments, "--out", out)
    assert "Detectors: IoU > 0.04" in printed
    labels = schemas.scan_layer(out, "units", "planted", "1").sort("unit").select("unit", "concept").collect()
    assert labels.filter(pl.col("unit") < 2)["concept"].to_list() == ["red", "striped"]


@pytest.mark.parametrize("place", ["checkout", "wheel"])
def test_a_report_and_a_query_beside_modules_of_the_same_names(user, installed, place):
    paths, out = [installed] if place == "wheel" else [], user / "runs" / f"shown-{place}"
    arguments = ["--model", "factory:pipeline.nets:build", "--data", "data", "--layers", "1", "--min-images", "3"]
    python(user, paths, "-m", "filterscope", "audit", *arguments, "--actors", "0", "--out", out)
    sql = "select count(*) as n from units"
    assert "| 3 |" in python(user, paths, "-m", "filterscope", "query", out, sql, "--format", "markdown")
    printed = python(user, paths, "-m", "filterscope", "estimate", "zoo.toml", "--images", "1e6")
    assert "(they come with filterscope)" in printed
    assert (out / "report" / "index.html").is_file()
    assert (out / "report" / "static" / "style.css").is_file()
