"""Formulas are read as written, and are as true as the operators of Lukasiewicz say."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterscope.operators.rules.formula import DEEPEST, MOST_CHARACTERS, Atom, Formula, parse, truth
from tests.naive import rules as naive

NAMES = ("a", "b", "c d", "kind=3", "é<>")
ATOMS = [Atom(kind, name) for kind in ("label", "concept") for name in NAMES]
EIGHTHS = [Fraction(k, 8) for k in range(9)]


def joined(parts):
    two = st.tuples(st.sampled_from(["and", "or", "implies"]), parts, parts)
    return (
        two.map(lambda t: Formula(t[0], t[1:]))
        | parts.map(lambda part: Formula("not", (part,)))
        | st.lists(parts, min_size=1, max_size=3).map(lambda found: Formula("mean", tuple(found)))
    )


formulas = st.recursive(st.sampled_from(ATOMS).map(lambda atom: Formula("atom", atom=atom)), joined, max_leaves=8)


def written(formula):
    """Write a formula with all brackets."""
    if formula.operator == "atom":
        return f'{formula.atom.kind}:"{formula.atom.name}"'
    parts = [written(part) for part in formula.parts]
    if formula.operator == "not":
        return f"~({parts[0]})"
    if formula.operator == "mean":
        return f"mean({', '.join(parts)})"
    return f"({parts[0]}) {({'and': '&', 'or': '|', 'implies': '=>'})[formula.operator]} ({parts[1]})"


@given(formulas)
def test_what_is_written_is_read_again(formula):
    assert parse(written(formula)) == formula


@given(formulas, st.lists(st.sampled_from(EIGHTHS), min_size=len(ATOMS), max_size=len(ATOMS)))
def test_it_is_as_true_as_its_twin(formula, values):
    expected = naive.truth(formula, {(a.kind, a.name): v for a, v in zip(ATOMS, values, strict=True)})
    found = truth(formula, {a: np.array([float(v)] * 3) for a, v in zip(ATOMS, values, strict=True)})
    np.testing.assert_allclose(found, [float(expected)] * 3, atol=1e-12)
    assert 0 <= expected <= 1


def test_on_true_and_false_it_is_logic():
    a, b = Atom("label", "a"), Atom("label", "b")
    for one, other in product((0.0, 1.0), repeat=2):
        values = {a: np.array(one), b: np.array(other)}
        assert truth(parse("label:a & label:b"), values) == (one and other)
        assert truth(parse("label:a | label:b"), values) == (one or other)
        assert truth(parse("label:a => label:b"), values) == (not one or other)
        assert truth(parse("~label:a"), values) == (not one)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("~label:a & label:b | label:c => label:d", "(((~label:a) & label:b) | label:c) => label:d"),
        ("label:a => label:b => label:c", "label:a => (label:b => label:c)"),
        ("label:a & label:b & label:c", "(label:a & label:b) & label:c"),
        ("  label:kind=3=>concept:x-y.z/1 ", 'label:"kind=3" => concept:"x-y.z/1"'),
        ("~~label:a", "~(~label:a)"),
    ],
)
def test_operators_bind_as_stated(short, long):
    assert parse(short) == parse(long)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "at the end"),
        ("label:a =>", "at the end"),
        ("label:a label:b", "at 'label:b'"),
        ("label:a label", "at 'label'"),
        ("unit:a", "at 'unit:a'"),
        ("(label:a", "a closing bracket at the end"),
        ("label:a)", r"at '\)'"),
        ("mean label:a", "mean"),
        ("mean()", r"at '\)'"),
        ('label:"a', "at 'label:"),
        ("label:a = label:b", "at '= label"),
        ("~" * (DEEPEST + 2) + "label:a", "deep"),
        ("(" * (DEEPEST + 2) + "label:a", "deep"),
        ("label:a" + " & label:a" * (DEEPEST + 2), "deep"),
        ("label:a" + " => label:a" * (DEEPEST + 2), "deep"),
        ("label:" + "a" * MOST_CHARACTERS, "characters"),
    ],
)
def test_what_is_no_formula_is_refused_with_its_place(text, says):
    if "deep" in says and "label:a &" in text:
        text = text[:MOST_CHARACTERS]
    with pytest.raises(ValueError, match=says):
        parse(text)


@given(st.text(alphabet='ab:~&|=>(),"mean label concept', max_size=60))
def test_any_text_is_read_or_refused_in_words(text):
    try:
        found, said = parse(text).atoms(), ""
    except ValueError as error:
        found, said = [], str(error)
    assert found or len(said) > 20


def test_what_is_not_known_makes_a_rule_unknown():
    a, b = Atom("label", "a"), Atom("label", "b")
    values = {a: np.array([0.0, np.nan, 1.0]), b: np.array([np.nan, 1.0, 1.0])}
    for text in ("label:a => label:b", "label:a & label:b", "label:a | label:b", "mean(label:a, label:b)"):
        np.testing.assert_array_equal(np.isnan(truth(parse(text), values)), [True, True, False])
