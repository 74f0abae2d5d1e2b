"""Rules in whole runs: truth and posterior are those of the formulas, and what is planted is told from what is not."""

import re

import numpy as np
import pytest
from PIL import Image

from filterscope import schemas
from filterscope.jobs.config.audit import load_config, settings_of
from filterscope.operators.rules.formula import parse
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.datasets.sample import draw_sample
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.rules.findings import broken, imposed, obeyed
from filterscope.pipeline.run.rule_file import rule_rows, rules_of
from tests import planted
from tests.audits import audit_here
from tests.naive import rules as naive
from tests.planted import portraits

IMAGES, NAMES = 40, ("plain", "red", "crimson", "striped")
#: Images of the attribute `mostly`, four in five of which are red.
MOSTLY = (1, 3, 5, 7, 9, 11, 13, 15, 0, 2)
FILE = """
[[rule]]
name = "red is red"
rule = "concept:red => label:red"
[[rule]]
name = "mostly"
rule = "concept:mostly => label:red"
weight = 0.5
[[rule]]
rule = "concept:noise => label:striped"
[[rule]]
name = "apart"
rule = "label:red & ~concept:noise => mean(~label:striped, concept:red) | label:plain"
[[rule]]
name = "seldom"
rule = "~label:crimson"
[[rule]]
name = "left"
rule = "concept:left => concept:red"
"""


def write_squares(folder):
    """Write grey images, every second with a red square, which is their class; some have more than one name."""
    noise = np.random.default_rng(3).integers(0, 2, IMAGES)
    with DatasetWriter(folder, source={"reader": "test"}) as out:
        left, right = out.concept("left", "part"), out.concept("right", "part")
        for number in range(IMAGES):
            red, mask = number % 2, np.zeros((planted.SIZE, planted.SIZE), bool)
            mask[4 : 8 + number % 5 * 4, 4:20] = True
            pixels = np.full((*mask.shape, 3), 120, np.uint8)
            pixels[mask] = (255, 0, 0) if red else 120
            Image.fromarray(pixels).save(folder.parent / f"s{number}.png")
            image = out.image(folder.parent / f"s{number}.png", name=f"s{number}.png")
            if number >= 8:
                out.segment(image, left if red else right, mask)
            out.attribute(image, "class", "red" if red else "striped")
            out.attribute(image, "red", str(red))
            out.attribute(image, "mostly", "yes" if number in MOSTLY else "no")
            if number >= 4:
                out.attribute(image, "noise", str(noise[number]))


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squares")
    write_squares(folder / "data")
    portraits.write_names(folder / "names.csv", NAMES)
    (folder / "rules.toml").write_text(FILE)
    return folder


def asked(squares, **more):
    model = {**planted.entry("classifier"), "classes": str(squares / "names.csv")}
    own = {"data": squares / "data", "models": [model], "layers": "1", "methods": "outputs,rules", "image_block": 7}
    return {**own, "rules.file": str(squares / "rules.toml"), "outputs.top": 4, **more}


@pytest.fixture(scope="module")
def run(squares):
    return audit_here(squares / "run", **asked(squares))


def rows(run, table="rule_truth", **only):
    return {row["rule"]: row for row in schemas.scan(run, table).filter(**only).collect().to_dicts()}


def atoms(run, scores=None):
    """Return the truth of every atom on each view, None where it is not known, and the labels on file, all read anew."""
    noise = np.random.default_rng(3).integers(0, 2, IMAGES).tolist()
    p = {(r["view"], NAMES[r["class"]]): r["probability"] for r in schemas.scan_outputs(run).collect().to_dicts()}
    for view in range(IMAGES):
        shown = {"red": view % 2, "mostly": int(view in MOSTLY), "noise": noise[view] if view >= 4 else None}
        shown["left"] = view % 2 if view >= 8 else None
        own = {("concept", name): value for name, value in shown.items()}
        given = {("label", name): p[view, name] for name in NAMES}
        stated = {("label", name): float(name == ("red" if view % 2 else "striped")) for name in NAMES}
        yield own | given, own | stated


def naive_truth(rule, values):
    known = all(values[a.kind, a.name] is not None for a in rule.formula.atoms())
    return naive.truth(rule.formula, values) if known else None


def test_truth_on_answers_and_in_the_data_is_that_of_the_formula(run, squares):
    found = rows(run)
    for rule in rules_of(rule_rows(str(squares / "rules.toml"))):
        both = [[naive_truth(rule, values) for values in pair] for pair in atoms(run)]
        answers, stated = ([t[k] for t in both if t[k] is not None] for k in (0, 1))
        row = found[rule.name]
        assert (row["groundings"], row["stated"]) == (len(answers), len(stated))
        assert row["truth"] == pytest.approx(np.mean(answers), abs=1e-6)
        assert row["violations"] == sum(t < 0.5 for t in answers)
        assert row["truth_in_data"] == pytest.approx(np.mean(stated), abs=1e-12)
    # of the ten that have it, two are not red: exactly so
    assert found["mostly"]["truth_in_data"] == pytest.approx(1 - 2 / IMAGES)
    assert found["mostly"]["fires"] == len(MOSTLY)
    assert found["seldom"]["q_value"] is None
    assert found["left"]["groundings"] == IMAGES - 8


def naive_answer(rules, values, strength):
    """Return the class of largest p exp(-C sum w (1 - r)), the first of equal ones, one class at a time."""
    lost = []
    for name in NAMES:
        here = {**values, **{("label", other): float(other == name) for other in NAMES}}
        truths = [(rule.weight, naive_truth(rule, here)) for rule in rules]
        lost.append(strength * sum(weight * (1 - t) for weight, t in truths if t is not None))
    q = naive.posterior([values["label", name] for name in NAMES], lost)
    return max(range(len(NAMES)), key=lambda k: (round(q[k], 7), -k))


def test_the_posterior_answers_as_the_formula_does(run, squares):
    rules = rules_of(rule_rows(str(squares / "rules.toml")))
    found, views = rows(run, "rule_posteriors"), [answers for answers, _ in atoms(run)]
    true = [1 if view % 2 else 3 for view in range(IMAGES)]
    for name, own in [(None, rules), *((rule.name, [rule]) for rule in rules)]:
        counted = [k for k in range(IMAGES) if any(naive_truth(rule, views[k]) is not None for rule in own)]
        p, q = ([naive_answer(some, views[k], 6.0) for k in counted] for some in ([], own))
        right_p, right_q = (np.mean([a == true[k] for a, k in zip(given, counted, strict=True)]) for given in (p, q))
        row = found[name]
        assert row["views"] == len(counted)
        assert row["changed"] == sum(a != b for a, b in zip(p, q, strict=True))
        assert (row["accuracy_p"], row["accuracy_q"]) == pytest.approx((right_p, right_q))
        assert row["difference"] == pytest.approx(right_q - right_p)
        assert row["low"] <= row["difference"] <= row["high"]
    lone = found["red is red"]
    # the small squares, which the network misses
    assert (lone["accuracy_q"], lone["changed"]) == (1, 8)
    assert lone["low"] > 0
    assert lone["accuracy_permuted"] < lone["accuracy_p"], "what helps is that concepts are those of the image"
    assert found["seldom"]["accuracy_permuted"] is None


def test_the_worst_views_come_first(run, squares):
    (rule,) = (r for r in rules_of(rule_rows(str(squares / "rules.toml"))) if r.name == "red is red")
    truths = [naive_truth(rule, answers) for answers, _ in atoms(run)]
    expected = sorted((round(t, 6), view) for view, t in enumerate(truths) if t < 1)[:12]
    found = schemas.scan_rule_violations(run).filter(rule=rule.name).sort("rank").collect()
    assert found["view"].to_list() == [view for _, view in expected]
    assert found["truth"].to_list() == pytest.approx([t for t, _ in expected], abs=2e-6)
    shown = broken(run).filter(rule=rule.name).row(0, named=True)
    assert shown["views"] == found["view"].to_list()[:8]
    assert shown["least truth"] == found["truth"][0]


def test_findings_tell_what_was_planted(run):
    verdicts = dict(obeyed(run).select("rule", "verdict").iter_rows())
    assert verdicts["left"] == "obeyed"
    assert verdicts["seldom"] == "untested"
    assert verdicts["concept:noise => label:striped"] == "not in data"
    table = imposed(run)
    assert table["imposed"][0] == "all of them"
    assert table.height == 7


def test_within_strata_nothing_is_left_of_what_they_explain(squares):
    found = rows(audit_here(squares / "strata", **asked(squares, **{"rules.strata": "red"})))
    assert found["left"]["null"] == found["left"]["truth"] == 1
    assert found["left"]["lift"] is None
    assert found["left"]["q_value"] == 1


def test_labels_of_their_own_have_the_posterior_over_all_assignments(squares, tmp_path):
    """Scores are r and 1/2 - r before the sigmoid; the rule ties both labels together."""
    file = tmp_path / "two.toml"
    file.write_text('[[rule]]\nrule = "label:red => label:striped"\n[[rule]]\nrule = "concept:red => label:red"\n')
    run = audit_here(tmp_path / "run", **asked(squares, **{"rules.file": str(file), "rules.scores": "sigmoid"}))
    scores = {(r["view"], NAMES[r["class"]]): r["score"] for r in schemas.scan_outputs(run).collect().to_dicts()}
    p = {key: 1 / (1 + np.exp(-score)) for key, score in scores.items()}
    both = rows(run)["label:red => label:striped"]
    assert both["truth"] == pytest.approx(
        np.mean([min(1, 1 - p[v, "red"] + p[v, "striped"]) for v in range(IMAGES)]), abs=1e-6
    )
    right = 0
    for view in range(IMAGES):
        states = [(red, striped) for red in (0, 1) for striped in (0, 1)]
        own = [
            (p[view, "red"] if red else 1 - p[view, "red"])
            * (p[view, "striped"] if striped else 1 - p[view, "striped"])
            for red, striped in states
        ]
        lost = [6.0 * (red > striped) + 6.0 * (view % 2 > red) for red, striped in states]
        q = naive.posterior(own, lost)
        right += (q[2] + q[3] >= 0.5) == view % 2
    whole = rows(run, "rule_posteriors")[None]
    assert whole["accuracy_q"] == pytest.approx(right / IMAGES), "only red is an attribute, striped is none"
    assert whole["views"] == IMAGES


#: Of the drawn sample: what parts and scenes belong to, and what they do not.
TRUE = [
    ("headlight", "car"), ("beak", "bird"), ("petal", "flower"), ("roof", "house"), ("saddle", "bicycle"), ("sail", "boat"),
    ("fin", "fish"), ("nose", "person"),
]  # fmt: skip
FALSE = [
    ("headlight", "fish"), ("beak", "car"), ("petal", "boat"), ("roof", "fish"), ("saddle", "flower"), ("sail", "person"),
    ("fin", "car"), ("nose", "bicycle"),
]  # fmt: skip


def test_true_and_false_rules_of_the_drawn_sample_are_told_apart(tmp_path):
    draw_sample(tmp_path / "sample", images=64, seed=0)
    lines = [f'[[rule]]\nrule = "concept:{one} => concept:{other}"' for one, other in TRUE + FALSE]
    (tmp_path / "rules.toml").write_text("\n".join(lines))
    settings = {"data": tmp_path / "sample", "models": [planted.entry("classifier")], "layers": "1", "methods": "rules"}
    run = audit_here(tmp_path / "run", **settings, **{"rules.file": str(tmp_path / "rules.toml")})
    found = {tuple(re.findall(r"concept:(\w+)", rule)): row for rule, row in rows(run).items()}
    assert {pair for pair, row in found.items() if row["q_value"] <= 0.05} == set(TRUE)
    assert all(found[pair]["lift"] == found[pair]["truth"] == 1 for pair in TRUE)
    assert max(found[pair]["lift"] for pair in FALSE) < 0.5


def test_a_run_keeps_its_rules_when_the_file_is_gone(squares, tmp_path):
    file = tmp_path / "rules.toml"
    file.write_text(FILE)
    config = load_config(out=tmp_path / "run", **asked(squares, **{"rules.file": str(file)}))
    file.unlink()
    again = load_config(**config.resolved())
    assert settings_of(again)["rules.file"] == settings_of(config)["rules.file"]
    assert [rule.text for rule in rules_of(settings_of(again)["rules.file"])][4] == "~label:crimson"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no [[rule]]"),
        ("rule = 3", "has no [[rule]]"),
        ("[[rule]]", "rule 1 of rules.toml has no rule"),
        ('[[rule]]\nrule = "label:a =>"', "at the end of 'label:a =>' (rule 1 of rules.toml)"),
        ('[[rule]]\nrule = "label:a"\nwight = 2', "'wight' too"),
        ('[[rule]]\nrule = "label:a"\nweight = 0', "has 0"),
        ('[[rule]]\nrule = "label:a"\nweight = true', "has True"),
        ('[[rule]]\nrule = "label:a"\nweight = nan', "has nan"),
        ('[[rule]]\nrule = "label:a"\nname = ""', "has ''"),
        ('other = 1\n[[rule]]\nrule = "label:a"', "'other' too"),
        ('[[rule]]\nrule = "label:a"\n[[rule]]\nrule = "label:a"', "rule 2 of rules.toml is called 'label:a' like"),
        ("[[rule", "TOMLDecodeError"),
    ],
)
def test_a_malformed_file_is_refused_with_what_is_wrong(text, says, tmp_path):
    (tmp_path / "rules.toml").write_text(text)
    with pytest.raises(ValueError, match=re.escape(says)):
        rule_rows(str(tmp_path / "rules.toml"))


@pytest.mark.parametrize("rows", [["a,1"], ["a,x,label:a"], ["a,1,label"], [1], 7, ["a,1,label:a", "a,1,label:b"]])
def test_malformed_rows_are_refused(rows):
    with pytest.raises(ValueError, match=r"rule|label"):
        rule_rows(rows)


def test_names_and_weights_survive_the_settings():
    stated = ['"a, b",0.1,"mean(label:a, ""x"")"'.replace('""x""', 'label:""x y""')]
    assert rule_rows(list(rule_rows(stated))) == rule_rows(stated)
    (rule,) = rules_of(rule_rows(stated))
    assert (rule.name, rule.weight, rule.formula) == ("a, b", 0.1, parse('mean(label:a, label:"x y")'))


@pytest.mark.parametrize(
    ("rule", "more", "says"),
    [
        (
            "label:rde",
            {},
            "label:rde of planted is 'rde', which is neither the name of a class nor an index from 0 to 3",
        ),
        ("label:9", {}, "index from 0 to 3"),
        ("label:red => label:1", {}, "by another name too"),
        ("concept:rde", {}, "no attribute and no annotated concept 'rde'"),
        ("label:red", {"rules.strata": "clas"}, "no attribute 'clas'"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_runs(rule, more, says, squares, tmp_path):
    (tmp_path / "rules.toml").write_text(f'[[rule]]\nrule = "{rule}"')
    with pytest.raises(InputError, match=re.escape(says)):
        audit_here(tmp_path / "run", **asked(squares, **{"rules.file": str(tmp_path / "rules.toml"), **more}))
    assert not (tmp_path / "run").exists()


def test_without_rules_there_is_nothing_to_do(squares, tmp_path):
    with pytest.raises(InputError, match=r"--rules\.file"):
        audit_here(tmp_path / "run", **asked(squares, **{"rules.file": ""}))
    with pytest.raises(InputError, match="a TOML file of rules"):
        load_config(out=tmp_path / "run", **asked(squares, **{"rules.file": str(tmp_path / "none.toml")}))
