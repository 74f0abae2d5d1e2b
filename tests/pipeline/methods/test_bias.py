"""Relations, conflicts and edits in whole runs: what is planted is found, and a linear head has the cosines of its weights."""

import re

import numpy as np
import polars as pl
import pytest
from PIL import Image

from filterscope import schemas
from filterscope.jobs.config.audit import load_config, settings_of
from filterscope.pipeline.datasets.layout import DatasetWriter
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.bias.findings import against, between_models, of_context
from filterscope.pipeline.methods.bias.tables import expected_rows, pairs_of_rows, region_rows, regions_of_rows
from tests import planted
from tests.audits import audit_here
from tests.planted import portraits

NAMES = ("red", "very red", "crimson", "striped")
#: Of `planted.classifier`.
WEIGHTS = np.array([[1.0, 0, 0], [2, 0, 0], [2, 0, 0], [-1, 4, 0]])


def write_squares(folder, images=16):
    """Write images half of which hold a red square at the left; each says so, and holds a white one at the right."""
    with DatasetWriter(folder, source={"reader": "test"}) as out:
        left, right = out.concept("left", "part"), out.concept("right", "part")
        for number in range(images):
            pixels = np.full((planted.SIZE, planted.SIZE, 3), 120, np.uint8)
            pixels[4:12, 4:12] = (255, 0, 0) if number % 2 else 120
            pixels[20:28, 20:28] = 255
            Image.fromarray(pixels).save(folder.parent / f"s{number}.png")
            image = out.image(folder.parent / f"s{number}.png", name=f"s{number}.png")
            for concept, start in ((left, 4), (right, 20)):
                mask = np.zeros((planted.SIZE, planted.SIZE), bool)
                mask[start : start + 8, start : start + 8] = True
                out.segment(image, concept, mask)
            for name in NAMES[:3]:
                out.attribute(image, name, str(number % 2))
            out.attribute(image, "striped", str(number // 2 % 2))


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squares")
    write_squares(folder / "data")
    portraits.write_names(folder / "names.csv", NAMES)
    return folder


def asked(squares, **more):
    model = {**planted.entry("classifier"), "classes": str(squares / "names.csv")}
    return {"data": squares / "data", "models": [model], "layers": "1", "methods": "bias", "image_block": 5, **more}


@pytest.fixture(scope="module")
def run(squares):
    pairs = squares / "pairs.csv"
    pairs.write_text("attribute,other,expected\nred,very red,0\nstriped,red,+\ncrimson,very red,+\n")
    regions = squares / "regions.csv"
    regions.write_text(
        "region,x0,y0,x1,y1,own\nleft,,,,,red;crimson;very red\n"
        "right,,,,,\nall of it,0,0,1,1,\ncorner,0.7,0,1,0.3,striped\n"
    )
    more = {
        "bias.expected": str(pairs),
        "bias.regions": str(regions),
        "bias.edits": "grey,mask,paste",
        "bias.pictures": 3,
    }
    return audit_here(squares / "run", **asked(squares, **more))


def relations(run, **only):
    return schemas.scan_attribute_relations(run).filter(**only).collect().sort("model", "layer", "attribute", "other")


def test_a_linear_head_has_the_cosines_of_its_weights(run):
    rows = {frozenset((a, b)): v for a, b, v in relations(run).select("attribute", "other", "unmasked").iter_rows()}
    exact = WEIGHTS / np.linalg.norm(WEIGHTS, axis=1, keepdims=True)
    for i, one in enumerate(NAMES):
        for j in range(i + 1, 4):
            assert rows[frozenset((one, NAMES[j]))] == pytest.approx(exact[i] @ exact[j], abs=1e-6)


def test_relations_stand_beside_what_the_labels_say(run):
    rows = relations(run)
    assert rows.height == 6
    same = rows.filter(attribute="red", other="very red").row(0, named=True)
    assert same["mean"] == pytest.approx(1, abs=1e-6)
    assert same["views"] == 8, "only what is red has evidence of red"
    assert same["data_correlation"] == pytest.approx(1)
    assert same["data_information"] == pytest.approx(1)
    assert same["data_images"] == 16
    striped = rows.filter(attribute="red", other="striped").row(0, named=True)
    assert striped["data_correlation"] == pytest.approx(0)
    assert sorted(rows["rank"]) == list(range(1, 7))


def test_conflicts_are_told_with_their_divergence(run):
    rows = relations(run).filter(pl.col("expected").is_not_null())
    kinds = {(r["attribute"], r["other"]): (r["expected"], r["kind"]) for r in rows.to_dicts()}
    assert kinds == {
        ("red", "very red"): ("0", "failure_mode"),
        ("red", "striped"): ("+", "failure_mode"),
        ("very red", "crimson"): ("+", "agrees"),
    }
    told = against(run)
    assert told["divergence"].is_sorted(descending=True)
    assert told.height == 2


def test_patterns_are_drawn_on_one_scale_for_each_attribute(run):
    rows = schemas.scan_attribute_patterns(run).collect()
    assert rows.height == 3 * len(NAMES)
    assert rows.group_by("attribute").agg(pl.col("scale").n_unique())["scale"].to_list() == [1] * 4
    for row in rows.to_dicts():
        values = np.array(row["map"]).reshape(row["height"], row["width"])
        if row["attribute"] in NAMES[:3]:
            assert values.sum() == pytest.approx(row["score"], abs=1e-5), "of a linear head all evidence is the score"
            assert (values[:, 16:] == 0).all()
    scale = dict(rows.select("attribute", "scale").iter_rows())
    assert scale["crimson"] == pytest.approx(2 * scale["red"], rel=0.02)


def test_an_edit_takes_the_score_where_the_evidence_is_and_nothing_elsewhere(run):
    rows = schemas.scan_region_edits(run).collect()
    assert set(rows["region"]) == {"left", "right", "corner"}, "there is nothing outside the whole view to compare with"
    red = {(r["region"], r["edit"]): r for r in rows.filter(attribute="red").to_dicts()}
    for edit, control in (("grey", None), ("paste", 0.0)):
        left = red["left", edit]
        assert left["share_lost"] == pytest.approx(1, abs=0.03 if edit == "grey" else 0.35)
        assert left["role"] == "own"
        if control is not None:
            assert left["control"] == pytest.approx(control, abs=1e-6)
            assert left["effect"] == pytest.approx(left["share_lost"], abs=1e-6)
        assert red["right", edit]["share_lost"] == pytest.approx(0, abs=1e-6)
    assert red["left", "mask"]["share_lost"] == pytest.approx(0, abs=1e-6), "the mean colour of red is red"
    assert red["corner", "grey"]["role"] == "context"
    assert red["right", "grey"]["role"] is None
    assert all(row["views"] == 8 and row["labelled"] for row in red.values())
    assert not rows.filter(attribute="striped").height, "the network finds it nowhere, or nowhere it is said to be"
    share = of_context(run).filter(attribute="red", edit="grey").row(0, named=True)
    assert share["context share"] == pytest.approx(0, abs=0.01)


def test_rows_stay_where_the_files_are_gone(squares, tmp_path):
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("red,crimson,-\n")
    config = load_config(out=tmp_path / "run", **asked(squares, **{"bias.expected": str(pairs)}))
    pairs.unlink()
    again = load_config(**config.resolved())
    assert settings_of(again)["bias.expected"] == settings_of(config)["bias.expected"] == ("red,crimson,-",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("red,crimson\n", "attribute,other,expected in every row; pairs.csv line 1 is 'red,crimson'"),
        ("attribute,other,expected\nred,crimson,+\nred,striped,yes\n", "pairs.csv line 3 is 'red,striped,yes'"),
        ("red,red,+\n", "pairs.csv line 1 names 'red' twice"),
        ("red,crimson,+\ncrimson,red,-\n", "pairs.csv line 2 says - of 'crimson' and 'red', an earlier row differs"),
        ("", "pairs.csv has no row"),
        (None, "FileNotFoundError"),
    ],
)
def test_bad_expectations_are_refused_with_line_and_words(text, said, squares, tmp_path):
    if text is not None:
        (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(InputError, match=r"bias\.expected") as refusal:
        load_config(out=tmp_path / "run", **asked(squares, **{"bias.expected": str(tmp_path / "pairs.csv")}))
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("eye,0.1,0.2,0.3\n", "four numbers as the box of a region, or none; regions.csv line 1"),
        ("eye,0.1,0.2,45,0.3,\n", "0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1; regions.csv line 1"),
        ("region,x0,y0,x1,y1,own\neye,,,,,\neye,0,0,1,1,\n", "regions.csv line 3 names 'eye' again"),
        ("eye,0,0,1,1,red,more\n", "region,x0,y0,x1,y1,own in every row"),
    ],
)
def test_bad_regions_are_refused_with_line_and_words(text, said, squares, tmp_path):
    (tmp_path / "regions.csv").write_text(text)
    with pytest.raises(InputError, match=r"bias\.regions") as refusal:
        load_config(out=tmp_path / "run", **asked(squares, **{"bias.regions": str(tmp_path / "regions.csv")}))
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"bias.expected": ["red,crimsom,+"]},
            "--bias.expected: planted has no output 'crimsom'. Did you mean 'crimson'?",
        ),
        ({"bias.attributes": "red,blue"}, "--bias.attributes: planted has no output 'blue'"),
        ({"bias.attributes": "red"}, "a relation needs two"),
        ({"bias.regions": ["left,,,,,reed"]}, "--bias.regions: planted has no output 'reed'"),
        ({"bias.regions": ["nose,,,,,"]}, "--bias.regions nose: "),
        ({"bias.layer": "7"}, "--bias.layer 7: this layer of planted is not audited"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_runs(more, said, squares, tmp_path):
    with pytest.raises(InputError, match=re.escape(said)):
        audit_here(tmp_path / "run", **asked(squares, **more))
    assert not (tmp_path / "run").exists()


def test_what_a_spreadsheet_makes_of_signs_is_understood():
    rows = expected_rows(["a,b,+1", "c,d,1", "e,f,-1", "g,h,\u2212", '"i,j",k,0'])
    assert [pair.expected for pair in pairs_of_rows(rows)] == [1, 1, -1, -1, 0]
    assert pairs_of_rows(rows)[-1].attribute == "i,j"
    (region,) = regions_of_rows(region_rows(["eye, 0.1,0.2,0.3,0.4, a; b"]))
    assert region.box == (0.1, 0.2, 0.3, 0.4)
    assert region.own == {"a", "b"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_planted_pairs_are_first_and_only_the_biased_network_looks_for_smiles_at_the_hair(seed, tmp_path):
    """Portraits whose paired attributes always go together, and portraits where they do so by chance."""
    from safetensors.torch import save_file

    portraits.write_portraits(tmp_path / "data", 300 + seed, 80, 0.5)
    names, models = portraits.write_names(tmp_path / "names.csv"), []
    for name, cooccurrence in (("biased", 1.0), ("control", 0.5)):
        weights = portraits.trained(*portraits.portraits(100 + seed, 240, cooccurrence), seed)
        save_file(weights, tmp_path / f"{name}.safetensors")
        models.append(portraits.entry(name, tmp_path / f"{name}.safetensors", names))
    pairs = [f"{a},{b},0" for n, a in enumerate(portraits.ATTRIBUTES) for b in portraits.ATTRIBUTES[n + 1 :]]
    boxes = {"hair": portraits.HAIR, "mouth": portraits.MOUTH}
    regions = [f"{name},{','.join(map(str, box))}," for name, box in boxes.items()]
    more = {"bias.expected": pairs, "bias.regions": regions, "bias.control_views": 16}
    run = audit_here(tmp_path / "run", data=tmp_path / "data", models=models, layers="8", methods="bias", **more)
    wanted = {
        frozenset(pair) for pair in (portraits.ATTRIBUTES[0:2], portraits.ATTRIBUTES[2:4], portraits.ATTRIBUTES[4:6])
    }

    def pairs_of(frame):
        return {frozenset(pair) for pair in frame.select("attribute", "other").head(3).iter_rows()}

    assert pairs_of(between_models(run)) == wanted
    biased = relations(run, model="biased").sort("divergence", descending=True)
    assert pairs_of(biased) == wanted
    assert set(biased["kind"].head(3)) == {"failure_mode"}
    assert biased["random"].head(3).abs().max() < 0.6 < biased["mean"].head(3).min()
    edits = schemas.scan_region_edits(run).filter(attribute="smiling", region="hair", edit="paste").collect()
    effect = dict(edits.select("model", "effect").iter_rows())
    assert effect["biased"] > 0.25
    assert abs(effect["control"]) < 0.15
