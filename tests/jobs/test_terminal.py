"""Text from data sets is shown by terminals and spreadsheets, and never obeyed."""

import io
import json

import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs import terminal
from filterscope.jobs.cli import main as cli
from filterscope.jobs.findings.query import as_csv, as_markdown, as_table
from filterscope.jobs.findings.summary import print_summary
from filterscope.jobs.terminal import plain
from filterscope.pipeline.datasets.layout import DatasetWriter
from tests import planted
from tests.audits import audit_here

#: Names that end a mark-up, colour a terminal, set its title, erase a line, turn text around, and run in a spreadsheet.
HOSTILE = [
    "[/]", "[red]cat", "[link=https://x.invalid]cat[/link]", "\x1b[31mcat", "\x1b]0;title\x07",
    "cat\r\x1b[2Ksafe", "\x9b31mcat",
    "\u202ecat", "two\nlines", "a\tb", "=cmd()", "+1", "-1", "@SUM(A1)", "\\[bold]", "cat\x00", "{cat}",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    planted.write_dataset(folder / "plain", images=12)
    from filterscope.pipeline.datasets.layout import Dataset, decode_mask

    plain_data = Dataset(folder / "plain")
    with DatasetWriter(folder / "data", source={"path": "planted"}) as writer:
        for row in plain_data.images.to_pylist():
            writer.image(plain_data.path(row["uri"]))
        for number, row in enumerate(plain_data.segments(0, 12)):
            mask = decode_mask(row["mask"], planted.SIZE, planted.SIZE) if row["mask"] else None
            for name in HOSTILE[number % 2 :: 2]:
                writer.segment(row["image"], writer.concept(name, "object"), mask)
    settings = {"data": folder / "data", "layers": "1", "quantile": 0.05, "min_images": 1, "models": [planted.PLANTED]}
    return audit_here(folder / "run", **settings)


def obeyed(text):
    """Characters that a terminal would act on."""
    return [
        char for char in text if (ord(char) < 32 and char not in "\n\t") or 127 <= ord(char) < 160 or char == "\u202e"
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_plain_text_shows_every_character_and_no_other(name):
    assert not obeyed(plain(name))
    assert plain(plain(name)) == plain(name)
    assert plain("caf\u00e9 \u732b \U0001f431") == "caf\u00e9 \u732b \U0001f431"


def test_an_escape_is_written_as_a_person_would_type_it():
    assert plain("\x1b[31m\u202e\ud800") == "\\x1b[31m\\u202e\\ud800"


def test_the_summary_of_an_audit_prints_any_name(run, capsys):
    print_summary(run)
    printed = capsys.readouterr().out
    assert not obeyed(printed)
    best = schemas.scan_units(run).collect()["concept"].drop_nulls().to_list()
    assert best
    assert all(plain(name).split("\n")[0] in printed for name in best)


VERBS = (["query", "{}", "select * from concepts"], ["find", "{}", "--image", "0"], ["status", "{}"], ["doctor", "{}"])


@pytest.mark.parametrize("verb", VERBS, ids=[verb[0] for verb in VERBS])
def test_no_verb_sends_a_sequence_to_a_terminal(run, capsys, monkeypatch, verb):
    monkeypatch.setenv("NO_COLOR", "1")
    with pytest.raises(SystemExit):
        cli.main([part.format(run) for part in verb])
    out, err = capsys.readouterr()
    assert out
    assert not obeyed(out + err)


def test_a_table_has_one_line_per_row(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    frame = schemas.scan_concepts(run).collect()
    assert len(as_table(frame).splitlines()) == len(as_markdown(frame).splitlines()) == frame.height + 3
    nested = schemas.scan_units(run).select("unit", "best_per_category").collect()
    assert len(as_markdown(nested).splitlines()) == nested.height + 3
    column = pl.DataFrame({"two\nlines": [1]})
    assert as_table(column).splitlines()[0] == "two\\nlines"
    assert as_markdown(column).splitlines()[0] == "| two\\nlines |"


def test_csv_and_json_keep_every_character(run, monkeypatch, capsys):
    frame = schemas.scan_concepts(run).collect()
    assert pl.read_csv(io.StringIO(as_csv(frame)))["concept"].to_list() == frame["concept"].to_list()
    with pytest.raises(SystemExit):
        cli.main(["query", str(run), "select concept from concepts", "--format", "json"])
    assert [row["concept"] for row in json.loads(capsys.readouterr().out)] == frame["concept"].to_list()


def test_on_a_terminal_csv_is_plain(capsys, monkeypatch):
    monkeypatch.setattr(terminal.sys.stdout, "isatty", lambda: True)
    terminal.answer("a\x1b[31m\n")
    assert capsys.readouterr().out == "a\\x1b[31m\n"


def test_safe_csv_has_no_formula(run):
    frame = schemas.scan_concepts(run).select("concept", "images").collect().with_columns(delta=pl.lit(-1.5))
    for name, cell in zip(frame["concept"], pl.read_csv(io.StringIO(as_csv(frame, safe=True)))["concept"], strict=True):
        assert cell == (f"'{name}" if name[0] in "=+-@\t\r" else name)
    assert "-1.5" in as_csv(frame, safe=True)  # a number is no formula
    assert as_csv(pl.DataFrame({"=x": ["a"]}), safe=True) == "'=x\na\n"


def test_safe_is_refused_where_it_says_nothing(run, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["query", str(run), "select 1", "--safe"])
    assert stop.value.code == 2
    assert "error: --safe is about CSV; add --format csv" in capsys.readouterr().err
