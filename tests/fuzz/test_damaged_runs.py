"""Whatever bytes a run holds: each damage is harmless, repaired or named in a sentence; nothing is a traceback."""

import json
import os
import random
import shutil
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
import zarr

from filterscope.jobs.cli.main import main
from filterscope.jobs.runs.doctor import examine
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.engine.ledger import Ledger
from filterscope.pipeline.run.folder import RunFolder
from tests import planted
from tests.audits import assert_same, audit_here
from tests.fuzz.damaged_runs import damaged
from tests.planted import PLANTED

SETTINGS = {"models": [PLANTED], "layers": "1", "quantile": 0.05, "min_images": 3, "image_block": 4, "unit_block": 2}
#: Damages; FILTERSCOPE_DAMAGES=10000 asks for more.
COUNT = int(os.environ.get("FILTERSCOPE_DAMAGES", "24"))
#: Runs that are damaged four times and repaired.
REPAIRS = max(2, COUNT // 100)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    place = tmp_path_factory.mktemp("damaged")
    planted.write_dataset(place / "data")
    return audit_here(place / "sound", data=place / "data", **SETTINGS, metrics="dissection,significance")


def call(capsys, *arguments):
    """Return exit code and what was printed; fails with whatever the command line lets through."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([*map(str, arguments)])
    printed = capsys.readouterr()
    code = stop.value.code or 0
    assert "Traceback" not in printed.out + printed.err
    if code == 2:
        assert printed.err.startswith("error: "), printed.err
        assert len(printed.err) < 2000, printed.err
    return code, printed.out


def readers(run):
    return (
        ("status", run),
        ("query", run, "select * from units"),
        ("find", run, "--concept", "red"),
        ("compare", run, run),
        ("status", run, "--json"),
    )


def test_every_damage_is_harmless_or_named(sound, tmp_path, capsys):
    run, dice, counts = tmp_path / "run", random.Random(16), Counter()
    shutil.copytree(sound, run)
    for number in range(COUNT):
        with damaged(run, sound, dice) as what:
            try:
                code, _ = call(capsys, "doctor", run)
                assert code in (0, 1, 2)
                counts["named" if code else "harmless"] += 1
                if not code:
                    assert is_harmless(run, sound, what)
                call(capsys, *readers(run)[number % 5])
            except BaseException as error:
                raise AssertionError(f"damage {number}, {what}: {error!r}") from error
    assert counts.total() == COUNT
    assert 0 < counts["harmless"] < COUNT / 3


def is_harmless(run, sound, what):
    """Tell whether a damage that `doctor` passes over changes nothing that the run has found."""
    file = what.partition(": ")[0]
    if (run / file).is_file() and (run / file).read_bytes() == (sound / file).read_bytes():
        return True  # flipped back, or replaced by itself
    if file in ("journal.jsonl", "ray.log", "masks/squash-16/annotations/words") or file.startswith("tables/runs"):
        return True
    if file == "run.toml":
        kept = [RunFolder(place).plan() for place in (run, sound)]
        return replace(kept[0], run=kept[1].run, data=kept[1].data) == kept[1]
    if file.endswith("zarr.json"):
        arrays = [zarr.open_array((place / file).parent, mode="r") for place in (run, sound)]
        return arrays[0].metadata.shape == arrays[1].metadata.shape
    if file.startswith("ledger"):
        # a marker that is gone is work that is not done
        markers = [list(Ledger(place / "ledger").all_records()) for place in (run, sound)]
        return len(markers[0]) < len(markers[1]) or markers[0] == markers[1]
    return file.startswith("tables") and pq.read_table(run / file).equals(pq.read_table(sound / file))


@pytest.mark.parametrize("seed", range(REPAIRS))
def test_what_is_named_is_repaired(sound, tmp_path, capsys, seed):
    """`doctor --repair`, or for the plan the audit's own command, gives back what the run had found."""
    run, dice = tmp_path / "run", random.Random(1000 + seed)
    shutil.copytree(sound, run)
    with ExitStack() as stack:
        # together, and none is put back before the end
        damages = [stack.enter_context(damaged(run, sound, dice)) for _ in range(4)]
        put_back = stack.pop_all()
    try:
        audit_again(run, sound)
    except InputError as error:
        damages.append(str(error))
    code, _ = call(capsys, "doctor", run, "--repair")
    assert code in (0, 1), damages
    assert examine(run) == [], damages
    audit_again(run, sound)
    assert_same(sound, run)
    put_back.close()


def audit_again(run, sound):
    audit_here(run, data=sound.parent / "data", **SETTINGS, metrics="dissection,significance")


@pytest.mark.parametrize(
    "change",
    [
        {"checksums": 7}, {"checksums": None}, {"checksums": [["units", "x"]]}, {"checksums": {"units": 7}}, {"key": 7},
        {"key": None}, {"key": "dissect/planted/1/units-000002"}, {"rejects": "x"}, {"rejects": 10**400}, {"rejects": None},
        {"finished": "then"}, {"finished": 7}, {"finished": [1]}, {"parameters": 7}, {"rows": 1e308}, {"images": {"a": []}},
    ],
)  # fmt: skip
@pytest.mark.parametrize("sealed", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_marker_with_a_wrong_field_is_named_and_written_again(sound, tmp_path, capsys, change, sealed):
    run = tmp_path / "run"
    shutil.copytree(sound, run)
    marker = sorted((run / "ledger" / "dissect").rglob("*.json"))[0]
    first = json.loads(marker.read_bytes())
    stated = {**first, **change}
    if not sealed:  # as those of earlier versions
        del stated["seal"]
    marker.write_text(json.dumps(stated))
    assert call(capsys, "status", run)[0] == 0
    [problem] = [problem for problem in examine(run) if problem.key]
    assert (problem.path, problem.what, problem.key.text) == (marker, "the marker is damaged", first["key"])
    assert call(capsys, "doctor", run, "--repair")[0] == 0
    assert examine(run) == []
    again = json.loads(marker.read_bytes())
    assert again["checksums"] == first["checksums"]
    assert_same(sound, run)


@pytest.mark.parametrize("kind", ["ledger/dissect", "null", "masks", "activations.zarr/planted/1/c"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_pipes_and_devices_are_not_read(sound, tmp_path, capsys, kind, make):
    run = tmp_path / "run"
    shutil.copytree(sound, run)
    file = sorted(path for path in (run / kind).rglob("*") if path.is_file())[0]
    file.unlink()
    make(file)
    assert call(capsys, "status", run)[0] == 0
    assert [problem.path for problem in examine(run) if problem.key] == [file]
    assert call(capsys, "doctor", run, "--repair")[0] == 0
    assert examine(run) == []
    assert_same(sound, run)


def test_a_plan_that_is_damaged_is_refused_and_written_again(sound, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(sound, run)
    record = run / "run.toml"
    text = record.read_text()
    times = {path: path.stat().st_mtime_ns for path in (run / "ledger").rglob("*.json")}
    for damage in (
        text.replace("channels = 3", "channels = 4"),
        text[: len(text) // 2],
        "",
        "format = []\n",
        "\0",
        None,
    ):
        assert damage != text
        record.unlink()
        if damage is None:
            record.mkdir()
        else:
            record.write_text(damage)
        for verb in (("status", run), ("doctor", run), ("report", run), ("find", run, "--concept", "red")):
            code, _ = call(capsys, *verb)
            assert code == 2
        audit_again(run, sound)
        assert RunFolder(run).plan() == replace(RunFolder(sound).plan(), run=run)
        assert examine(run) == []
    assert times == {path: path.stat().st_mtime_ns for path in (run / "ledger").rglob("*.json")}


def test_a_folder_of_the_data_set_may_move(sound, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(sound, run)
    record = run / "run.toml"
    record.write_text(record.read_text().replace(str(sound.parent / "data"), str(tmp_path / "elsewhere")))
    assert RunFolder(run).plan().data == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"float16"', '"float64"') if "float16" in text else text.replace("shape", "form"),
        lambda text: json.dumps(json.loads(text) | {"shape": [1, 1, 1, 1]}),
        lambda text: json.dumps(json.loads(text) | {"zarr_format": 9}),
        lambda text: "[" * 5000,
        None,
    ],
)
def test_a_damaged_description_of_an_array_is_named_and_written_again(sound, tmp_path, capsys, damage):
    described = sorted(path.relative_to(sound) for path in (sound / "activations.zarr").rglob("zarr.json"))
    arrays = [file for file in described if json.loads((sound / file).read_text())["node_type"] == "array"]
    assert arrays
    for number, file in enumerate(arrays):
        run = tmp_path / f"run-{number}"
        shutil.copytree(sound, run)
        text = (run / file).read_text()
        (run / file).unlink()
        if damage is not None:
            (run / file).write_text(damage(text))
        code, printed = call(capsys, "doctor", run)
        assert code == 1
        assert str(file) in printed
        call(capsys, "doctor", run, "--repair")
        audit_again(run, sound)
        assert (run / file).read_text() == text
        assert examine(run) == []
        assert_same(sound, run)


def test_no_bit_of_a_plan_changes_it_in_silence(sound, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(sound / "run.toml", run)
    text, wanted, dice = (run / "run.toml").read_bytes(), RunFolder(run).plan(), random.Random(5)
    start = text.index(b"[plan")
    for bit in dice.sample(range(8 * start, 8 * len(text)), 5 * COUNT):
        flipped = bytearray(text)
        flipped[bit // 8] ^= 1 << bit % 8
        (run / "run.toml").write_bytes(flipped)
        try:
            found = RunFolder(run).plan()
        except InputError:
            continue
        assert replace(found, data=wanted.data) == wanted, (bit, text[bit // 8 - 20 : bit // 8 + 20])
