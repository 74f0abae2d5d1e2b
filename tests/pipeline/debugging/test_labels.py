"""Labels that a person checks: asked in an order that tells nothing, kept, replayed, and refused row by row."""

import csv
import io

import pytest

from filterscope import schemas
from filterscope.jobs.config.debug import asked_of
from filterscope.jobs.config.train import asked_of as training_of
from filterscope.jobs.runs.debug import debug
from filterscope.jobs.runs.doctor import examine
from filterscope.jobs.runs.train import train
from filterscope.pipeline.datasets.attributes import import_attributes
from filterscope.pipeline.engine.errors import InputError
from tests.audits import audit_here
from tests.planted.tied import QUICK, write_tied

HOW = {"seeds": 1, "steps": 20, "batch": 32, "omega_views": 2, "edit_views": 0}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with a network that learned `smiling` of images of which 8 % have the wrong label, and its audit."""
    folder = tmp_path_factory.mktemp("wrong")
    import_attributes(write_tied(folder / "source", 400, 0.5, 3, wrong=0.08), folder / "data")
    write_tied(folder / "truth", 400, 0.5, 3, wrong=0)  # the same images
    train(training_of("plain", folder / "data", {**QUICK, "held_out": 0.3}, seeds=1), folder / "net", actors=0)
    model = {"source": f"trained:{folder}/net/plain-0", "name": "net"}
    few = {"influence.tests": 30, "influence.top": 60, "influence.checks": 2}
    audit_here(folder / "audit", data=folder / "data", models=[model], methods="influence,blind-spots", **few)
    return folder


def loop(place, *fixes, labels=None, redo=False, **more):
    return debug(asked_of(place / "audit", fixes, {**HOW, **more}), actors=0, labels=labels, redo=redo)


def asked(place, text):
    with pytest.raises(InputError, match=r"relabel:30 needs the labels of \d+ images.*fill in the column label of"):
        loop(place, text, find="label-errors")
    return list(csv.DictReader(io.StringIO((place / "audit" / "debug" / "relabel-30.csv").read_text())))


def written(path, rows):
    with path.open("w", newline="") as file:
        out = csv.DictWriter(file, list(rows[0]))
        out.writeheader()
        out.writerows(rows)
    return path


@pytest.mark.slow
def test_checked_labels_are_kept_and_replayed(place, tmp_path):
    rows = asked(place, "relabel:30")
    assert 30 <= len(rows) <= 60
    truth = dict(line.split(",") for line in (place / "truth" / "attributes.csv").read_text().split())
    for row in rows:
        row["label"] = truth[row["file"].rpartition("/")[2]]
    wrong = [dict(row) for row in rows]
    wrong[0]["label"], wrong[1]["view"], wrong[2]["file"] = "grin", "99999", "other.png"
    with pytest.raises(InputError) as refused:
        loop(place, "relabel:30", find="label-errors", labels=written(tmp_path / "wrong.csv", wrong))
    for said in ("row 2: the label 'grin' is no class", "row 3: '99999' is the number of no view", "row 4: view"):
        assert said in str(refused.value)
    assert schemas.scan_debug_labels(place / "audit").collect().height == 0
    assert loop(place, "relabel:30", find="label-errors", labels=written(tmp_path / "labels.csv", rows))
    assert schemas.scan_debug_labels(place / "audit").collect().height == len(rows)
    assert not loop(place, "relabel:30", find="label-errors")  # asked once
    assert not loop(place, "relabel:30", find="label-errors", labels=tmp_path / "labels.csv")  # given twice
    contradicting = [{**row, "label": "smile" if row["label"] == "frown" else "frown"} for row in rows[:1]]
    with pytest.raises(InputError, match=r"and '\w+' in labels.csv, row 2"):
        loop(place, "relabel:30", find="label-errors", labels=written(tmp_path / "more.csv", contradicting))
    chosen = schemas.scan_debug_choices(place / "audit").filter(step="relabel:30").collect()
    given = {int(row["view"]): row["given"] != row["label"] for row in rows}
    found = {arm: sum(given[view] for view in chosen.filter(arm=arm)["view"].to_list()) for arm in ("fix", "control")}
    assert found["fix"] > found["control"] + 5  # influence finds wrong labels, chance does not
    assert examine(place / "audit") == []


@pytest.mark.slow
@pytest.mark.parametrize(("choose", "looked"), [("least-confident", 10.0), ("loss", 60.0), ("influence", 10.0)])
def test_images_are_chosen_without_a_pair(choose, looked, place):
    assert loop(place, "collect:10", find="label-errors", choose=choose, redo=True)
    rows = schemas.scan_debug_steps(place / "audit").filter(step="collect:10", measure="accuracy").collect()
    assert rows["looked"].to_list() == [looked] * rows.height
    assert f"chosen by {choose}" in rows["what"][0]


@pytest.mark.slow
def test_fixes_of_pairs_are_refused_without_one(place):
    for fix in ("drop:2", "paste:2"):
        with pytest.raises(InputError, match="is for --find conflict"):
            loop(place, fix, find="label-errors")


@pytest.mark.slow
def test_a_blind_spot_is_collected_from_the_pool(tmp_path):
    for name, agree, seed in (("biased", 0.97, 1), ("natural", 0.5, 2)):
        import_attributes(write_tied(tmp_path / f"{name}-source", 400, agree, seed, wrong=0), tmp_path / name)
    train(training_of("plain", tmp_path / "biased", QUICK, seeds=1), tmp_path / "net", actors=0)
    model = {"source": f"trained:{tmp_path}/net/plain-0", "name": "net"}
    audit_here(tmp_path / "audit", data=tmp_path / "natural", models=[model], methods="blind-spots")
    with pytest.raises(InputError, match=r"are in the blind spot .*, fewer than 90"):
        loop(tmp_path, "collect:90")
    assert loop(tmp_path, "collect:10", seeds=2)
    rows = schemas.scan_debug_steps(tmp_path / "audit").filter(group="contradicts").collect()
    (hard,) = rows.iter_rows(named=True)
    assert hard["problem"].startswith("class ")
    assert hard["before"] < 0.5
    assert hard["after"] > hard["control"]
    said = schemas.scan_debug_found(tmp_path / "audit").collect()["text"]
    assert "is wrong most often" in said[0]
    assert "of the blind spot" in said[1]
