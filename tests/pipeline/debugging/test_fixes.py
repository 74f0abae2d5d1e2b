"""What a person writes after --fix."""

import pytest

from filterscope.jobs.config.debug import asked_of
from filterscope.pipeline.debugging.fixes import ABOUT, KINDS, Fix, fix_of, fixes_of
from filterscope.pipeline.debugging.options import DebugOptions
from filterscope.pipeline.engine.errors import InputError


def test_fixes_are_read_once_each_in_order():
    assert fixes_of(["collect:50, reweight", "collect:50", "drop:3"]) == [
        Fix("collect", 50), Fix("reweight"), Fix("drop", 3)
    ]  # fmt: skip
    assert [fix_of(fix_of(text).text).text for text in ("last:8", "reweight")] == ["last:8", "reweight"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("collcet:50", "--fix collcet:50: no such fix. Did you mean 'collect'?"),
        ("sing", "--fix sing: no such fix. Fixes are: collect:N, relabel:N, paste:N, drop:N, reweight, last:N."),
        ("collect", "--fix collect: a whole number from 1 to 1,000,000 after the colon, as in collect:50"),
        ("collect:", "--fix collect:: a whole number"),
        ("collect:0", "a whole number from 1"),
        ("paste:-3", "a whole number from 1"),
        ("drop:1.5", "a whole number from 1"),
        ("last:²", "a whole number from 1"),
        ("collect:9999999999", "a whole number from 1 to 1,000,000"),
        ("reweight:3", "--fix reweight:3: reweight takes no number"),
    ],
)
def test_what_is_no_fix_is_refused_with_what_there_is(text, said):
    with pytest.raises(InputError) as refused:
        fix_of(text)
    assert said in str(refused.value)


@pytest.mark.parametrize("none", [[], [""], [" , "]])
def test_a_fix_must_be_named(none):
    with pytest.raises(InputError, match="name what to do with --fix: collect:N"):
        fixes_of(none)


def test_only_images_that_a_person_labels_cost_labels():
    assert {kind: Fix(kind, 7).cost for kind in KINDS} == {
        "collect": 7, "relabel": 7, "last": 7, "paste": 0, "drop": 0, "reweight": 0
    }  # fmt: skip
    assert set(ABOUT) == set(KINDS)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("pair", "Smiling", "pair: received 'Smiling'; expected two attributes with a comma"),
        ("pair", "a,a", "expected two attributes"),
        ("pair", "a,b,c", "expected two attributes"),
        ("seeds", 0, "seeds: received 0"),
        ("measured", 1.0, "measured: received 1.0"),
        ("choose", "fate", "choose: received 'fate'"),
        ("omega_views", 1, "omega-views: received 1"),
        ("learning_rate", 0.0, "learning-rate: received 0.0"),
    ],
)
def test_options_out_of_bounds_are_refused_by_the_name_of_the_flag(option, value, said, tmp_path):
    with pytest.raises(InputError) as refused:
        asked_of(tmp_path, ["collect:5"], {option: value})
    assert said in str(refused.value)


def test_a_pair_may_have_spaces():
    assert DebugOptions(pair=" Smiling , Black_Hair").pair == "Smiling,Black_Hair"
