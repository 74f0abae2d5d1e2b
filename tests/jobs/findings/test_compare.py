"""What layers detect differently, and whether they share more than chance explains."""

import polars as pl
import pytest

from filterscope.jobs.report.pages.comparison import write_comparison
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.dissection.comparison import compare
from tests.planted.hostile import CATEGORY, CONCEPT


def test_a_run_against_itself_keeps_every_concept(hostile_run):
    found = compare([hostile_run, hostile_run], "1")
    assert [side.name for side in found.members] == ["1: run: planted 1", "2: run: planted 1"]
    pair = found.pairs.row(0, named=True)
    assert (pair["shared"], pair["gained"], pair["lost"]) == (2, 0, 0)
    assert pair["expected_shared"] == pytest.approx(4 / 3)
    assert pair["p_shared"] == pytest.approx(1 / 3)
    assert pair["says"].startswith("they share 2 concepts, no more than chance explains")
    assert set(found.concepts["change"]) == {"kept"}
    row = found.concepts.filter(pl.col("concept") == CONCEPT).row(0, named=True)
    assert (row["units_1"], row["best_1"], row["category"]) == (1, 0, CATEGORY)
    assert row["iou_1"] == row["iou_2"] > 0.04
    assert found.sides["rarefied"].to_list() == [2.0, 2.0]
    assert found.sides[CATEGORY].to_list() == [1, 1]


def test_the_page_of_a_comparison_shows_its_tables(hostile_run, site, tmp_path):
    found = compare([hostile_run, hostile_run])
    page = write_comparison(found, tmp_path / "compared")
    text = page.read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert CONCEPT not in text
    linked = text.split('href="..')[1].split('"')[0]
    assert (page.parent / f"..{linked}").resolve() == (site / "m" / "planted" / "1" / "index.html").resolve()
    assert pl.read_parquet(page.parent / "concepts.parquet").equals(found.concepts)


def test_what_cannot_be_compared_is_said(hostile_run, tmp_path):
    with pytest.raises(InputError, match="one model in one run"):
        compare([hostile_run])
    with pytest.raises(InputError, match="layer '7' is not in every model; layers that are: 0, 1"):
        compare([hostile_run, hostile_run], "7")
    (tmp_path / "mine").touch()
    with pytest.raises(InputError, match="is no comparison"):
        write_comparison(compare([hostile_run, hostile_run]), tmp_path / "mine")
