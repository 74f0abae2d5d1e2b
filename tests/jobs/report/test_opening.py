"""The sentence with which a page begins names what labels most of the units that stand, and says when none does."""

import polars as pl
import pytest

from filterscope.jobs.report.sections.opening import opening


def units(*rows):
    """Units as (concept, category, standing, how many)."""
    repeated = [row[:3] for row in rows for _ in range(row[3])]
    return pl.DataFrame(repeated, {"concept": pl.String, "category": pl.String, "standing": pl.String}, orient="row")


OTHERS = (("cup", "object", "chance", 90), (None, None, "no label", 1000))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [("striped", "texture", "strong", 5), ("dotted", "texture", "strong", 3), ("car", "object", "strong", 4)],
            "Mostly textures, such as striped, dotted; 12 of 1,102 units stand.",
        ),
        (
            [("striped", "texture", "strong", 2), ("balloon", "object", "strong", 2), ("car", "part", "strong", 3)],
            "Mostly car, balloon, striped; 7 of 1,097 units stand.",
        ),
        (
            [(f"thing {n}", "object" if n % 2 else "part", "strong", 1) for n in range(8)],
            "Among others thing 0, thing 1, thing 2; 8 of 1,098 units stand.",
        ),
        ([("<b>", "object", "strong", 1)], "<b>; 1 of 1,091 units stands."),
        ([("car", "object", "tentative", 2)], "None of 1,092 units stands; 2 are tentative."),
        ([("car", "object", "tentative", 1)], "None of 1,091 units stands; 1 is tentative."),
        ([], "None of 1,090 units stands."),
        # every label is an object: that they are says nothing
        ([("car", "object", "strong", 3), ("cup", "object", "strong", 2)], "Mostly car, cup; 5 of 1,095 units stand."),
    ],
)
def test_it_names_what_labels_most_units_that_stand(rows, said):
    assert opening(units(*rows, *OTHERS)) == said


def test_labels_that_do_not_stand_change_only_the_count():
    strong = ("striped", "texture", "strong", 3)
    assert opening(units(strong)) == "Mostly striped; 3 of 3 units stand."
    assert opening(units(strong, ("car", "texture", "few images", 50))) == "Mostly striped; 3 of 53 units stand."
