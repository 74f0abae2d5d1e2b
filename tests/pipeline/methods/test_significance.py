"""Significance end to end on planted filters: the same for any blocks and workers, and equal to its definition."""

import numpy as np
import polars as pl
import pytest

from filterscope import schemas
from filterscope.operators.numerics.seeds import seed_of
from filterscope.operators.statistics.permutation import Strata
from filterscope.pipeline.datasets.layout import Dataset, decode_mask
from filterscope.pipeline.methods.dissection import annotated
from filterscope.pipeline.methods.significance import null
from filterscope.pipeline.methods.significance.findings import headline, sentences
from filterscope.pipeline.methods.significance.null import FOLDS, PERMUTATIONS
from filterscope.pipeline.methods.significance.trust import STANDINGS
from filterscope.pipeline.methods.stages import Stages
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.schemas.significance import DEAD, SATURATED
from tests import naive, planted
from tests.audits import audit_here
from tests.planted import PLANTED

TABLES = {"unit_significance": ["model", "layer", "unit"], "layer_significance": ["model", "layer"]}
WHOLE = {"models": [PLANTED], "layers": "1", "min_images": 3, "metrics": "dissection,significance"}


def interleaved(name):
    """Return the group of an image by its number: of 1 to 5 images, not neighbours; every fifth image is its own."""
    number = int("".join(filter(str.isdigit, name)))
    return None if number % 5 == 0 else f"scene {number**2 % 11}"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("significance") / "data"
    planted.write_dataset(folder, images=24)
    # so that no half of the images has a unit above zero on more than this share
    return {"data": folder, "quantile": 0.1, **WHOLE}


@pytest.fixture(scope="module")
def run(audited, settings):
    return audited(**settings)


@pytest.mark.slow
@pytest.mark.parametrize("group_of", [None, interleaved], ids=["images", "groups"])
def test_significance_does_not_depend_on_blocks_or_workers(audited, tmp_path, group_of):
    """Groups cross the blocks of 5 images."""
    planted.write_dataset(tmp_path / "data", images=24, group_of=group_of)
    settings = {"data": tmp_path / "data", "quantile": 0.1, "min_groups": 3, **WHOLE}
    one = audit_here(tmp_path / "one", **settings)
    assert schemas.scan_unit_significance(one).select(pl.col("significant").any()).collect().item()
    for number, cut in enumerate(
        ({"image_block": 5, "unit_block": 2, "actors": 1}, {"image_block": 1, "unit_block": 1})
    ):
        run = audited if "actors" in cut else audit_here
        other = run(out=tmp_path / f"other-{number}", **settings, **cut)
        for name, keys in TABLES.items():
            frame = schemas.scan(one, name).sort(keys).collect()
            assert frame.height > 0
            assert frame.equals(schemas.scan(other, name).sort(keys).collect()), name


def test_planted_filters_are_significant_and_replicate(run):
    units = schemas.scan_unit_significance(run).sort("unit").collect()
    assert units["significant"].to_list() == [True, True, False]
    assert units["label_replicates"].to_list() == [True, True, False]
    assert units["q_value"][2] is None  # dead
    assert (units["p_place"][:2] < 0.05).all()
    row = headline(run).row(0, named=True)
    assert row["over 0.04"] == 2
    assert [row[name] for name in STANDINGS[:-1]] == [2, 0, 0, 0]


def test_what_is_expected_by_chance_is_counted_over_the_permutations(run):
    """Units 0 and 1 live."""
    stored = np.load(next((run / "null" / "planted" / "1").glob("*.npz")))
    over, again = (stored["null"][:, :2] > 0.04).sum(axis=1), stored["null_replicates"][:, :2].sum(axis=1)
    row = schemas.scan_layer_significance(run).collect().row(0, named=True)
    for counts, mean, least, most in (
        (over, "expected_by_chance", "least_by_chance", "most_by_chance"),
        (again, "replicating_by_chance", "replicating_least_by_chance", "replicating_most_by_chance"),
    ):
        assert row[mean] == pytest.approx(sum(counts.tolist()) / PERMUTATIONS)
        assert row[f"{mean}_sd"] == pytest.approx(np.sqrt(((counts - row[mean]) ** 2).sum() / PERMUTATIONS))
        assert (row[least], row[most]) == (counts.min(), counts.max())


def judged(data, run, layer, units, *, shape, quantile, fewest):
    """Return units as the slow twins judge them, from the stored maps, and the strata that permutations stay within."""
    dataset = Dataset(data)
    images = dataset.images.select(["group", "sha256"]).to_pylist()
    count = len(images)
    order = dataset.concepts["category"].to_pylist()
    category = [sorted(set(order)).index(name) for name in order]
    labels = [{} for _ in range(count)]
    for row in dataset.segments(0, count):
        mask = naive.dissection.sample_mask(decode_mask(row["mask"], planted.SIZE, planted.SIZE), *shape)
        if mask.any():
            labels[row["image"]][row["concept"] - 1] = mask
    ignored = [{} for _ in range(count)]
    for row in dataset.ignored_regions(0, count):
        native = (
            np.ones((planted.SIZE, planted.SIZE), bool)
            if row["mask"] is None
            else decode_mask(row["mask"], *[planted.SIZE] * 2)
        )
        mask, here = naive.dissection.sample_mask(native, *shape), ignored[row["image"]]
        for concept, own in enumerate(order):
            if concept + 1 == row["concept"] or own == row["category"]:
                here[concept] = here.get(concept, np.zeros_like(mask)) | mask
    names = [row["group"] or f"image {number}" for number, row in enumerate(images)]
    group = [names.index(name) for name in names]
    shown = [{c for c, m in own.items() if (m & ~ignored[i].get(c, False)).any()} for i, own in enumerate(labels)]
    held = [{group[image] for image in range(count) if concept in shown[image]} for concept in range(len(order))]
    eligible = [concept for concept, groups in enumerate(held) if len(groups) >= fewest]
    keys = [f"{seed_of(dataset.identity, 'fold', row['group'] or row['sha256']):032x}" for row in images]
    fold = [sorted(set(keys)).index(key) % FOLDS for key in keys]
    kinds = np.array([[number in {category[c] for c in image} for number in sorted(set(category))] for image in labels])
    strata = Strata(np.arange(count), np.array(group), kinds)
    maps = ActivationStore(run, "planted", layer).read(0, count, slice(0, max(units) + 1))
    about = {"folds": FOLDS, "quantile": quantile, "shape": shape, "ignored": ignored}
    return {
        unit: naive.statistics.Judged(maps[:, unit], labels, category, eligible, group, fold, **about) for unit in units
    }, strata


@pytest.mark.parametrize(("group_of", "ignore"), [(None, 0), (interleaved, 0), (interleaved, 0.3), (None, 0.8)])
def test_all_that_the_null_holds_is_the_definition_on_stored_activations(tmp_path, group_of, ignore):
    planted.write_shapes(tmp_path / "data", images=29, seed=3, group_of=group_of, ignore=ignore)
    settings = {
        "models": [planted.entry("filters")],
        "layers": "1",
        "quantile": 0.04,
        "image_block": 7,
        "min_images": 2,
    }
    run = audit_here(
        tmp_path / "run", data=tmp_path / "data", metrics="dissection,significance", min_groups=2, **settings
    )
    stored = dict(np.load(next((run / "null" / "planted" / "1").glob("*.npz"))))
    assert stored["null"].shape == (PERMUTATIONS, 48)
    units = sorted({*range(0, 48, 6), *np.flatnonzero(np.isnan(stored["iou_heldout"]))[:2].tolist()})
    twins, strata = judged(tmp_path / "data", run, "1", units, shape=(16, 16), quantile=0.04, fewest=2)
    np.testing.assert_array_equal(stored["share"], [share for *_, share in twins[0].left_out()])
    seen = set()
    for unit, twin in twins.items():
        for name, expected in twin.findings().items():
            np.testing.assert_array_equal(stored[name][..., unit], expected, err_msg=f"{name} of unit {unit}")
        for draw in range(0, 50, 1 if ignore > 0.5 else 7):
            givers = strata.permuted(seed_of(Dataset(tmp_path / "data").identity, "permutation", draw)).tolist()
            assert stored["null"][draw, unit] == twin.choice(twin.all, givers)[1]
            assert stored["null_replicates"][draw, unit] == twin.halves(givers)[1]
            seen.add(bool(stored["null_replicates"][draw, unit]))
        seen |= {("agree", bool(stored["halves_agree"][unit])), ("again", bool(stored["replicates"][unit]))}
        seen.add(("heldout", bool(np.isnan(stored["iou_heldout"][unit]))))
    # units of all kinds are among them
    assert ignore or seen == {
        True,
        False,
        *((name, value) for name in ("agree", "again", "heldout") for value in (True, False)),
    }


def test_folds_without_groups_say_nothing(tmp_path):
    """Five groups, so that three of the eight folds are empty: what is left of them is all images."""
    planted.write_dataset(tmp_path / "data", images=24, group_of=lambda name: f"scene {int(name[8:-4]) % 5}")
    run = audit_here(tmp_path / "run", data=tmp_path / "data", quantile=0.1, min_groups=2, **WHOLE)
    stored = np.load(next((run / "null" / "planted" / "1").glob("*.npz")))
    assert sorted(stored["share"].tolist()) == pytest.approx([0, 0, 0, 0.2, 0.2, 0.2, 0.2, 0.2])
    units = schemas.scan_unit_significance(run).sort("unit").collect()
    assert units["folds_agree"].to_list() == [5, 5, 0]
    assert units["iou_heldout"].is_null().to_list() == [False, False, True]


def test_a_concept_in_too_few_groups_labels_no_unit(tmp_path):
    """Red squares are in 8 images of two scenes, stripes and grey in all scenes."""
    planted.write_dataset(
        tmp_path / "data",
        images=24,
        group_of=lambda name: f"scene {int(name[8:-4]) % 6 if int(name[8:-4]) % 3 == 0 else name}",
    )
    run = audit_here(tmp_path / "run", data=tmp_path / "data", quantile=0.1, min_groups=3, **WHOLE)
    concepts = {row["concept"]: row for row in schemas.scan_concepts(run).collect().to_dicts()}
    assert {name: row["images"] for name, row in concepts.items()} == {"red": 8, "striped": 8, "grey": 24}
    assert {name: row["groups"] for name, row in concepts.items()} == {"red": 2, "striped": 8, "grey": 18}
    assert {name: row["eligible"] for name, row in concepts.items()} == {"red": False, "striped": True, "grey": True}
    assert concepts["red"]["note"] == "in fewer than 3 groups of images"
    assert concepts["grey"]["note"] is None
    assert "red" not in schemas.scan_units(run).collect()["concept"].to_list()
    (row,) = schemas.scan_layer_significance(run).collect().to_dicts()
    assert {entry["category"]: entry["concepts"] for entry in row["eligible"]} == {"texture": 1, "color": 1}


@pytest.mark.parametrize(("fewest", "told"), [(3, True), (2, False)])
def test_data_of_too_few_groups_are_told_before_the_work(tmp_path, capsys, fewest, told):
    planted.write_dataset(tmp_path / "two", group_of=lambda name: str(int(name[8:-4]) % 2))
    audit_here(tmp_path / "run", data=tmp_path / "two", quantile=0.1, min_groups=fewest, **WHOLE)
    said = capsys.readouterr()
    assert ("the images are in 2 groups, and a concept must be in 3" in said.out + said.err) == told


@pytest.mark.parametrize(
    ("fewest", "group_of", "note"),
    [
        ({"min_groups": 100}, interleaved, "in fewer than 100 groups of images"),
        ({}, lambda name: "one video", "in fewer than 10 groups of images"),
    ],
    ids=["groups", "one group"],
)
def test_a_run_without_any_eligible_concept_says_why_there_is_no_label(tmp_path, fewest, group_of, note):
    planted.write_dataset(tmp_path / "data", images=24, group_of=group_of)
    run = audit_here(tmp_path / "run", data=tmp_path / "data", quantile=0.1, **{**WHOLE, **fewest})
    assert schemas.scan_concepts(run).collect()["note"].unique().to_list() == [note]
    assert schemas.scan_units(run).collect()["concept"].null_count() == 3
    units = schemas.scan_unit_significance(run).sort("unit").collect()
    for name in ("expected_iou", "interval_low", "interval_high", "iou_heldout", "p_place"):
        assert units[name].null_count() == 3, name
    assert not units.select(pl.any_horizontal("significant", "label_replicates", "halves_agree").any()).item()
    assert units["folds_agree"].to_list() == [0, 0, 0]
    (said,) = sentences(run)
    assert said.endswith(
        "no concept is in enough images, or groups of images, to label a unit: there is no label to trust"
    )


def test_dead_and_saturated_units_say_why_they_have_no_q(tmp_path):
    """Unit 0 is 1 on 3 % of the pixels and 0 elsewhere, so that T is its maximum; unit 1 fires on half as many."""
    planted.write_dataset(tmp_path / "data", images=24)
    run = audit_here(tmp_path / "run", data=tmp_path / "data", quantile=0.02, **WHOLE)
    units = schemas.scan_unit_significance(run).sort("unit").collect()
    status = schemas.scan_units(run).sort("unit").collect()["status"].to_list()
    assert status == ["saturated", "live", "dead"]
    assert units["note"].to_list() == [SATURATED, None, DEAD]
    assert units["q_value"].is_null().to_list() == [True, False, True]
    assert units["expected_iou"].is_null().to_list() == [True, False, True]


def test_units_are_named_in_both_tables(run):
    assert schemas.scan_unit_significance(run).select(pl.len()).collect().item() == 3


def test_the_null_does_not_depend_on_how_it_is_computed(run, tmp_path, monkeypatch):
    """Training parts drawn one by one, as for the survey's masks, not found from T; maps read again, not kept."""
    [stage] = [stage for stage in Stages(RunFolder(run).plan()).all() if stage.name == "null"]
    [work] = stage.group(stage.keys)
    found = np.load(null.null_path(run, work.task.key.place))
    monkeypatch.setattr(annotated.AnnotatedBlock, "axes", None)
    monkeypatch.setattr(annotated, "_KEPT", 0)
    monkeypatch.setattr(null, "null_path", lambda run, place: tmp_path / "null.npz")
    null.find_null(work.task)
    again = np.load(tmp_path / "null.npz")
    assert set(found) == set(again)
    for name in found:
        np.testing.assert_array_equal(found[name], again[name], name)
    assert found["training_iou"].any()
    assert found["sums"].any()
