"""The verb `estimate` projects what unit costs say, by hand-made numbers, and says what it lacks."""

import json
import re
from dataclasses import replace

import pytest

from filterscope.jobs.cli.main import main
from filterscope.jobs.config.audit import load_config
from filterscope.jobs.cost import measure as measuring
from filterscope.jobs.cost.machine import machine
from filterscope.jobs.cost.projection import SHIPPED, Demand, UnitCosts, project
from filterscope.jobs.runs.audit import planned as plan_of
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods import registry
from filterscope.pipeline.methods.codes import costs as code_costs
from filterscope.pipeline.methods.dissection.options import DissectionOptions
from filterscope.pipeline.methods.shift import costs as shift_costs
from filterscope.pipeline.methods.unit_attribute.asked import asked
from filterscope.pipeline.methods.unit_attribute.options import UnitAttributeOptions
from filterscope.pipeline.models import timing
from tests import planted
from tests.pipeline.methods.test_influence import write_colours
from tests.planted import codes as planted_codes
from tests.planted.dots import GRAPH, write_birds

FACTORS = {
    "masks_image": 0.01, "decode_megapixel": 0.02, "extract_over_pass": 1.5, "store_megabyte": 0.002,
    "dissect_melement": 0.004, "dissect_pair": 1e-5, "anchorings_pair": 5e-6, "significance_pair": 2e-5,
    "attribute_pair": 1e-7, "head_gflop": 0.05, "code_shape": 0.01, "code_pair": 1e-6,
    "usual_melement": 0.03, "grow_mmove": 0.01, "parse_pattern": 1e-5,
    "stored_byte": 0.5, "table_pair": 10, "table_concept": 5,
}  # fmt: skip
COSTS = UnitCosts.of(FACTORS)
#: Two networks: 0.1 and 0.3 s, 2 and 4 GFLOP, 10 and 20 million elements, 1,000 and 3,000 elements and 10 and 30 units audited.
DEMANDS = [Demand(0.1, 2.0, 10.0, 1000, 10, 2000), Demand(0.3, 4.0, 20.0, 3000, 30, 6000)]


def projection(**changes):
    asked = {
        "images": 100,
        "models": 2,
        "megapixels": 0.5,
        "concepts": 7,
        "methods": registry.chosen(["dissection", "anchorings", "significance"]),
        "on_gpu": False,
    }
    return project(COSTS, DEMANDS, **{**asked, **changes})


def test_a_projection_is_the_sum_of_its_factors():
    found = projection()
    assert found.core_seconds == pytest.approx(
        {
            "masks": 100 * 0.01,
            "decode": 100 * 2 * 0.5 * 0.02,
            "forward": 100 * (0.1 + 0.3) * 1.5,
            "store": 100 * 4000 * 2e-6 * 0.002,
            "dissect": 100 * (4000 * 1e-6 * 0.004 + 40 * 1e-5),
            "anchorings": 100 * 40 * 5e-6,
            "significance": 100 * 40 * 2e-5,
        }
    )
    assert found.activation_bytes == pytest.approx(100 * 4000 * 2 * 0.5)
    assert found.largest_model_bytes == pytest.approx(100 * 3000 * 2 * 0.5)
    assert found.table_bytes == pytest.approx(100 * 40 * 10 + 40 * 7 * 5)
    assert found.gpu_seconds is None


def test_twice_the_models_cost_twice_and_share_the_masks():
    once, twice = projection().core_seconds, projection(models=4).core_seconds
    assert twice == pytest.approx({name: value * (1 if name == "masks" else 2) for name, value in once.items()})


def test_on_gpus_the_forward_pass_leaves_the_cores_and_its_time_may_be_unknown():
    found = projection(on_gpu=True)
    assert "forward" not in found.core_seconds
    assert found.gpu_seconds is None
    assert found.hours(4, 1) is None
    known = project(
        UnitCosts.of({**FACTORS, "gpu_gflop": 1e-3, "gpu_melement": 1e-4}), DEMANDS,
        images=100, models=2, megapixels=0.5, concepts=7, methods=(), on_gpu=True,
    )  # fmt: skip
    assert known.gpu_seconds == pytest.approx(100 * (6 * 1e-3 + 30 * 1e-4))
    assert known.hours(1000, 1) == pytest.approx(known.gpu_seconds / 3600)
    assert known.hours(1, 1) == pytest.approx(sum(known.core_seconds.values()) / 3600)


def test_methods_that_run_the_networks_again_cost_passes_and_decoding():
    """Outputs decode and pass once more; gradients pass three times as long, and are stored beside the activations."""
    alone = projection(methods=())
    found = projection(methods=registry.chosen(["outputs", "gradients"]))
    decode, forward = 100 * 2 * 0.5 * 0.02, 100 * (0.1 + 0.3) * 1.5
    again = {"outputs": decode + forward, "gradients": decode + 3 * forward}
    assert found.core_seconds == pytest.approx({**alone.core_seconds, **again})
    factors = UnitCosts.of({**FACTORS, "gpu_gflop": 1e-3, "gpu_melement": 1e-4})
    asked = {"images": 100, "models": 2, "megapixels": 0.5, "concepts": 7, "on_gpu": True}
    gpu = project(factors, DEMANDS, methods=registry.chosen(["outputs", "gradients"]), **asked)
    assert gpu.gpu_seconds == pytest.approx(5 * 100 * (6 * 1e-3 + 30 * 1e-4))
    assert gpu.core_seconds["gradients"] == pytest.approx(decode)


def test_what_stages_keep_beside_activations_is_written_and_takes_disk():
    demands = [replace(DEMANDS[0], other_bytes={"gradients": 500}), DEMANDS[1]]
    asked = {"images": 100, "models": 2, "megapixels": 0.5, "concepts": 7, "methods": (), "on_gpu": False}
    found = project(COSTS, demands, **asked)
    assert found.other_bytes == {"gradients": pytest.approx(100 * 500 * 0.5)}
    assert found.activation_bytes == pytest.approx(projection().activation_bytes)
    assert found.core_seconds["store"] == pytest.approx(100 * (8000 + 500) * 1e-6 * 0.002)


def test_masks_cost_by_the_image_and_all_else_by_the_view():
    one, two = projection(), projection(views=200)
    assert two.core_seconds == pytest.approx(
        {name: value * (1 if name == "masks" else 2) for name, value in one.core_seconds.items()}
    )
    assert two.activation_bytes == pytest.approx(2 * one.activation_bytes)
    assert "masks" not in projection(masks=False).core_seconds


@pytest.mark.parametrize("text", [None, "{", "[1]", '[{"name": "unit_cost.masks_image", "value": 1}]'])
def test_missing_unit_costs_say_how_to_measure_them(tmp_path, text):
    path = tmp_path / "bench.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=re.escape("`--measure` measures them on this machine")):
        UnitCosts.read(path)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """The plan of an audit of planted images in three colours, of methods whose cost depends on more than sizes."""
    folder = tmp_path_factory.mktemp("labelled")
    config = load_config(
        data=write_colours(folder / "data"), out=folder / "run", models=[planted.entry("classifier")], layers="0,1",
        methods="vulnerable,influence,unit-attribute", actors=0, batch_size=1,
        **{"vulnerable.attacks": "fgsm,one_pixel", "vulnerable.views": 8, "vulnerable.eps": "1,2", "vulnerable.pixels": 1,
           "vulnerable.population": 10, "vulnerable.generations": 4, "influence.perturbed": "1,5", "influence.steps": 10,
           "influence.checks": 0, "influence.flips": 0.0},
    )  # fmt: skip
    return plan_of(config)


def of_plan(plan, method, costs=COSTS, **changes):
    size = {"images": 60, "models": 1, "megapixels": 0.5, "concepts": 7, "on_gpu": False, "plan": plan}
    return project(costs, DEMANDS[:1], methods=registry.chosen([method]), **{**size, **changes})


def test_attacks_cost_their_passes_whatever_the_number_of_views(labelled):
    passes = 8 * (2 * 3 + 2 * 10 * 5)
    for changes, times in (({}, 1), ({"images": 6000}, 1), ({"models": 3}, 3)):
        seconds = of_plan(labelled, "vulnerable", **changes).core_seconds["vulnerable"]
        assert seconds == pytest.approx(times * 0.1 * passes)
    gpu = UnitCosts.of({**FACTORS, "gpu_gflop": 1e-3, "gpu_melement": 1e-4})
    found = of_plan(labelled, "vulnerable", gpu, on_gpu=True)
    assert "vulnerable" not in found.core_seconds
    assert found.gpu_seconds == pytest.approx((60 + passes) * (2 * 1e-3 + 10 * 1e-4))


def test_attributes_cost_units_times_images_times_attributes(labelled):
    units = sum(layer.channels for layer in labelled.models[0].layers)
    names = asked(Dataset(labelled.data), UnitAttributeOptions(), labelled.of(DissectionOptions)).names
    assert len(names) == 3
    found = of_plan(labelled, "unit-attribute", images=1000)
    assert found.core_seconds["unit-attribute"] == pytest.approx(units * 1000 * 3 * 1e-7)


def test_heads_cost_operations_that_grow_with_the_views_up_to_a_limit(labelled):
    def seconds(images, **more):
        return of_plan(labelled.with_options(**more), "influence", images=images).core_seconds["influence"]

    few = seconds(1000)
    # by hand: three classes, a Hessian in each of three stages, one head, and those without three groups and random ones
    expected = 0.0
    for layer in labelled.models[0].layers:
        width, train, tests = layer.channels + 1, 750, 250
        product, count = 4 * train * width * 3, 2 * width
        made = 3 * 2 * train * width**2 + count**3 / 3
        expected += 7 * 100 * product + 3 * made + (2 * tests + train) * count**2 + tests * product / 2
    assert few == pytest.approx(expected * 1e-9 * 0.05)
    assert seconds(10**6) == pytest.approx(seconds(10**7))
    assert seconds(1000, **{"influence.checks": 40}) > few
    assert seconds(1000, **{"influence.flips": 0.1}) > few
    # two layers, two test views, five training views: passes forward and back of ten steps, and three beside them
    assert seconds(1000, **{"influence.attacked": 2}) - few == pytest.approx(0.1 * 2 * 2 * 5 * (3 * 10 + 3))


@pytest.fixture
def zoo(tmp_path, coco):
    """A zoo file and unit costs beside it."""
    rows = [{"name": f"unit_cost.{name}", "value": value} for name, value in FACTORS.items()]
    (tmp_path / "bench.json").write_text(json.dumps(rows))
    path = tmp_path / "zoo.toml"
    path.write_text(
        f'data = "{coco}"\nout = "run"\nlayers = "layer4"\n[[models]]\nsource = "torchvision:resnet18@random:0"\n'
    )
    return path


def test_the_verb_prints_bytes_hours_and_the_bottleneck(zoo, capsys, monkeypatch):
    """A forward pass is timed at the batch sizes that an audit would try, and costs what it takes at the fastest."""
    monkeypatch.setattr(
        timing, "seconds_an_image", lambda model, layers, sizes: {size: 0.2 + 0.1 / size for size in sizes}
    )
    main_exits(
        ["estimate", str(zoo), "--bench", str(zoo.with_name("bench.json")), "--images", "1e6", "--models", "500"]
    )
    printed = capsys.readouterr().out
    assert "500 models x 1,000,000 images" in printed
    [hours] = re.findall(r"forward +([\d,.]+) CPU hours", printed)
    assert float(hours.replace(",", "")) == pytest.approx(5e8 * (0.2 + 0.1 / 16) * 1.5 / 3600, rel=1e-4)
    # 512 x 7 x 7 half-precision numbers
    assert f"activations {5e8 * 512 * 49 * 2 * 0.5 / 1e12:.3g} TB" in printed
    assert "the bottleneck is forward" in printed
    assert not (zoo.parent / "run").exists()


@pytest.mark.parametrize(
    ("layer", "gflop", "melement"),
    [
        pytest.param("layer4", 3.64, 2.5, id="whole"),
        # 118 million multiplications in the first convolution, 4 x 116 in layer1
        pytest.param("layer1", 1.161, 5.2, id="first of four"),
    ],
)
def test_on_a_gpu_a_forward_pass_costs_its_operations_to_the_deepest_layer(zoo, capsys, layer, gflop, melement):
    zoo.write_text(zoo.read_text().replace("layer4", layer))
    bench = zoo.with_name("bench.json")
    gpu = [{"name": "unit_cost.gpu_gflop", "value": 0.05}, {"name": "unit_cost.gpu_melement", "value": 0.001}]
    bench.write_text(json.dumps(json.loads(bench.read_text()) + gpu))
    main_exits(["estimate", str(zoo), "--bench", str(bench), "--images", "1e6", "--models", "500", "--gpus", "8"])
    [hours] = re.findall(r"forward +([\d,.]+) GPU hours", capsys.readouterr().out)
    assert float(hours.replace(",", "")) == pytest.approx(5e8 * (gflop * 0.05 + melement * 0.001) / 3600, rel=0.05)


def test_the_verb_says_that_gpu_hours_are_not_known(zoo, capsys):
    main_exits(["estimate", str(zoo), "--bench", str(zoo.with_name("bench.json")), "--gpus", "64"])
    printed = capsys.readouterr().out
    assert "1,024 cores, 64 GPUs" in printed
    assert "GPU hours not known" in printed


def test_a_price_gives_the_cost_of_the_wall_time_of_all_gpus(zoo, capsys):
    bench = zoo.with_name("bench.json")
    gpu = [{"name": "unit_cost.gpu_gflop", "value": 5e-4}, {"name": "unit_cost.gpu_melement", "value": 1e-5}]
    rows = json.loads(bench.read_text())
    call = ["estimate", str(zoo), "--bench", str(bench), "--images", "1e6", "--models", "500", "--gpus", "8"]
    main_exits([*call, "--gpu-hour-price", "2.5"])
    # without the GPU's own unit costs, what the cores need is the least
    printed = capsys.readouterr().out
    [wall] = re.findall(r"wall time: at least ([\d,.]+) h", printed)
    [cost] = re.findall(r"cost at least ([\d,.]+) at 2.50 per GPU hour", printed)
    assert number(cost) == pytest.approx(number(wall) * 8 * 2.5, rel=1e-3)
    assert "images/s" not in printed

    bench.write_text(json.dumps(rows + gpu))
    for cores in (1, 10**6):  # too few of them, so that the GPUs wait; and as many as the GPUs could ask for
        main_exits([*call, "--gpu-hour-price", "2.5", "--cores", str(cores)])
        printed = capsys.readouterr().out
        [wall] = re.findall(r"wall time ([\d,.]+) h", printed)
        [busy] = re.findall(r"forward +([\d,.]+) GPU hours", printed)
        [cost, each] = re.findall(r"cost ([\d,.]+) at 2.50 per GPU hour, ([\d,.]+) per model", printed)[0]
        assert number(cost) == pytest.approx(number(wall) * 8 * 2.5, rel=1e-3)
        assert number(each) == pytest.approx(number(cost) / 500, abs=0.01)
        [paid, computing] = re.findall(r"([\d,.]+) images/s per GPU over the wall time, ([\d,.]+) while", printed)[0]
        assert number(paid) == pytest.approx(5e8 / (number(wall) * 8 * 3600), rel=1e-3)
        assert number(computing) == pytest.approx(5e8 / (number(busy) * 3600), rel=1e-3)
        assert (number(paid) < 0.5 * number(computing)) == (cores == 1)


def number(text):
    return float(text.replace(",", ""))


@pytest.mark.parametrize("more", [("0",), ("-1",), ("nan",), ("inf",), ("2.5", "--gpus", "0")])
def test_a_price_of_nothing_or_for_no_gpu_is_refused(zoo, capsys, more):
    with pytest.raises(SystemExit) as stop:
        main(["estimate", str(zoo), "--gpus", "1", "--gpu-hour-price", *more])
    assert stop.value.code == 2
    assert "state a price above 0, and how many GPUs are paid" in capsys.readouterr().err


def test_the_name_of_version_0_1_prints_the_same(zoo, capsys):
    printed = []
    for verb in ("estimate", "plan"):
        main_exits([verb, str(zoo), "--bench", str(zoo.with_name("bench.json")), "--gpus", "2", "--images", "1e5"])
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != ""


def test_methods_bring_their_factors_and_what_they_read_from_others_is_projected_too(zoo, capsys):
    """Significance reads what dissection writes, and costs it; growth has no cost, and is said not to be projected."""
    zoo.write_text('methods = ["significance", "growth"]\n' + zoo.read_text())
    bench = zoo.with_name("bench.json")
    main_exits(["estimate", str(zoo), "--bench", str(bench), "--images", "1e6", "--gpus", "1"])
    printed = capsys.readouterr().out
    pairs = 1e6 * 512
    [hours] = re.findall(r"significance +([\d,.]+) CPU hours", printed)
    assert float(hours.replace(",", "")) == pytest.approx(pairs * 2e-5 / 3600, abs=0.01)
    [hours] = re.findall(r"dissect +([\d,.]+) CPU hours", printed)
    assert float(hours.replace(",", "")) == pytest.approx((pairs * 49e-6 * 0.004 + pairs * 1e-5) / 3600, abs=0.01)
    assert "anchorings" not in printed
    assert "\nnot projected: growth\n" in printed


def test_gradients_are_projected_and_no_masks_where_no_method_reads_them(zoo, capsys):
    zoo.write_text('methods = ["gradients", "outputs"]\n' + zoo.read_text())
    bench = zoo.with_name("bench.json")
    main_exits(["estimate", str(zoo), "--bench", str(bench), "--images", "1e6", "--models", "500", "--gpus", "1"])
    printed = capsys.readouterr().out
    size = f"{5e8 * 512 * 49 * 2 * 0.5 / 1e12:.3g} TB"
    assert f"activations {size}" in printed
    assert f"; gradients {size}; tables" in printed
    assert re.search(r"outputs +[\d,.]+ CPU hours\n", printed)
    assert "masks" not in printed
    assert "not projected" not in printed


def test_views_are_counted_beside_images(zoo, capsys):
    zoo.write_text("flips = true\n" + zoo.read_text())
    bench = zoo.with_name("bench.json")
    main_exits(["estimate", str(zoo), "--bench", str(bench), "--images", "1e6", "--gpus", "1"])
    printed = capsys.readouterr().out
    assert "1 models x 1,000,000 images (2,000,000 views) on" in printed
    assert f"activations {2e6 * 512 * 49 * 2 * 0.5 / 1e9:.3g} GB" in printed


def test_a_factor_that_a_method_needs_and_the_file_lacks_is_named(zoo, capsys):
    bench = zoo.with_name("bench.json")
    rows = [row for row in json.loads(bench.read_text()) if row["name"] != "unit_cost.significance_pair"]
    bench.write_text(json.dumps(rows))
    with pytest.raises(SystemExit) as stop:
        main(["estimate", str(zoo), "--bench", str(bench)])
    assert stop.value.code == 2
    assert f"{bench} has no rows unit_cost.significance_pair; `--measure` measures them" in capsys.readouterr().err


def test_without_a_file_of_ones_own_the_unit_costs_of_the_package_are_used(zoo, capsys, monkeypatch):
    """As from an installed wheel, in a folder that holds nothing but the zoo; every method that states costs is covered."""
    monkeypatch.chdir(zoo.parent)
    zoo.with_name("bench.json").rename(zoo.with_name("mine.json"))
    main_exits(["estimate", str(zoo), "--gpus", "1"])
    printed = capsys.readouterr().out
    shipped = UnitCosts.read(SHIPPED, registry.METHODS)
    assert shipped.machine
    assert all(value >= 0 for value in shipped.factors.values())
    assert printed.splitlines()[-1] == (
        f"unit costs of {shipped.machine} (they come with filterscope); --measure measures those of this machine ({machine()})"
    )
    rows = [{"name": "tally", "value": 1.0, "unit": "s"}]
    zoo.with_name("bench.json").write_text(json.dumps(rows))  # a bench that measured something else
    main_exits(["estimate", str(zoo), "--gpus", "1"])
    assert capsys.readouterr().out == printed
    zoo.with_name("mine.json").rename(zoo.with_name("bench.json"))
    main_exits(["estimate", str(zoo), "--gpus", "1"])
    assert "unit costs of an unnamed processor (bench.json)" in capsys.readouterr().out


def test_measured_unit_costs_are_kept_with_the_machine_and_used(zoo, capsys, monkeypatch):
    kept = {"name": "tally", "value": 1.0, "unit": "s"}
    zoo.with_name("own.json").write_text(json.dumps([kept, {"name": "unit_cost.masks_image", "value": 9.0}]))
    monkeypatch.setattr(measuring, "measure", lambda tell: measuring.rows_of(FACTORS))
    main_exits(["estimate", str(zoo), "--measure", "--bench", str(zoo.with_name("own.json")), "--gpus", "1"])
    rows = json.loads(zoo.with_name("own.json").read_text())
    assert rows[0] == kept
    assert {row["name"]: (row["value"], row["machine"]) for row in rows[1:]} == {
        f"unit_cost.{name}": (value, machine()) for name, value in FACTORS.items()
    }
    assert capsys.readouterr().out.splitlines()[-1] == f"unit costs of {machine()} ({zoo.with_name('own.json')})"


def test_the_processor_is_named_as_the_system_names_it(tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nprocessor\t: 1\nmodel name\t: Some CPU @ 2 GHz\n")
    assert machine(info) == "Some CPU @ 2 GHz"
    assert machine(tmp_path / "none")


@pytest.mark.slow
def test_unit_costs_are_measured_from_audits(monkeypatch):
    """Two small audits tell every factor that the projection needs, and what they project is what they took."""
    monkeypatch.setattr(measuring, "ZOO", {"torchvision:squeezenet1_1@random:0": "features.12,features.7",
                                           "torchvision:resnet18@random:0": "layer4"})  # fmt: skip
    monkeypatch.setattr(measuring, "IMAGES", 24)
    told = []
    rows = {row["name"].removeprefix("unit_cost."): row["value"] for row in measuring.measure(told.append)}
    assert len(told) == 2
    assert {name for name in rows if not name.startswith("gpu_")} == set(FACTORS)
    assert all(value >= 0 for value in rows.values())
    assert rows["extract_over_pass"] > 0.5
    assert 0 < rows["stored_byte"] < 2


def birds(tmp_path, **options):
    """Plan an audit of 36 drawn birds and of their mirror images; `two_layers` has two filters in each of them."""
    data = tmp_path / "birds"
    data.mkdir()
    write_birds(data, birds=36)
    asked = {name: GRAPH[name] for name in ("models", "layers", "views", "flips", "negatives")} | options
    return plan_of(load_config(out=tmp_path / "run", data=data, **asked))


def test_shifts_cost_two_passes_of_so_many_views_of_each_category(tmp_path):
    plan = birds(tmp_path, metrics="shift", **{"shift.views": 20})
    assert shift_costs.drawn(plan) == 2 * 20
    assert shift_costs.drawn(plan.with_options(**{"shift.views": 100})) == 2 * 36
    assert of_plan(plan, "shift").core_seconds["shift"] == pytest.approx(0.1 * 2 * 20)


def test_part_graphs_cost_templates_and_parses(tmp_path):
    plan = birds(tmp_path, metrics="and-or", **{"localize.part": "above", "localize.shots": 2, "localize.draws": 3})
    # by hand: 40 views to learn from and 16 held-out ones; maps of 3 filters of 32 x 32 and 16 x 16 cells, moves of 5 and 2
    usual = 40 * 1e-6 * (3 * 32**2 + 3 * 16**2) * 0.03
    grown = 1e-6 * (3 * 32**2 * 11**2 + 3 * 16**2 * 5**2) * 0.01
    parsed = 2 * 150 * 1e-5
    templates = 3 * 2 * 2  # draws, shots and mirror images
    found = of_plan(plan, "and-or", images=36, views=78).core_seconds["and-or"]
    assert found == pytest.approx(usual + templates * (grown + 16 * parsed))
    asked = plan.with_options(**{"and-or.questions": 5, "and-or.pool": 8, "and-or.seeds": 2})
    inquiries = 4 * 2 * 5 * (3 * grown + (8 + 16) * parsed)
    assert of_plan(asked, "and-or", images=36, views=78).core_seconds["and-or"] == pytest.approx(found + inquiries)
    larger = of_plan(plan, "and-or", images=360, views=780).core_seconds["and-or"]
    assert larger == pytest.approx(10 * usual + templates * (grown + 160 * parsed))


def main_exits(arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert not stop.value.code


def test_codes_cost_what_is_decoded_measured_and_compared(tmp_path, monkeypatch):
    """Blobs of 20 x 20: 4 codes, 5 attributes and 8 shapes; nothing is timed here."""
    data = planted_codes.write_blobs(tmp_path / "data")
    options = {"codes.bases": 6, "codes.directions": 60, "codes.steps": 5, "codes.moved": 30, "codes.images": 50}
    seconds = {}
    for factory in ("both", "encoder"):
        monkeypatch.setattr(code_costs, "_decoding", lambda plan, model, subject: 0.25)
        config = load_config(
            out=tmp_path / factory, data=data, models=[planted_codes.entry(factory)], layers="-1", methods="codes", **options
        )  # fmt: skip
        plan = plan_of(config)
        seconds[factory] = registry.chosen(["codes"])[0].cost.planned(FACTORS, plan, plan.view_count)["codes"]
        assert code_costs.drawn(plan) == 50 + 5 * 30
    measured, compared = 50 * 0.4 * 0.01, 50 * 13 * 1e-6
    assert seconds["both"] == pytest.approx(measured + 4 * compared + (4 + 60) * 6 * 5 * (0.25 + 0.4 * 0.01))
    assert seconds["encoder"] == pytest.approx(measured + (4 + 2 * 60 / 51) * compared)
