"""A drawn zoo: one measure rises with accuracy by construction, another does not; the table, the page and the words say so."""

import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from filterscope.jobs.cli.main import main
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.comparison.facts import Facts
from filterscope.pipeline.methods.comparison.zoo import correlations, zoo
from filterscope.pipeline.run.folder import RunFolder
from filterscope.pipeline.stores.tables import write_table
from filterscope.schemas.results import TABLES
from tests.audits import audit_here, unpromised
from tests.jobs.report.pages import Page, written_here
from tests.planted import PLANTED, write_dataset

MODELS, UNITS, VIEWS = 8, 3, 20


def rows_of(table, **values):
    """Return one row of a table; what is not given is null, or 0, false or nothing where it must be there."""
    plain = {pa.int64(): 0, pa.int32(): 0, pa.float64(): 0.0, pa.float32(): 0.0, pa.bool_(): False}
    schema = TABLES[table]
    empty = {field.name: None if field.nullable else plain.get(field.type, []) for field in schema}
    return pa.Table.from_pylist([{**empty, **values}], schema=schema)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A run of checkpoints of which the n-th is right on n of 20 views: detectors rise with n, significant units do not."""
    place = tmp_path_factory.mktemp("drawn")
    write_dataset(place / "data", images=12, seed=0, names=("red", "grey", "striped"))
    names = [f"net-epoch{10 * n:03d}" for n in range(1, MODELS + 1)]
    models = [{**PLANTED, "name": name} for name in names]
    run = unpromised(
        audit_here(place / "run", data=place / "data", models=models, layers="0,1", quantile=0.05, min_images=3)
    )
    aside = (4, 7, 1, 6, 5, 2, 8, 3)  # its rank correlation with 1 to 8 is 0
    for n, name in enumerate(names, start=1):
        for layer, more in (("0", 0), ("1", 100)):
            found = {
                "over_cutoff": more + n,
                "expected_by_chance": 0.5,
                "significant": int(aside[n - 1]),
                "live": UNITS,
            }
            held = rows_of("layer_significance", model=name, layer=layer, **found)
            write_table(run, "layer_significance", (name, layer, "layer"), [held])
        outputs = [
            rows_of("outputs", model=name, image=view, view=view, rank=int(view >= n), true=True, **{"class": view % 2})
            for view in range(VIEWS)
        ]
        write_table(run, "outputs", (name, "views"), outputs)
        classes = [rows_of("classes", model=name, index=index, name=str(index)) for index in range(2)]
        write_table(run, "classes", (name, "all"), classes)
    return run


@pytest.fixture
def facts(tmp_path):
    path = tmp_path / "timm.csv"
    rows = [f"net-epoch{10 * n:03d},{50 + n},{2000 + n % 3},drawn,11.7" for n in range(1, MODELS)]
    path.write_text("\n".join(["model,top1,year,training_data,param_count", *rows]))
    return path


def pair(found, measure, against):
    return found.correlations.filter(measure=measure, against=against).row(0, named=True)


def test_the_table_has_a_row_for_each_model_layer_and_measure_with_its_control(drawn, facts):
    found = zoo([drawn], facts)
    assert set(found.table["measure"]) == {"accuracy", "detectors", "detector share", "significant", "unique concepts"}
    mine = found.table.filter(model="net-epoch030").sort("measure", "layer", nulls_last=True)
    assert mine.filter(measure="detectors").select("layer", "depth", "compared", "value", "control").rows() == [
        ("0", 0.0, False, 3.0, 0.5), ("1", 1.0, True, 103.0, 0.5),
    ]  # fmt: skip
    assert mine.filter(measure="accuracy").select("layer", "value", "control").rows() == [(None, 3 / 20, 0.5)]
    stated = mine.drop("layer", "depth", "compared", "measure", "value", "control").unique().row(0, named=True)
    planned = RunFolder(drawn).plan().models[0]
    assert stated == {
        "model": "net-epoch030", "architecture": planned.architecture, "training": f"{planned.architecture} net",
        "epoch": 30.0, "parameters": planned.parameters, "year": 2000.0, "training_data": "drawn", "published_top1": 53.0,
        "accuracy": 3 / 20, "constant": 0.5,
    }  # fmt: skip
    assert mine.filter(measure="significant", layer="1").select(
        pl.col("control") / pl.col("value")
    ).item() == pytest.approx(0.05)
    assert found.unknown == ["net-epoch080"]
    assert (
        found.table.filter(model="net-epoch080")["published_top1"].null_count()
        == found.table.filter(model="net-epoch080").height
    )


def test_what_rises_with_accuracy_by_construction_does_and_what_does_not_does_not(drawn, facts):
    found = zoo([drawn], facts)
    for against, models in (("accuracy", MODELS), ("published_top1", MODELS - 1), ("epoch", MODELS)):
        rising, aside = pair(found, "detectors", against), pair(found, "significant", against)
        assert (rising["models"], rising["rho"]) == (models, pytest.approx(1))
        assert rising["low"] > rising["chance_high"]
        assert rising["q"] < 0.01
        assert aside["chance_low"] < aside["rho"] < aside["chance_high"]
        assert aside["low"] < 0 < aside["high"]
        assert aside["q"] > 0.2
    assert pair(found, "detectors", "depth")["rho"] == pytest.approx(1)  # 100 more in the second layer of each
    assert pair(found, "detectors", "epoch")["among"].endswith("net")
    assert pair(found, "detectors", "parameters")["rho"] is None  # all are the same network
    assert pair(found, "detectors", "parameters")["p"] == 1


def test_a_measure_without_a_control_is_in_the_table_and_nowhere_else(drawn, tmp_path, capsys):
    bare = tmp_path / "bare"
    shutil.copytree(drawn, bare)
    shutil.rmtree(bare / "tables" / "layer_significance")
    found = zoo([bare])
    assert set(found.table["measure"]) == {"accuracy", "detectors", "detector share", "unique concepts"}
    assert set(found.correlations["measure"]) == {"accuracy"}
    call(["compare", str(bare), "--zoo", "none", "--out", str(tmp_path / "out")])
    assert "not compared with chance, so not shown: detector share, detectors, unique concepts" in " ".join(
        capsys.readouterr().out.split()
    )
    page = Page(tmp_path / "out" / "index.html")
    assert {row[0] for row in page.sections["correlations"][1:]} == {"accuracy"}


def test_page_and_terminal_show_the_correlations_with_interval_and_permuted_models(drawn, facts, tmp_path, capsys):
    call(["compare", str(drawn), "--zoo", str(facts), "--out", str(tmp_path / "out")])
    told, found = " ".join(capsys.readouterr().out.split()), zoo([drawn], facts)
    assert "1 not in the CSV: net-epoch080" in told
    page = Page(tmp_path / "out" / "index.html")
    listed = {(row[0], row[1].split()[0]): row[2:] for row in page.sections["correlations"][1:]}
    assert len(listed) == found.correlations.height
    row = pair(found, "significant", "accuracy")
    texts = [f"{row[name]:.2f}" for name in ("rho", "low", "high", "chance_low", "chance_high")]
    assert listed["significant", "accuracy"][:6] == [str(MODELS), *texts]
    figures = [attributes.get("aria-label") or "" for tag, attributes in page.tags if tag == "svg"]
    assert any(said.startswith("detectors: epoch (log) 10, 20, 30,") and "control 0.500" in said for said in figures)
    assert {"across", "checkpoints", "depth"} <= set(page.sections)
    assert pl.read_parquet(tmp_path / "out" / "zoo.parquet").equals(found.table)
    assert pl.read_parquet(tmp_path / "out" / "zoo_correlations.parquet").equals(found.correlations)
    assert zoo([drawn], facts).correlations.equals(found.correlations)


@pytest.mark.slow
def test_a_report_of_three_models_or_more_has_the_page(drawn, tmp_path):
    site = written_here(drawn, tmp_path / "site")
    assert 'href="zoo.html"' in (site / "index.html").read_text()
    assert Page(site / "zoo.html").sections["correlations"]


def test_networks_of_one_name_in_several_runs_are_told_apart(drawn, tmp_path):
    shutil.copytree(drawn, tmp_path / "again")
    found = zoo([drawn, tmp_path / "again"])
    assert found.table["model"].n_unique() == 2 * MODELS
    assert {name.split(":")[0] for name in found.table["model"]} == {"run", "again"}
    assert pair(found, "detectors", "accuracy")["models"] == 2 * MODELS
    # the same networks in either run are two trainings
    assert found.correlations.filter(measure="detectors", against="epoch")["models"].to_list() == [MODELS, MODELS]


def test_a_drawn_table_of_many_networks_gives_back_what_was_put_in():
    """200 networks: one measure follows accuracy through noise of the same size, another only follows depth."""
    dice = np.random.default_rng(0)
    accuracy = dice.uniform(0.2, 0.9, 200)
    rank = np.argsort(np.argsort(accuracy)) / 200
    rows = []
    for n in range(200):
        for depth in (0.0, 0.5, 1.0):
            base = {
                "model": f"m{n}",
                "accuracy": accuracy[n],
                "layer": f"l{depth}",
                "depth": depth,
                "compared": depth == 1.0,
            }
            rows.append({**base, "measure": "follows", "value": rank[n] + dice.normal(0, rank.std()), "control": 0.1})
            rows.append({**base, "measure": "deepens", "value": depth + dice.normal(0, 0.1), "control": 0.1})
    empty = dict.fromkeys(("epoch", "training", "published_top1", "parameters", "year"))
    table = pl.DataFrame([{**empty, **row} for row in rows], infer_schema_length=None)
    found = {(row["measure"], row["against"]): row for row in correlations(table).to_dicts()}
    assert set(found) == {(m, a) for m in ("follows", "deepens") for a in ("depth", "accuracy")}
    assert found["follows", "accuracy"]["rho"] == pytest.approx(0.5**0.5, abs=0.08)
    assert found["follows", "accuracy"]["low"] > 0.5
    assert found["deepens", "depth"]["rho"] > 0.95
    for nothing in (found["follows", "depth"], found["deepens", "accuracy"]):
        assert nothing["chance_low"] < nothing["rho"] < nothing["chance_high"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name,top1\na,1", "its columns are name, top1; it needs model"),
        ("model,params\na,1", "at least one of top1, year, epoch, training_data, training"),
        ("", "its columns are none"),
        ("model,top1\na,1\na,2", "line 3: 'a' is there twice"),
        ("model,top1\na,high", "line 2: top1 is 'high'; give percent"),
        ("model,top1\na,101", "line 2: top1 is '101'; give percent"),
        ("model,year\na,nan", "line 2: year is 'nan'; give a number"),
    ],
)
def test_a_csv_that_cannot_be_used_is_refused_in_words(tmp_path, text, says):
    path = tmp_path / "facts.csv"
    path.write_text(text)
    with pytest.raises(InputError) as stop:
        Facts.read(path)
    assert says in str(stop.value)


def test_published_accuracy_goes_to_official_weights_alone(drawn, tmp_path):
    path = tmp_path / "timm.csv"
    path.write_text("model,top1\nresnet18.a1_in1k,71.5\nresnet18,69.8\n")
    stated, model = Facts.read(path), RunFolder(drawn).plan().models[0]

    def top1(source):
        known = stated.of(replace(model, spec=replace(model.spec, source=source)), model.name)
        return known and known["published_top1"]

    assert top1("timm:resnet18@a1_in1k") == 71.5
    assert top1("timm:resnet18.a1_in1k") == 71.5
    assert top1("torchvision:resnet18") == 69.8
    assert top1("timm:resnet18@random:0") is None
    assert top1("timm:resnet18@mine.pth") is None


def test_two_models_and_options_that_do_not_go_together_are_refused(drawn, tmp_path, hostile_run, capsys):
    with pytest.raises(InputError, match="give runs of 3 models or more in all"):
        zoo([hostile_run])
    assert call(["compare", str(drawn), "--zoo", "none", "--layer", "1"]) == 2
    assert "--zoo takes every layer of every model" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    assert call(["compare", str(drawn), "--zoo", "none", "--out", str(tmp_path / "mine")]) == 2
    assert "is no zoo" in capsys.readouterr().err


def call(arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return stop.value.code or 0
