"""Every sentence about trust, word for word, and that none states what the row does not."""

from itertools import product

import polars as pl
import pytest

from filterscope.pipeline.methods.significance.trust import (
    MEANINGS,
    STANDINGS,
    evidence,
    figure,
    standing,
    trust,
    verdict,
    with_standing,
)
from filterscope.schemas.significance import NOT_STORED, NOT_TESTABLE


def layer(over, chance, significant, *, spread=None, below=0, again=(0, 0.0, 0), eligible=3):
    """Return a row of `layer_significance`; without a spread (deviation, least, most) as version 0.2 wrote it."""
    old = spread is None
    deviation, least, most = (None, None, None) if old else spread
    return {
        "over_cutoff": over,
        "expected_by_chance": chance,
        "significant": significant,
        "eligible": [{"category": "object", "concepts": eligible}, {"category": "part", "concepts": 0}],
        "permutations": 50,
        "expected_by_chance_sd": deviation,
        "least_by_chance": least,
        "most_by_chance": most,
        "significant_over_cutoff": None if old else significant - below,
        "replicating": again[0],
        "replicating_by_chance": None if old else again[1],
        "replicating_most_by_chance": None if old else again[2],
    }


NONE = (0.0, 0, 0)
WIDE = "standard deviation 3.1, 4 to 16 in permutations"
NEVER = "none is expected by chance (0 in each of 50 permutations)"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            layer(0, 0.0, 0, spread=NONE, eligible=0),
            "no concept is in enough images, or groups of images, to label a unit: there is no label to trust",
        ),
        (
            layer(0, 0.0, 0, spread=NONE),
            "no unit is over 0.04 and none is significant: there is no label to trust",
        ),
        (
            layer(0, 0.0, 1, spread=NONE, below=1),
            "trust the one significant unit, though it lies below 0.04; no unit is over 0.04",
        ),
        (
            layer(0, 0.26, 5, spread=(0.44, 0, 1), below=5),
            "trust the 5 significant units, though all of them lie below 0.04; no unit is over 0.04",
        ),
        (
            layer(3, 0.0, 11, spread=NONE, below=8, again=(3, 0.0, 0)),
            f"trust the 11 significant units, 8 of which lie below 0.04; 3 units are over 0.04, where {NEVER}; 3 labels "
            "replicate, none by chance",
        ),
        (
            layer(1, 0.0, 2, spread=NONE, below=1, again=(1, 0.0, 0)),
            f"trust the 2 significant units, one of which lies below 0.04; 1 unit is over 0.04, where {NEVER}; 1 label "
            "replicates, none by chance",
        ),
        (
            layer(300, 90.0, 120, spread=(31.25, 40, 1650), again=(39, 12.5, 23)),
            "trust the 120 significant units; 300 units are over 0.04, where 90 are expected by chance (standard "
            "deviation 31.2, "
            "40 to 1,650 in permutations); 39 labels replicate, more than in any permutation (12.5 by chance, at most 23)",
        ),
        (
            layer(1041, 772.24, 0, spread=(61.2, 632, 904)),
            "trust no single label: 1,041 units are over 0.04, more than in any permutation of the annotations, but "
            "none stands out by itself; 772 are expected by chance (standard deviation 61.2, 632 to 904 in permutations)",
        ),
        (
            layer(50, 9.1, 0, spread=(3.1, 4, 16)),
            "trust no single label: 50 units are over 0.04, more than in any permutation of the annotations, but none "
            f"stands out by itself; 9.1 are expected by chance ({WIDE})",
        ),
        (
            layer(1, 0.0, 0, spread=NONE),
            f"1 unit is over 0.04, more than in any permutation of the annotations, but it does not stand out by "
            f"itself: {NEVER}",
        ),
        (layer(16, 9.1, 0, spread=(3.1, 4, 16)), f"trust none of the 16 labels over 0.04: 9.1 are expected by chance ({WIDE})"),
        (layer(4, 9.1, 0, spread=(3.1, 4, 16)), f"trust none of the 4 labels over 0.04: 9.1 are expected by chance ({WIDE})"),
        (
            layer(281, 188.62, 0, spread=(41.9, 105, 350), again=(19, 12.5, 23)),
            "trust none of the 281 labels over 0.04: 189 are expected by chance (standard deviation 41.9, 105 to 350 in "
            "permutations); 19 labels replicate, no more than in permutations (12.5 by chance, at most 23)",
        ),
        (
            layer(1, 0.26, 0, spread=(0.4386, 0, 1), again=(1, 0.02, 1)),
            "do not trust the one label over 0.04: 0.26 are expected by chance (standard deviation 0.44, 0 to 1 in "
            "permutations); 1 label replicates, no more than in permutations (0.02 by chance, at most 1)",
        ),
        (
            layer(1, 1.0, 0, spread=(0.0, 1, 1)),
            "do not trust the one label over 0.04: 1 is expected by chance (standard deviation 0, 1 in every permutation)",
        ),
        (
            layer(3, 9.1, 0, spread=(3.1, 4, 16)),
            f"3 units are over 0.04, fewer than in any permutation of the annotations: 9.1 are expected by chance ({WIDE})",
        ),
        (
            layer(1, 9.1, 0, spread=(3.1, 4, 16)),
            f"1 unit is over 0.04, fewer than in any permutation of the annotations: 9.1 are expected by chance ({WIDE})",
        ),
        # rows of version 0.2
        (layer(50, 9.1, 0, again=(3,)), "none of the 50 labels over 0.04 is significant: 9.1 are expected by chance"),
        (layer(1, 0.26, 0), "the one label over 0.04 is not significant: 0.26 are expected by chance"),
        (layer(1, 0.0, 0), "the one label over 0.04 is not significant: none is expected by chance"),
        (
            layer(300, 90.0, 120, again=(64,)),
            "trust the 120 significant units; 300 units are over 0.04, where 90 are expected by chance",
        ),
        (layer(0, 0.0, 2), "trust the 2 significant units; no unit is over 0.04"),
        # where it is known what the labels are worth
        (
            layer(3, 0.0, 11, spread=NONE, below=8, again=(3, 0.0, 0)) | {"strong": 2},
            f"trust the 2 strong labels; 11 units are significant, 8 of which lie below 0.04; 3 units are over 0.04, where "
            f"{NEVER}; 3 labels replicate, none by chance",
        ),
        (
            layer(2, 0.0, 1, spread=NONE, again=(1, 0.0, 0)) | {"strong": 1},
            f"trust the one strong label; 1 unit is significant; 2 units are over 0.04, where {NEVER}; 1 label replicates, "
            "none by chance",
        ),
        (
            layer(0, 0.0, 1, spread=NONE, below=1) | {"strong": 0},
            "no label is strong; 1 unit is significant, though it lies below 0.04; no unit is over 0.04",
        ),
        (
            layer(4, 9.1, 0, spread=(3.1, 4, 16)) | {"strong": 0},
            f"trust none of the 4 labels over 0.04: 9.1 are expected by chance ({WIDE})",
        ),
    ],
)  # fmt: skip
def test_a_layer_is_summed_up_in_a_sentence(row, sentence):
    assert trust(row) == sentence


def test_none_of_the_labels_is_trusted_only_where_permutations_give_as_many():
    for over in range(1, 25):
        inside = 4 <= over <= 16
        said = trust(layer(over, 9.1, 0, spread=(3.1, 4, 16)))
        assert inside == said.startswith(("trust none of the", "do not trust the one"))
        assert ("more than in any permutation" in said) == (over > 16)
        assert ("fewer than in any permutation" in said) == (over < 4)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.02, "0.02"), (0.26, "0.26"), (0.999, "1"), (1.5, "1.5"), (9.1, "9.1"), (9.96, "10.0"), (12, "12"),
     (12.54, "12.5"), (99.4, "99.4"), (99.7, "100"), (1650, "1,650"), (1650.4, "1,650")],
)  # fmt: skip
def test_a_count_that_is_not_0_never_reads_0(value, text):
    assert figure(value) == text


def unit(**changed):
    """Return the columns of a live unit that speak of trust: significant, replicating, on many images."""
    row = {
        "status": "live", "concept": "sky", "category": "object", "detector": True, "significant": True, "q_value": 0.0196,
        "label_replicates": True, "halves_agree": True, "expected_iou": 0.0511, "interval_low": 0.0209, "interval_high": 0.08,
        "effective_groups": 31.7, "note": None,
    }  # fmt: skip
    return row | changed


NOT_COMPARED = {
    "significant": None, "q_value": None, "label_replicates": None, "halves_agree": None, "expected_iou": None,
    "interval_low": None, "interval_high": None, "effective_groups": None, "note": NOT_STORED,
}  # fmt: skip
EXPECTED = "On as many new images its IoU is expected to be 0.051 (90 % prediction interval: 0.021 to 0.080)."
AGAIN = "each half of the images chooses this label, and it holds on the other half"
BOTH = "both halves of the images choose this label, but held out its IoU is not over 0.04 on at least one of them"
APART = "the two halves of the images do not both choose this label"
ALIGNED = "Whether it stands out from chance is not testable on aligned data: it lies alike in most images."


@pytest.mark.parametrize(
    ("row", "sentences"),
    [
        (unit(status="dead", concept=None), "This unit is dead: it is constant or never above zero, so it has no label."),
        (
            unit(status="saturated", concept=None),
            "This unit is saturated: its threshold is its maximum, so nothing is above it and it has no label.",
        ),
        (unit(concept=None, detector=False), "It has no label: no concept that may label a unit overlaps it anywhere."),
        (unit(), f"Its label is sky (object). It stands out from chance (q = 0.0196) and replicates: {AGAIN}. {EXPECTED}"),
        (
            unit(label_replicates=False),
            f"Its label is sky (object). It stands out from chance (q = 0.0196) but does not replicate: {BOTH}. {EXPECTED}",
        ),
        (
            unit(label_replicates=False, halves_agree=False),
            f"Its label is sky (object). It stands out from chance (q = 0.0196) but does not replicate: {APART}. {EXPECTED}",
        ),
        (
            unit(significant=False, q_value=0.0504),
            f"Its label is sky (object). It does not stand out from chance (q = 0.0504) but replicates: {AGAIN}. {EXPECTED}",
        ),
        (
            unit(significant=False, q_value=1.0, label_replicates=False, halves_agree=False),
            f"Its label is sky (object). It does not stand out from chance (q = 1) and does not replicate: {APART}. {EXPECTED}",
        ),
        (
            unit(significant=False, q_value=0.3, label_replicates=False, halves_agree=None, expected_iou=None),
            "Its label is sky (object). It does not stand out from chance (q = 0.3) and does not replicate.",
        ),
        (
            unit(detector=False, expected_iou=0.00012, interval_low=0.0, interval_high=0.0005, effective_groups=1.2),
            "Its nearest concept is sky (object), at an IoU not over 0.04. It stands out from chance (q = 0.0196) and "
            "replicates: "
            f"{AGAIN}. On as many new images its IoU is expected to be 0.0001 (90 % prediction interval: 0.000 to 0.001).",
        ),
        (
            unit(effective_groups=4.96),
            f"Its label is sky (object). It stands out from chance (q = 0.0196) and replicates: {AGAIN}. {EXPECTED} It "
            "rests on few images or groups of images (5 effective): look at them before you believe it.",
        ),
        (
            unit(significant=False, q_value=None, note=NOT_TESTABLE),
            f"Its label is sky (object). {ALIGNED} {EXPECTED}",
        ),
        (unit(**NOT_COMPARED), "Its label is sky (object). It was not compared with chance."),
        (
            unit(**NOT_COMPARED, detector=False),
            "Its nearest concept is sky (object), at an IoU not over 0.04. It was not compared with chance.",
        ),
    ],
)  # fmt: skip
def test_a_unit_is_summed_up_in_a_few_sentences(row, sentences):
    assert verdict(row) == sentences


def test_no_sentence_about_a_unit_states_what_is_not_so():
    """Over all rows that a run can write."""
    halves = [(True, True), (True, False), (False, False), (None, False)]
    tests = [(True, 0.01), (False, 0.2), (False, None), (None, None)]
    for (significant, q), (agree, again), rests, detector in product(tests, halves, (None, 1.5, 5.0), (True, False)):
        row = unit(significant=significant, q_value=q, halves_agree=agree, label_replicates=again, effective_groups=rests,
                   detector=detector)  # fmt: skip
        said = verdict(row)
        tested = q is not None
        assert ("It stands out from chance" in said) == (significant is True)
        assert ("It does not stand out from chance" in said) == (significant is False and tested)
        assert (ALIGNED in said) == (significant is False and not tested)
        assert ("It was not compared" in said) == (significant is None)
        assert ("does not replicate" in said) == (tested and not again)
        assert (AGAIN in said) == (tested and again)
        assert (BOTH in said) == (tested and agree is True and not again)
        assert (APART in said) == (tested and agree is False)
        assert ("It rests on few images" in said) == (detector and rests == 1.5)
        assert said.startswith("Its label is") == detector
        assert "None" not in said
        assert said.endswith(".")
        assert ".." not in said


@pytest.mark.parametrize(
    ("row", "strongest"),
    [
        (unit(status="dead"), "none"),
        (unit(status="saturated", detector=False), "none"),
        (unit(), "both"),
        (unit(label_replicates=False), "significant"),
        (unit(significant=False), "replicates"),
        (unit(significant=False, label_replicates=False), "over"),
        (unit(significant=False, label_replicates=False, detector=False), "none"),
        (unit(**NOT_COMPARED), "over"),
        (unit(**NOT_COMPARED, detector=False), "none"),
    ],
)
def test_the_strongest_evidence_is_named(row, strongest):
    assert evidence(row) == strongest


@pytest.mark.parametrize(
    ("row", "worth"),
    [
        (unit(), "strong"),
        (unit(effective_groups=5.0), "strong"),
        (unit(effective_groups=4.99), "few images"),
        (unit(label_replicates=False), "tentative"),
        (unit(label_replicates=False, effective_groups=1.0), "few images"),
        (unit(significant=False), "tentative"),
        (unit(significant=False, effective_groups=2.5), "few images"),
        (unit(significant=False, label_replicates=False), "chance"),
        (unit(significant=False, label_replicates=False, effective_groups=1.3), "chance"),
        (unit(detector=False), "no label"),
        (unit(status="dead", concept=None, detector=False), "no label"),
        (unit(status="saturated", concept=None, detector=False), "no label"),
        (unit(concept=None, detector=False), "no label"),
        # what cannot be, or was not, compared with chance is not called chance
        (unit(significant=False, q_value=None, note=NOT_TESTABLE), "tentative"),
        (unit(significant=False, q_value=None, label_replicates=False, note=NOT_TESTABLE), "tentative"),
        (unit(**NOT_COMPARED), "tentative"),
        (unit(**NOT_COMPARED, effective_images=2.0), "few images"),
        # runs of earlier versions counted images and no groups
        (unit(effective_groups=None, effective_images=9.0), "strong"),
        (unit(effective_groups=None, effective_images=3.0), "few images"),
        (unit(effective_groups=9.0, effective_images=3.0), "strong"),
        (unit(effective_groups=None), "strong"),
    ],
)
def test_a_label_is_worth_one_of_five_things(row, worth):
    assert standing(row) == worth
    assert set(MEANINGS) == set(STANDINGS)


def test_frames_say_of_their_rows_what_rows_say():
    """Over all rows that a run can write, many of them alike."""
    rows = [
        unit(status=status, detector=detector and status == "live", significant=significant, q_value=q,
             label_replicates=again, effective_groups=groups, effective_images=images, unit=number)
        for number, (status, detector, (significant, q), again, groups, images) in enumerate(
            product(("live", "dead"), (True, False), [(True, 0.01), (False, 0.2), (False, None), (None, None)],
                    (True, False, None), (None, 1.5, 5.0), (None, 4.9, 80.0))
        )
    ]  # fmt: skip
    frame = with_standing(pl.DataFrame(rows))
    assert frame["standing"].to_list() == [standing(row) for row in rows]
    assert frame["unit"].to_list() == list(range(len(rows)))
    assert set(frame["standing"]) == set(STANDINGS)
    assert with_standing(frame.drop("effective_images").clear())["standing"].to_list() == []
