"""What layers detect differently, and whether they share more than chance explains."""

from dataclasses import replace

import polars as pl
import pytest

from filterscope.jobs.report.pages.comparison import write_comparison
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.comparison.comparison import compare
from filterscope.pipeline.methods.comparison.differences import differences as told
from tests.audits import audit_here
from tests.planted import PLANTED, write_dataset
from tests.planted.hostile import CATEGORY, CONCEPT


@pytest.fixture(scope="module")
def run_on(tmp_path_factory):
    """Return a function that audits the planted network on planted images into a run of the given name, once for each."""
    made = {}

    def run(
        name, *, models=(PLANTED,), images=12, seed=0, names=("red", "grey", "striped"), category="texture", **settings
    ):
        if name not in made:
            place = tmp_path_factory.mktemp(name)
            write_dataset(place / "data", images=images, seed=seed, names=names, category=category)
            settings = {"layers": "1", "quantile": 0.05, "min_images": 3, **settings}
            made[name] = audit_here(place / name, data=place / "data", models=list(models), **settings)
        return made[name]

    return run


def differences(found):
    return found.differences["says"].to_list()


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


def test_two_halves_keep_the_labels_of_units_that_look_for_something(run_on):
    found = compare([run_on("one"), run_on("two", seed=1)])
    pair = found.pairs.row(0, named=True)
    assert (pair["eligible"], pair["shared"], pair["gained"], pair["lost"]) == (3, 2, 0, 0)
    assert pair["expected_shared"] == pytest.approx(4 / 3)
    # unit 0 is for red, unit 1 for stripes, on both sides: shuffled, each would meet its own in one case of two
    assert (pair["labelled"], pair["keep"], pair["expected_keep"]) == (2, 2, 1.0)
    assert "2 are over 0.04 on either side, 2 on both" in pair["units_say"]
    assert "2 of these keep their label (shuffled among them, 1.0 would)" in pair["units_say"]
    units = found.units.sort("unit").select("unit", "concept_1", "concept_2", "detector_1", "detector_2", "keeps")
    assert units.rows() == [(0, "red", "red", True, True, True), (1, "striped", "striped", True, True, True)]
    one, two = found.members
    (says,) = differences(found)
    assert says == (
        f"the data differ: 12 images (data set {one.plan.data_identity[:8]}) in one: planted 1 and 12 images (data set "
        f"{two.plan.data_identity[:8]}) in two: planted 1; no image is in both"
    )


def test_only_concepts_that_both_sides_could_detect_are_compared(run_on):
    found = compare([run_on("one"), run_on("renamed", names=("red", "grey", "stripes"))])
    pair = found.pairs.row(0, named=True)
    # of red and grey either detects red: striped is not lost, stripes is not gained
    assert (pair["eligible"], pair["shared"], pair["gained"], pair["lost"]) == (2, 1, 0, 0)
    assert (pair["expected_shared"], pair["p_shared"]) == (0.5, 0.5)
    assert (pair["labelled"], pair["keep"], pair["expected_keep"]) == (1, 1, 1.0)
    assert dict(found.concepts.select("concept", "change").iter_rows()) == {
        "red": "kept", "striped": "eligible on one side", "stripes": "eligible on one side",
    }  # fmt: skip
    assert found.sides["rarefied"].to_list() == [1.0, 1.0]
    assert found.sides["concepts"].to_list() == [2, 2]
    assert found.units.filter(unit=1).select("concept_1", "concept_2", "keeps").row(0) == ("striped", "stripes", False)
    assert differences(found)[0].endswith("; 12 of the former are among the latter")
    assert differences(found)[1:] == [
        "1 concept is only in the data of one: planted 1: striped",
        "1 concept is only in the data of renamed: planted 1: stripes",
    ]


def test_a_concept_in_too_few_images_of_one_side_is_said_and_left_out(run_on):
    found = compare([run_on("one"), run_on("few", images=7)])
    assert found.pairs.select("eligible", "shared", "lost").row(0) == (2, 1, 0)
    assert differences(found)[0].endswith("; 9 of the former are among the latter")
    assert differences(found)[1:] == [
        "1 concept is in the data of both, but in enough images only in one: planted 1: striped"
    ]
    row = found.concepts.filter(concept="striped").row(0, named=True)
    assert (row["change"], row["eligible_1"], row["eligible_2"]) == ("eligible on one side", True, False)


def test_other_options_and_another_category_are_said(run_on):
    other = run_on("other", category="pattern", quantile=0.04, min_images=2, mask_size=32, anchoring="receptive_field")
    says = differences(compare([run_on("one"), other]))
    assert says[1:] == [
        "1 concept is in another category in other: planted 1 than in one: planted 1: striped",
        "--quantile is 0.05 in one: planted 1, 0.04 in other: planted 1",
        "--anchoring is resize in one: planted 1, receptive_field in other: planted 1",
        "--min-images is 3 in one: planted 1, 2 in other: planted 1",
        "the size of masks is 16 x 16 pixels in one: planted 1, 32 x 32 pixels in other: planted 1",
    ]


def test_units_of_another_basis_are_not_the_same(run_on):
    turned = {**PLANTED, "basis": "rotate:0"}
    found = compare([run_on("one"), run_on("turned", models=[turned])])
    assert differences(found) == ["the basis of units is native in one: planted 1, rotate:0 in turned: planted 1"]
    assert found.pairs.select("labelled", "keep", "expected_keep", "units_say").row(0) == (None,) * 4
    assert found.units.is_empty()


def test_data_that_were_moved_are_compared_without_their_images(run_on):
    moved = run_on("moved", seed=2)
    (moved.parent / "data").rename(moved.parent / "away")
    (says,) = differences(compare([run_on("one"), moved]))
    assert says.endswith("; whether they share images is unknown, since one data set is no longer where it was audited")


def test_data_without_a_common_concept_are_refused(run_on):
    with pytest.raises(
        InputError, match=r"without a concept in common: grey, red, striped; and a, b, c\. Concepts are matched"
    ):
        compare([run_on("one"), run_on("foreign", names=("a", "b", "c"))])
    sparse = run_on("sparse", names=("a", "b", "striped"), images=7)
    with pytest.raises(InputError, match=r"in common \(striped\), none could label units on both sides"):
        compare([run_on("one"), sparse])


def test_terminal_and_page_say_what_differs(run_on, tmp_path, capsys):
    from filterscope.jobs.cli.main import main

    runs = [run_on("one"), run_on("renamed", names=("red", "grey", "stripes"))]
    with pytest.raises(SystemExit, match="0"):
        main(["compare", *map(str, runs), "--out", str(tmp_path / "compared")])
    told, page = capsys.readouterr().out, (tmp_path / "compared" / "index.html").read_text()
    found = compare(runs)
    for line in differences(found):
        assert f"\nnote: {line}\n" in told
        assert f"<li>{line[0].upper()}{line[1:]}.</li>" in page
    assert found.pairs["units_say"][0] in told
    assert found.pairs["units_say"][0][1:].replace("'", "&#39;") in page
    assert pl.read_parquet(tmp_path / "compared" / "units.parquet").equals(found.units)
    assert pl.read_parquet(tmp_path / "compared" / "differences.parquet").equals(found.differences)


def test_the_groups_a_concept_must_be_in_are_told_where_images_are_in_groups(hostile_run):
    first, other = compare([hostile_run, hostile_run], "1").members
    one, two = (
        replace(side, plan=replace(side.plan.with_options(min_groups=groups), grouped=True))
        for side, groups in ((first, 2), (other, 3))
    )
    assert list(told(one, two)) == [f"--min-groups is 2 in {first.name}, 3 in {other.name}"]
    assert list(told(first, two)) == [f"--min-groups is without effect in {first.name}, 3 in {other.name}"]
