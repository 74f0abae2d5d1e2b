"""The loop on drawn faces whose curve and band are tied together: chosen images close the gap, and everything resumes."""

import hashlib
import shutil

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.jobs.cli.main import main
from filterscope.jobs.config.debug import asked_of
from filterscope.jobs.config.train import asked_of as training_of
from filterscope.jobs.findings.debug import print_debug
from filterscope.jobs.runs.debug import debug
from filterscope.jobs.runs.doctor import examine, repair
from filterscope.jobs.runs.train import train
from filterscope.pipeline.datasets.attributes import import_attributes
from filterscope.pipeline.debugging import mend
from filterscope.pipeline.debugging.findings import curves, found, verdict, verdicts
from filterscope.pipeline.debugging.material import material_of
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.model import open_model
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.training.fine_tune import Trained, fine_tune
from tests.audits import audit_here
from tests.planted.tied import QUICK, REGIONS, write_tied

HOW = {"seeds": 2, "steps": 20, "batch": 32, "omega_views": 40, "edit_views": 12}
FIXES = ("collect:20", "collect:60", "reweight", "paste:40", "drop:6", "last:60")
#: The problem, and where its trials lie.
PROBLEM = "dark, smiling"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with a biased network, the audit of it on natural images, and a copy of that audit."""
    folder = tmp_path_factory.mktemp("tied")
    for name, agree, seed in (("biased", 0.97, 1), ("natural", 0.5, 2)):
        import_attributes(write_tied(folder / f"{name}-source", 400, agree, seed), folder / name)
    train(training_of("plain", folder / "biased", QUICK, seeds=1), folder / "net", actors=0)
    (folder / "regions.csv").write_text(REGIONS)
    (folder / "pairs.csv").write_text("attribute,other,expected\nsmiling,dark,0\nsmiling,third,0\ndark,third,0\n")
    audit_here(folder / "audit", **settings(folder))
    shutil.copytree(folder / "audit", folder / "untouched")
    return folder


def settings(folder, **more):
    model = {"source": f"trained:{folder}/net/plain-0", "name": "net"}
    bias = {"bias.views": 60, "bias.control_views": 8, "bias.edit_views": 4, "bias.pictures": 0, "bias.edits": "mask"}
    files = {"bias.regions": str(folder / "regions.csv"), "bias.expected": str(folder / "pairs.csv")}
    return {"data": folder / "natural", "models": [model], "methods": "bias", "store": "none", **bias, **files, **more}


def loop(run, *fixes, redo=False, labels=None, **more):
    return debug(asked_of(run, fixes, {**HOW, **more}), actors=0, redo=redo, labels=labels)


@pytest.fixture(scope="module")
def mended(place):
    assert loop(place / "audit", *FIXES)
    return place / "audit"


@pytest.fixture
def copy(place, tmp_path):
    """Return an audit of which nothing was mended yet."""
    return shutil.copytree(place / "untouched", tmp_path / "audit")


def row(run, step, measure, label=None, group=None):
    rows = schemas.scan_debug_steps(run).filter(pl.col("step") == step, pl.col("measure") == measure).collect()
    rows = rows.filter(pl.col("label").eq_missing(label), pl.col("group").eq_missing(group))
    return rows.row(0, named=True)


def material(run):
    plan = RunFolder(run).plan()
    return material_of(plan, plan.models[0], 0.5)


def digests(run):
    files = [*(run / "networks").iterdir(), *(run / "debug").rglob("*.npz")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def test_chosen_images_mend_more_than_random_ones_and_these_more_than_nothing(mended):
    for step in ("collect:20", "collect:60"):
        hard = row(mended, step, "accuracy", "smiling", "contradicts")
        assert hard["after"] > hard["control"] > hard["before"]
        assert hard["gain_low"] > 0
        assert hard["low"] <= hard["after"] <= hard["high"]
        assert hard["gain"] == pytest.approx(hard["after"] - hard["control"])


def test_the_relation_outlives_the_gap(mended):
    omega = row(mended, "collect:60", "omega")
    assert omega["before"] > 0.7
    assert 0.5 < omega["after"] < omega["control"] < omega["before"]
    rows = {one["step"]: one for one in verdicts(mended).iter_rows(named=True)}
    assert "the representation is still biased: omega" in rows["collect:60"]["verdict"]


def test_pasting_mends_without_a_label_and_its_seams_do_not(mended):
    hard = row(mended, "paste:40", "accuracy", "smiling", "contradicts")
    assert (hard["cost"], hard["looked"]) == (0, 0.0)
    assert hard["after"] > 0.3
    assert hard["control"] < 0.1


def test_learning_all_groups_alike_mends_without_a_new_image(mended):
    hard = row(mended, "reweight", "accuracy", "smiling", "contradicts")
    assert hard["after"] > hard["control"] + 0.1
    assert hard["cost"] == 0


def test_numbers_are_those_of_the_networks_that_lie_there(mended):
    own = material(mended)
    views = own.measuring()
    pixels, target = own.new.images.take(views)[0], own.new.lesson.target[views]
    smiling, dark = own.names.index("smiling"), own.names.index("dark")
    hard = target[:, smiling] != target[:, dark]
    known = row(mended, "collect:20", "accuracy", "smiling", "contradicts")
    names = [known["network"].replace("-s0.", f"-s{seed}.") for seed in (0, 1)]
    right = [
        ((Trained.open(file).scores(pixels)[:, smiling] > 0) == target[:, smiling])
        for file in map(mended.joinpath, names)
    ]
    assert known["after"] == pytest.approx(np.mean([one[hard].mean() for one in right]), abs=1e-9)
    assert known["examples"] == hard.sum()
    groups = [(target[:, smiling] == a) & (target[:, dark] == b) for a in (0, 1) for b in (0, 1)]
    worst = [min(one[group].mean() for group in groups) for one in right]
    assert row(mended, "collect:20", "worst group", "smiling")["after"] == pytest.approx(np.mean(worst), abs=1e-9)
    before = (Trained.open(own.source).scores(pixels) > 0) == (target == 1)
    assert known["before"] == pytest.approx(before[hard, smiling].mean(), abs=1e-9)
    assert row(mended, "collect:20", "accuracy")["before"] == pytest.approx(before.mean(), abs=1e-6)


def test_context_counts_less_once_the_curve_is_learned(mended):
    share = row(mended, "collect:60", "context share", "smiling")
    assert share["before"] > 1  # the band takes more of the score than the curve
    assert share["after"] < 0.7 * share["before"]


def test_what_is_chosen_contradicts_in_equal_parts_and_never_measures(mended):
    own = material(mended)
    rows = schemas.scan_debug_choices(mended).filter(pl.col("step") == "collect:20").collect()
    groups = own.new.lesson.target[:, [own.names.index(name) for name in ("smiling", "dark")]]
    for (arm, _), part in rows.group_by("arm", "seed"):
        views = part["view"].to_numpy()
        assert len(set(views.tolist())) == 20
        assert set(views.tolist()) <= set(own.pool.tolist())
        counts = {pair: int((groups[views] == pair).all(axis=1).sum()) for pair in ((0, 1), (1, 0))}
        if arm == "fix":
            assert counts == {(0, 1): 10, (1, 0): 10}
        else:
            assert 2 < sum(counts.values()) < 18
    assert not set(own.pool.tolist()) & set(own.measured.tolist())
    looked = row(mended, "collect:20", "omega")["looked"]
    assert looked == pytest.approx(20 * len(own.pool) / (groups[own.pool, 0] != groups[own.pool, 1]).sum())


def test_dropped_units_are_silent_in_the_network_that_is_left(mended):
    rows = schemas.scan_debug_choices(mended).filter(step="drop:6", arm="fix", seed=0).collect()
    units, own = rows["unit"].to_numpy(), material(mended)
    trained = Trained.open(mended / row(mended, "drop:6", "omega")["network"])
    from filterscope.pipeline.debugging.measure import network_of

    (layer,) = {one["layer"] for one in schemas.scan_attribute_relations(mended).collect().iter_rows(named=True)}
    maps = network_of(trained, layer).exact(own.new.images.take(own.measured[:8])[0])[layer]
    assert not maps[:, units].any()
    assert maps.any()


def test_a_mended_network_opens_as_trained_and_is_another(mended):
    name = row(mended, "collect:20", "omega")["network"].removeprefix("networks/").removesuffix(".safetensors")
    model = open_model(ModelSpec(f"trained:{mended}/{name}"))
    assert model.weights_sha256 != material(mended).description.weights
    assert f"--model trained:{mended}/{name}" in print_debug(mended, "net")


def test_what_was_found_is_said_with_numbers(mended):
    said = "\n".join(found(mended)["found"])
    assert "dark and smiling are tied together at features" in said
    assert "0 is expected: failure_mode, divergence" in said
    assert "smiling: right on 0.0% of" in said


def test_a_curve_starts_at_the_network_as_it_was(mended):
    rows = curves(mended).filter(kind="collect", label="smiling")
    assert rows["labels paid"].to_list() == [0, 20, 60]
    assert (
        rows["after"][0]
        == rows["control"][0]
        == row(mended, "collect:20", "accuracy", "smiling", "contradicts")["before"]
    )
    assert rows["after"].is_sorted()


def test_a_loop_that_is_interrupted_at_any_trial_ends_in_the_same_bits(mended, copy, monkeypatch):
    for stop in (1, 2):
        calls = [0]

        def dies(*args, stop=stop, calls=calls, **more):
            calls[0] += 1
            if calls[0] == stop:
                raise KeyboardInterrupt
            return fine_tune(*args, **more)

        with monkeypatch.context() as patch:
            patch.setattr(mend, "fine_tune", dies)
            with pytest.raises(KeyboardInterrupt):
                loop(copy, "collect:20")
    assert loop(copy, "collect:20")
    whole = digests(mended)
    assert {name: whole[name] for name in digests(copy)} == digests(copy)
    then, now = (schemas.scan_debug_steps(run).filter(step="collect:20").collect() for run in (mended, copy))
    assert then.equals(now)
    assert not loop(copy, "collect:20")


def test_more_seeds_add_trials_and_other_updates_are_refused(copy):
    assert loop(copy, "collect:20", seeds=1)
    before = digests(copy)
    with pytest.raises(InputError, match=r"steps is 10 and was 20.*--redo"):
        loop(copy, "collect:20", seeds=1, steps=10)
    assert loop(copy, "collect:20", seeds=2)
    assert before.items() < digests(copy).items()
    assert row(copy, "collect:20", "omega")["seeds"] == 2
    assert loop(copy, "collect:20", seeds=1, steps=10, redo=True)
    assert row(copy, "collect:20", "omega")["seeds"] == 1


def test_doctor_knows_the_loop(copy, capsys):
    assert loop(copy, "collect:20", seeds=1)
    assert examine(copy) == []
    before, file = digests(copy), next((copy / "debug").rglob("*fix*.npz"))
    file.write_bytes(b"damaged")
    (copy / row(copy, "collect:20", "omega")["network"]).unlink()
    problems = examine(copy)
    assert {problem.path.suffix for problem in problems} == {".npz", ".safetensors"}
    repair(copy, problems)
    assert "`filterscope debug` are lost; give its command again" in capsys.readouterr().err
    assert loop(copy, "collect:20", seeds=1)
    assert digests(copy) == before
    assert examine(copy) == []


@pytest.mark.parametrize(
    ("fix", "more", "said"),
    [
        ("collect:150", {}, "images that contradict .*, fewer than 150"),
        ("last:300", {}, "images of a known group, fewer than 300"),
        ("collect:5", {"pair": "smiling,drak"}, "no attribute 'drak'. Did you mean 'dark'?"),
        ("collect:5", {"find": "blind-spot"}, "no finished blind-spots of net; audit it with --methods blind-spots"),
        ("collect:5", {"find": "label-errors", "pair": "smiling,dark"}, "--pair goes with --find conflict"),
        ("collect:5", {"choose": "cluster"}, "--choose cluster is for --find blind-spot; the problem is conflict"),
        (
            "collect:5",
            {"choose": "influence"},
            "helpful images are views of the audit|the pool .* has 0 images of influence",
        ),
        ("drop:500", {}, "has 128 units; drop fewer"),
        ("paste:399", {}, "show the region and agree on the pair, fewer than 399"),
        ("paste:5", {"pair": "dark,third"}, "needs the region where third is seen"),
        ("relabel:500", {}, "relabel:500: 380 training images are known to be suspicious"),
    ],
)
def test_what_cannot_be_done_is_said(place, fix, more, said):
    with pytest.raises(InputError, match=said):
        loop(place / "untouched", fix, **{"seeds": 1, **more})
    assert not list((place / "untouched").glob("ledger/debug*"))  # refused before anything is measured or trained


def test_a_network_from_elsewhere_is_refused(place, tmp_path):
    shutil.copy(place / "net" / "networks" / "plain-0.safetensors", tmp_path / "alone.safetensors")
    for source, said in (
        (f"trained:{tmp_path}/alone.safetensors", "it is not known what the network was trained on"),
        (f"trained:{place}/net/plain-0@random:0", "debug mends networks that `filterscope train` made"),
    ):
        out = tmp_path / said[:5]
        audit_here(out, **settings(place, models=[{"source": source, "name": "net"}], **{"bias.edit_views": 0}))
        with pytest.raises(InputError, match=said):
            loop(out, "collect:5")


def test_the_command_line_prints_each_measure_beside_its_control(mended, capsys):
    flags = [part for name, value in HOW.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    with pytest.raises(SystemExit) as ended:
        main(["debug", str(mended), "--fix", "collect:20,collect:60", *flags, "--actors", "0"])
    assert ended.value.code in (0, None)
    told = capsys.readouterr()
    assert "nothing to do: all trials are finished" in told.err
    for said in ("before", "after", "control", "omega", "still biased"):
        assert said in told.out
    with pytest.raises(SystemExit) as ended:
        main(["debug", str(mended), "--fix", "colect:20"])
    assert ended.value.code not in (0, None)
    assert "no such fix. Did you mean 'collect'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("gaps", "relations", "said"),
    [
        ((0.4, 0.1, 0.3), (0.9, 0.8), "closes the gap (0.40 to 0.10; control 0.30), more than the control; the rep"),
        (
            (0.4, 0.3, 0.2),
            (0.9, 0.1),
            "narrows the gap (0.40 to 0.30; control 0.20), no more than the control; omega falls",
        ),
        (
            (0.4, -0.9, 0.3),
            (0.9, -0.8),
            "does not close the gap (0.40 to -0.90; control 0.30), no more than the control; the",
        ),
        ((-0.1, 0.0, 0.0), (None, None), "there was no gap to close"),
        ((None, 0.1, 0.1), (None, None), "no group is known to be worse than others"),
    ],
)
def test_a_verdict_says_gap_control_and_relation(gaps, relations, said):
    names = ("before", "after", "control")
    found = verdict(dict(zip(names, gaps, strict=True)), dict(zip(names, (*relations, None), strict=True)))
    assert found.startswith(said)
