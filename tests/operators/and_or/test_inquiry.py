"""Questions chosen by their predicted gain teach more than those drawn at random, and nothing is asked twice."""

import math

import numpy as np
import pytest

from filterscope.operators.and_or.answering import answered, marked
from filterscope.operators.and_or.asking import (
    ALPHA,
    BETA,
    STRATEGIES,
    next_question,
    next_questions,
    predicted_gain,
    unlikeness,
)
from filterscope.operators.and_or.inquiry import Answer, Inquiry
from tests.planted.poses import EXTENT, answer_of, planted_poses

POOL, TESTED, QUESTIONS = np.arange(60), np.arange(60, 100), 15


def curve_of(strategy, seed, questions=QUESTIONS):
    """Ask about planted poses; return the inquiry and, after each answer, the mean distance on views not in the pool."""
    pose, part, layer = planted_poses(100, seed)
    inquiry, known, curve = Inquiry([layer], EXTENT, POOL), {}, []
    chance = np.random.default_rng([seed, 9]).random(len(POOL))
    for _ in range(questions):
        view = inquiry.ask(strategy, chance)
        inquiry.take(answer_of(inquiry, view, pose, part, known))
        centre, _, _ = inquiry.parsed(TESTED)
        curve.append(float(np.hypot(*(centre - part[TESTED]).T).mean()))
    return inquiry, curve


def divergence(score):
    """KL of the uniform distribution and of that which grows with exp(score)."""
    total = sum(math.exp(one) for one in score)
    return sum(math.log(1 / len(score) / (math.exp(one) / total)) for one in score) / len(score)


def test_the_predicted_gain_is_the_fall_of_the_divergence():
    rng = np.random.default_rng(0)
    score, template, annotated = rng.normal(size=9), rng.integers(0, 3, 9), np.arange(9) < 3
    features = rng.normal(size=(9, 4))
    found = predicted_gain(score, template, annotated, unlikeness(features))
    beta = BETA / score.std()
    for i in range(9):
        if annotated[i]:
            assert found[i] == -math.inf
            continue
        raised = score.copy()
        for j in range(3, 9):
            if template[i] == template[j]:
                cosine = features[i] @ features[j] / np.linalg.norm(features[i]) / np.linalg.norm(features[j])
                raised[j] += (score[:3].mean() - score[i]) * math.exp(-ALPHA * (1 - cosine))
        assert found[i] == pytest.approx(divergence(beta * score) - divergence(beta * raised))


def test_the_gain_does_not_depend_on_the_height_or_scale_of_scores():
    rng = np.random.default_rng(1)
    score, template, annotated = rng.normal(size=9), rng.integers(0, 3, 9), np.arange(9) < 3
    apart = unlikeness(rng.normal(size=(9, 4)))
    found = predicted_gain(score, template, annotated, apart)
    assert predicted_gain(900 * score - 7000, template, annotated, apart) == pytest.approx(found)
    assert (predicted_gain(np.ones(9), template, annotated, apart)[3:] == 0).all()


def test_few_objects_that_lack_much_gain_more_than_many_that_lack_little():
    score = np.array([0.0] + [-1.0] * 20 + [-8.0] * 3)
    features = np.zeros((24, 2))
    features[:21, 0], features[21:, 1] = 1, 1
    gain = predicted_gain(score, np.zeros(24, np.int64), np.arange(24) < 1, unlikeness(features))
    assert gain[21:].min() > gain[1:21].max()


def test_an_object_without_features_is_unlike_all():
    assert unlikeness(np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]])) == pytest.approx(
        np.array([[1, 1, 1], [1, 0, 0], [1, 0, 0]])
    )


def test_each_strategy_chooses_what_it_says():
    score, template, left = np.array([5.0, 4.0, 1.0, 3.0]), np.zeros(4, np.int64), np.array([False, True, True, True])
    apart, chance = unlikeness(np.array([[1.0, 0], [0, 1], [1, 0.1], [1, 1]])), np.array([0.0, 0.9, 0.8, 0.1])
    chosen = {name: next_question(name, score, template, left, apart, chance) for name in STRATEGIES}
    assert chosen == {"gain": 2, "random": 3, "lowest score": 2, "most different": 1}
    with pytest.raises(ValueError, match="no strategy 'best'"):
        next_question("best", score, template, left, apart, chance)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_is_asked_twice_and_all_is_asked(strategy):
    pose, part, layer = planted_poses(12, 1)
    inquiry, known, pool = Inquiry([layer], EXTENT, np.arange(12)), {}, list(range(12))
    for number in range(12):
        view = inquiry.ask(strategy, np.linspace(0, 1, 12))
        pool.remove(view)  # fails if it was asked
        absent = number in (0, 5)
        inquiry.take(Answer(view, "absent", -1, ()) if absent else answer_of(inquiry, view, pose, part, known))
    with pytest.raises(ValueError, match="all objects are answered"):
        inquiry.ask(strategy, np.linspace(0, 1, 12))


def test_a_simulated_person_answers_by_where_the_part_is():
    _, part, layer = planted_poses(60, 4)
    inquiry = Inquiry([layer], EXTENT, np.arange(60))
    points, far = np.full((60, 2), np.nan), part.copy()
    assert answered(inquiry, 0, part, points) == Answer(0, "new", 0, tuple(part[0]))
    inquiry.take(answered(inquiry, 0, part, points))
    far[1] = part[0] + 0.2 * np.hypot(*EXTENT) * np.sign(56 - part[0]) / np.sqrt(2)
    assert answered(inquiry, 1, far, points) == Answer(1, "new", 1, tuple(far[1]))
    centre, _, _ = inquiry.parsed(np.array([2]))
    near = part.copy()
    # the template expects its part at part[0]
    near[2] = part[0] + (centre[0] - part[0]) / 2
    moved = np.hypot(*(centre[0] - near[2])) / np.hypot(*EXTENT)
    assert answered(inquiry, 2, near, points).said == ("right" if moved <= 0.05 else "place")
    exact = part.copy()
    exact[2] = centre[0]
    assert answered(inquiry, 2, exact, points) == Answer(2, "right", 0, tuple(centre[0]))
    boxes = np.full((60, 2), 12.0)
    exact[2, 1] = centre[0, 1] + 3.9  # of boxes of 12 the overlap is a half when they are 4 apart
    assert answered(inquiry, 2, exact, boxes).said == "right"
    exact[2, 1] = centre[0, 1] + 4.1
    assert answered(inquiry, 2, exact, boxes) == Answer(2, "place", 0, tuple(exact[2]))


def test_a_simulated_person_names_another_template_that_expects_the_part_nearer():
    _, part, layer = planted_poses(60, 4)
    inquiry, points = Inquiry([layer], EXTENT, np.arange(60)), np.full((60, 2), np.nan)
    moved = part.copy()
    moved[1] = part[0] + 0.2 * np.hypot(*EXTENT) * np.sign(56 - part[0]) / np.sqrt(2)
    for view in (0, 1):
        inquiry.take(answered(inquiry, view, moved, points))
    _, _, chosen = inquiry.parsed(np.arange(60))
    view = int(np.flatnonzero(chosen[2:] == 0)[0]) + 2
    moved[view] = moved[1]
    assert answered(inquiry, view, moved, points) == Answer(view, "other", 1, tuple(moved[1]))


def test_answers_replayed_give_the_same_graph_and_the_same_next_question():
    inquiry, _ = curve_of("gain", 3, questions=6)
    _, _, layer = planted_poses(100, 3)
    again = Inquiry([layer], EXTENT, POOL)
    for answer in inquiry.answers:
        again.take(answer)
    for one, other in zip(inquiry.parsed(TESTED), again.parsed(TESTED), strict=True):
        np.testing.assert_array_equal(one, other)
    chance = np.zeros(len(POOL))
    assert again.ask("gain", chance) == inquiry.ask("gain", chance)


def test_answers_that_contradict_what_is_known_are_refused():
    _, _, layer = planted_poses(12, 1)
    inquiry = Inquiry([layer], EXTENT, np.arange(12))
    for wrong in (Answer(0, "place", 0, (1.0, 1.0)), Answer(0, "new", 1, (1.0, 1.0)), Answer(0, "absent", 0, ())):
        with pytest.raises(ValueError, match="there are 0"):
            inquiry.take(wrong)
    inquiry.take(Answer(0, "new", 0, (40.0, 40.0)))
    with pytest.raises(ValueError, match="view 0 is answered already"):
        inquiry.take(Answer(0, "absent", -1, ()))


def needed(curve, error):
    """Return after how many questions a curve first has an error, one more than it has if it never does."""
    return int(np.argmax(curve <= error)) + 1 if (curve <= error).any() else len(curve) + 1


@pytest.fixture(scope="module")
def curves():
    """Errors after each of 15 questions about planted poses by each strategy: (20 seeds, 15)."""
    return {name: np.array([curve_of(name, seed)[1] for seed in range(20)]) for name in STRATEGIES}


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "random"])
@pytest.mark.parametrize("questions", [6, 9, 12, 15])
def test_on_planted_poses_two_thirds_of_the_questions_of_chance_suffice(curves, strategy, questions):
    def ratio(seeds):
        chance = curves["random"][seeds].mean(axis=0)
        error = chance[questions - 1]
        return needed(curves[strategy][seeds].mean(axis=0), error) / needed(chance, error)

    drawn = np.random.default_rng(0).integers(0, 20, (1000, 20))  # the same seeds of both
    assert ratio(np.arange(20)) <= 0.5
    if strategy == "gain":
        assert np.percentile([ratio(seeds) for seeds in drawn], 97.5) <= 2 / 3


@pytest.mark.slow
def test_on_planted_poses_gain_errs_less_than_chance_over_all_questions_and_no_more_than_simpler_rules(curves):
    area = {name: curve.mean(axis=1) for name, curve in curves.items()}
    drawn = np.random.default_rng(0).integers(0, 20, (1000, 20))

    def saved(other):
        return 1 - area["gain"][drawn].mean(axis=1) / area[other][drawn].mean(axis=1)

    assert np.percentile(saved("random"), 2.5) > 0.2
    for other in ("lowest score", "most different"):
        assert np.percentile(saved(other), 97.5) > 0


def test_questions_of_one_page_are_chosen_as_if_those_before_were_answered():
    rng = np.random.default_rng(5)
    score, template, left = rng.normal(size=12), rng.integers(0, 2, 12), np.arange(12) > 2
    apart = unlikeness(rng.normal(size=(12, 3)))
    found = next_questions(score, template, left, apart, 5)
    assert found[0][0] == next_question("gain", score, template, left, apart, np.zeros(12))
    known, values = [0, 1, 2], score.tolist()
    for chosen, gain in found:
        usual = np.mean([values[i] for i in known])
        beta, gains = BETA / np.std(values), {}
        for i in set(range(12)) - set(known):
            raised = list(values)
            for j in range(12):
                if j not in known and template[j] == template[i]:
                    raised[j] += (usual - values[i]) * math.exp(-ALPHA * apart[i, j])
            gains[i] = divergence(beta * np.array(values)) - divergence(beta * np.array(raised))
        assert chosen == max(gains, key=gains.get)
        assert gain == pytest.approx(gains[chosen])
        lacking = usual - values[chosen]
        for j in range(12):
            if j not in known and template[j] == template[chosen]:
                values[j] += lacking * (1.0 if j == chosen else math.exp(-ALPHA * apart[chosen, j]))
        known.append(chosen)
    assert len(next_questions(score, template, left, apart, 50)) == 9


def test_a_twin_is_not_asked_about_on_the_same_page():
    features = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 2.0]])
    score, template, left = np.array([5.0, 1.0, 1.0, 3.5]), np.zeros(4, np.int64), np.array([False, True, True, True])
    chosen = [at for at, _ in next_questions(score, template, left, unlikeness(features), 2)]
    assert chosen == [1, 3]


def test_marks_are_of_the_template_whose_views_have_the_part_nearest():
    part = np.array([[10.0, 10.0], [100.0, 100.0], [12.0, 10.0], [90.0, 100.0]])
    told = marked(np.array([2, 1, 3, 0]), part, (112, 112))
    assert [(one.view, one.said, one.template) for one in told] == [
        (2, "new", 0), (1, "new", 1), (3, "place", 1), (0, "place", 0),
    ]  # fmt: skip
