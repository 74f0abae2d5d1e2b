"""The but-rule of Hu et al.: its truth and posterior by the paper's own formula, and what it does on real sentences."""

import os
from pathlib import Path

import numpy as np
import pytest

from filterscope.operators.rules.formula import Atom, truth
from tests.operators.rules.sentences import BUT, C, imposed, measured, read, trained

FOLDER = Path(os.environ.get("FILTERSCOPE_TEST_DATA", "/nowhere")) / "sentences"


def test_the_truth_of_the_but_rule_is_that_of_the_paper():
    clause = np.linspace(0, 1, 11)
    values = {Atom("concept", "clause"): clause, Atom("concept", "but"): np.ones(11)}
    for label, expected in ((1.0, (1 + clause) / 2), (0.0, (2 - clause) / 2)):
        assert np.allclose(truth(BUT, {**values, Atom("label", "positive"): np.full(11, label)}), expected)
    none = {**values, Atom("concept", "but"): np.zeros(11), Atom("label", "positive"): np.full(11, 0.3)}
    assert (truth(BUT, none) == 1).all()


def test_the_posterior_is_that_of_the_paper_where_there_is_a_but_and_the_network_elsewhere():
    rng = np.random.default_rng(0)
    p, clause, but = rng.dirichlet(np.ones(2), 40), rng.random(40), rng.random(40) < 0.5
    q = imposed(np.log(p), clause, but)
    truths = np.stack([(2 - clause) / 2, (1 + clause) / 2], axis=1)
    expected = p * np.exp(-C * (1 - truths))
    expected /= expected.sum(axis=1, keepdims=True)
    assert np.allclose(q, np.where(but[:, None], expected, p))


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER.exists(), reason="needs FILTERSCOPE_TEST_DATA")
def test_on_real_sentences_the_posterior_helps_those_with_a_but_and_leaves_the_others():
    data, words = read(FOLDER)
    assert [len(own.label) for own in data.values()] == [6920, 872, 1821]
    network = trained(data["train"], words, 0, epochs=2, dims=32, filters=12, distil=False, adam=True)
    found = measured(network, data["test"])
    assert found["sentences"] == 210
    assert found["p"] > 0.65  # always the same answer: 0.50
    assert 0 <= found["q on but"] - found["p on but"] <= 0.1
    assert (found["q"] - found["p"]) * 1821 == pytest.approx((found["q on but"] - found["p on but"]) * 210)
