"""Import verbs follow from the readers: a verb each, with the options that its function takes."""

import inspect
import re
import warnings
from importlib import import_module

import numpy as np
import pytest
from PIL import Image

from filterscope.jobs.cli import importing
from filterscope.jobs.cli import main as cli
from filterscope.pipeline.datasets.readers import READERS, Reader
from tests.fuzz.sources import picture, write_source


def run(*arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main([str(argument) for argument in arguments])
    return stop.value.code


def test_readers_have_names_of_their_own():
    assert len({reader.name for reader in READERS}) == len(READERS)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_reader_states_the_options_of_its_function_with_their_defaults(reader):
    name = reader.name.replace("-", "_")
    function = getattr(import_module(f"filterscope.pipeline.datasets.{name}"), f"import_{name}")
    taken = {
        key: parameter.default
        for key, parameter in inspect.signature(function).parameters.items()
        if key not in ("source", "folder", "progress")
    }
    assert {option.name: option.default for option in reader.options} == taken


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_verb_passes_on_what_it_is_given(reader, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(Reader, "read", lambda self, *places, **given: seen.append((self.name, *places, given)))
    monkeypatch.setattr(importing, "_describe", lambda folder: None)
    assert not run("import", reader.name, tmp_path / "a", tmp_path / "b")
    defaults = {option.name: option.default for option in reader.options}
    assert seen == [(reader.name, tmp_path / "a", tmp_path / "b", defaults)]
    for option in reader.options:
        value = [] if option.kind == "switch" else ["x"]
        assert not run("import", reader.name, tmp_path / "a", tmp_path / "b", option.flag_name, *value)
        given = seen[-1][-1]
        changed = not option.default if option.kind == "switch" else "x"
        assert {**given, option.name: str(given[option.name])} == {**defaults, option.name: str(changed)}


def test_flags_of_version_0_1_are_there_and_one_for_all(capsys):
    former = {
        "broden": ["--colors", "--in-place"], "coco": ["--images", "--colors", "--in-place"],
        "masks": ["--names", "--category", "--colors", "--in-place", "--skip-bad", "--zero-is-a-label", "--painted",
            "--mask-suffix", "--image-suffix"],
        "landmarks": ["--in-place"],
        "animals": ["--in-place"], "cub": ["--in-place"], "pascal-part": ["--images", "--raw-parts", "--in-place"],
    }  # fmt: skip
    for name, names in former.items():
        assert not run("import", name, "--help")
        out = capsys.readouterr().out
        assert [flag for flag in re.findall(r"│ \*? *(--[a-z-]+) ", out) if flag != "--help"] == [
            *names,
            "--group-by",
            "--exif",
        ]


@pytest.mark.parametrize(
    ("group_by", "line"),
    [
        ("folder", "3 images in 1 group (2 in none), "),
        ("([ab]|seq)", "3 images in 3 groups, "),
        ("(seq|a.png)", "3 images in 2 groups (1 in none), "),
    ],
)
def test_an_import_tells_how_many_groups_there_are(group_by, line, tmp_path, capsys):
    write_source(tmp_path / "source", "landmarks")
    picture(tmp_path / "source" / "images" / "seq" / "c.png")
    assert not run("import", "landmarks", tmp_path / "source", tmp_path / "data", "--group-by", group_by)
    assert f"data: {line}0 concepts" in capsys.readouterr().out


def test_a_class_that_an_import_leaves_out_is_told(tmp_path, capsys):
    write_source(tmp_path / "source", "masks")
    Image.fromarray(np.array([[0, 0, 1, 1]] * 6, np.uint8).repeat(2, axis=1)).save(
        tmp_path / "source" / "masks" / "a.png"
    )
    (tmp_path / "source" / "labels.csv").write_text("index,name\n0,sky\n1,cat\n")
    assert not run("import", "masks", tmp_path / "source", tmp_path / "data")
    told = capsys.readouterr()
    assert told.err == (
        "note: labels.csv: index 0 is named 'sky' but was taken as unlabelled (25 % of all pixels); "
        "--zero-is-a-label imports it\n"
    )
    assert "1 concepts, 1 rejects" in told.out
    assert not run("import", "masks", tmp_path / "source", tmp_path / "kept", "--zero-is-a-label")
    told = capsys.readouterr()
    assert (told.err, "2 images, 2 concepts\n" in told.out) == ("", True)


def test_warnings_of_others_are_shown_as_ever(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Reader, "read", lambda *_, **__: warnings.warn("of a library", UserWarning, stacklevel=1))
    monkeypatch.setattr(importing, "_describe", lambda folder: None)
    with pytest.warns(UserWarning, match="of a library"):
        run("import", "coco", tmp_path / "a", tmp_path / "b")
    assert "note:" not in capsys.readouterr().err


def test_a_grouping_that_groups_nothing_ends_with_code_2(tmp_path, capsys):
    write_source(tmp_path / "source", "coco")
    assert run("import", "coco", tmp_path / "source", tmp_path / "data", "--group-by", "video") == 2
    assert "error: --group-by 'video' groups no image; one is named 'a.png'" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
