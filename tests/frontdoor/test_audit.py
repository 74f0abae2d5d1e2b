"""Audits from Python, of sources and of modules that are in memory."""

import copy
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import torch
from torch import nn

import filterscope
from filterscope import schemas
from filterscope.jobs.runs.doctor import examine, repair
from filterscope.live import LiveNetwork
from filterscope.pipeline.engine.runner import start_ray
from tests import planted
from tests.audits import audit_here
from tests.frontdoor.conftest import ASKED, SEEN

FINDINGS = ("thresholds", "units", "unit_concept", "unit_image", "top_images")


def found(run: Path) -> dict[str, pl.DataFrame]:
    """All findings of a run but the name of the model."""
    return {name: schemas.scan(run, name).drop("model").collect() for name in FINDINGS}


@pytest.fixture(scope="module")
def from_factory(data, tmp_path_factory):
    settings = {**ASKED, "models": [planted.PLANTED], "metrics": ASKED["methods"]}
    del settings["methods"]
    return audit_here(tmp_path_factory.mktemp("factory") / "run", data=data, **settings)


@pytest.fixture(scope="module")
def from_module(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("module") / "run"
    return filterscope.audit(planted.network(), data, out=out, actors=0, **SEEN, **ASKED)


def finished(run: filterscope.Run) -> dict[Path, int]:
    """When each piece of work was finished."""
    return {path: path.stat().st_mtime_ns for path in (run.path / "ledger").rglob("*.json")}


def test_a_module_and_a_factory_give_the_same_findings(from_module, from_factory):
    tables = found(from_factory)
    for name, frame in found(from_module.path).items():
        assert frame.equals(tables[name]), name
        assert frame.height > 0, name


def test_a_module_is_known_by_class_and_weights(from_module):
    row = from_module.models.collect().to_dicts()[0]
    state = LiveNetwork(planted.network())
    assert row["model"] == f"Sequential-{row['weights_sha256'][:8]}" == state.name
    assert row["source"] == f"module:{row['architecture']}@{row['weights_sha256']}" == state.source


@pytest.mark.slow
def test_workers_find_the_same_in_a_module_that_they_cannot_import(data, from_factory, tmp_path, monkeypatch):
    """Its class, and what that calls, come from files that this process alone finds."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "users_planted.py").write_text(
        "from torch import nn\nimport users_helper\n\nclass Net(nn.Sequential):\n"
        "    def forward(self, x):\n        return users_helper.twice(super().forward(x)) / 2\n"
    )
    (tmp_path / "code" / "users_helper.py").write_text("def twice(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    import users_planted

    module = users_planted.Net(*planted.network())
    run = filterscope.audit(module, data, out=tmp_path / "run", actors=2, **SEEN, **ASKED)
    tables = found(from_factory)
    assert all(frame.equals(tables[name]) for name, frame in found(run.path).items())


@pytest.mark.slow
def test_a_network_travels_once_and_its_holder_goes_with_the_audit():
    """What each piece of work carries does not grow with the network."""
    import ray
    from ray import cloudpickle

    start_ray()
    network = LiveNetwork(nn.Sequential(nn.Conv2d(3, 1000, 9), nn.ReLU()))
    carried = cloudpickle.dumps(network)
    assert len(carried) < 10_000 < network()[0].weight.nbytes
    there = cloudpickle.loads(carried)
    assert torch.equal(there()[0].weight, network()[0].weight)
    network.close()
    with pytest.raises(ray.exceptions.RayActorError):
        there()


def test_the_module_and_torch_are_left_as_they_were(data, tmp_path):
    torch.set_num_threads(2)
    torch.backends.cudnn.benchmark = True
    module = nn.Sequential(*planted.network(), nn.BatchNorm2d(3), nn.Dropout())
    before, random = copy.deepcopy(module.state_dict()), torch.random.get_rng_state()
    filterscope.audit(module, data, out=tmp_path / "run", actors=0, **SEEN, **{**ASKED, "layers": "3"})
    assert all(part.training for part in module.modules())
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), random)
    assert (torch.get_num_threads(), torch.backends.cudnn.benchmark) == (2, True)
    torch.backends.cudnn.benchmark = False


def test_a_module_in_training_is_audited_in_evaluation(data, tmp_path):
    """A dropout of everything leaves nothing, were it on."""
    module = nn.Sequential(*planted.network(), nn.Dropout(1.0)).train()
    run = filterscope.audit(module, data, out=tmp_path / "run", actors=0, **SEEN, **{**ASKED, "layers": "2"})
    assert run.units.collect()["concept"].to_list()[:2] == ["red", "striped"]


def test_the_same_module_has_nothing_left_to_do(data, from_module):
    before, rows = finished(from_module), from_module.runs.collect().height
    again = filterscope.audit(planted.network(), data, out=from_module.path, actors=0, **SEEN, **ASKED)
    assert finished(again) == before
    assert again.runs.collect().height == rows


def test_a_lost_piece_of_work_is_computed_again_from_the_same_module(data, from_factory, tmp_path):
    asked = {"out": tmp_path / "run", "actors": 0, **SEEN, **ASKED}
    run = filterscope.audit(planted.network(), data, **asked)
    for stage in ("extract", "dissect"):
        next((run.path / "ledger" / stage).rglob("*.json")).unlink()
    again = filterscope.audit(planted.network(), data, **asked)
    tables = found(from_factory)
    assert all(frame.equals(tables[name]) for name, frame in found(again.path).items())


def test_other_weights_under_a_name_are_refused_and_redo_takes_them(data, tmp_path):
    asked = {"out": tmp_path / "run", "name": "mine", "actors": 0, **SEEN, **ASKED}
    filterscope.audit(planted.network(), data, **asked)
    other = planted.network()
    nn.init.ones_(other[0].weight)
    with pytest.raises(filterscope.InputError, match=r"extract/mine/.* weights is .[0-9a-f]{64}.*--redo extract"):
        filterscope.audit(other, data, **asked)
    run = filterscope.audit(other, data, redo=["extract"], **asked)
    assert run.models.collect()["weights_sha256"].to_list() == [LiveNetwork(other).source.partition("@")[2]]


def test_the_same_weights_in_another_structure_are_another_network(data, tmp_path):
    asked = {"out": tmp_path / "run", "name": "mine", "actors": 0, **SEEN, **ASKED}
    filterscope.audit(planted.network(), data, **asked)
    other = nn.Sequential(planted.network()[0], nn.LeakyReLU())
    with pytest.raises(filterscope.InputError, match=r"architecture is .Sequential-"):
        filterscope.audit(other, data, **asked)


def test_several_networks_in_one_run(data, tmp_path):
    doubled = planted.network()
    with torch.no_grad():
        doubled[0].weight *= 2
    asked = {"out": tmp_path / "run", "actors": 0, **SEEN, **ASKED}
    factory = planted.PLANTED["source"]
    run = filterscope.audit({"one": planted.network(), "two": doubled, "three": factory}, data, **asked)
    units = run.units.collect().partition_by("model", as_dict=True, include_key=False)
    assert set(units) == {("one",), ("two",), ("three",)}
    assert units["one",].equals(units["three",])
    assert (2 * units["one",]["maximum"]).equals(units["two",]["maximum"])
    with pytest.raises(
        filterscope.InputError, match=r"several models .* have a layer '1': one, two, three; state model="
    ):
        run.unit("1", 0)
    assert run.unit("1", 0, model="two").label == "red"


def test_networks_of_one_class_in_a_list_are_told_apart_by_their_weights(data, tmp_path):
    nets = [planted.network(), planted.network()]
    nn.init.ones_(nets[1][0].weight)
    run = filterscope.audit(nets, data, out=tmp_path / "run", actors=0, **SEEN, **ASKED)
    assert sorted(run.models.collect()["model"]) == sorted(LiveNetwork(net).name for net in nets)


def test_what_is_assumed_of_a_module_is_told(data, tmp_path, capsys):
    filterscope.audit(planted.network(), data, out=tmp_path / "run", actors=0, **ASKED)
    assert "preprocessing of ImageNet (224 x 224) assumed; state input_size, mean, std" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "name", "folder"),
    [
        (planted.network, None, None),
        (planted.network, "mine", "mine"),
        (lambda: planted.PLANTED["source"], None, "tests.planted-network"),
        (lambda: {"a": planted.network(), "b": planted.network()}, None, "data"),
    ],
    ids=["module", "name", "source", "several"],
)
def test_the_run_lies_in_runs_unless_another_folder_is_named(data, tmp_path, monkeypatch, model, name, folder):
    monkeypatch.chdir(tmp_path)
    run = filterscope.audit(model(), data, name=name, actors=0, **SEEN, **ASKED)
    assert run.path == tmp_path / "runs" / (folder or LiveNetwork(model()).name)


def test_the_shell_says_that_a_module_is_only_in_python(data, from_module, tmp_path):
    """Its folder is read as any other; what needs the network again says where it is."""
    recorded = from_module.models.collect()["source"].item()
    command = [sys.executable, "-m", "filterscope", "audit", "--model", recorded, "--data", str(data)]
    command += ["--out", str(tmp_path / "run")]
    told = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert told.returncode == 2
    assert told.stderr.count("was handed over in Python and cannot be opened again") == 1
    assert "call filterscope.audit with the same module" in told.stderr
    assert "Traceback" not in told.stderr


def test_the_doctor_cannot_open_a_module_again_and_says_so(data, tmp_path):
    run = filterscope.audit(planted.network(), data, out=tmp_path / "run", actors=0, **SEEN, **ASKED)
    next((run.path / "ledger" / "extract").rglob("*.json")).write_text("torn")
    with pytest.raises(filterscope.InputError, match=r"call filterscope\.audit with the same module"):
        repair(run.path, examine(run.path))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (3, "model: received int; expected a source such as"),
        ([], "model: received no network"),
        ({"a": None}, "model: received NoneType"),
        ("planted.network", "has no scheme"),
        ("module:Net", "call filterscope.audit with the module itself"),
        (nn.Conv2d(3, 2, 1).half(), r"holds weight as float16; .* copy.deepcopy\(model\).float\(\)"),
        (nn.Conv2d(3, 2, 1, device="meta"), "no values for weight yet"),
        (nn.LazyConv2d(2, 1), "no values for weight yet"),
    ],
)
def test_what_is_no_network_is_refused(data, tmp_path, model, message):
    with pytest.raises(filterscope.InputError, match=message):
        filterscope.audit(model, data, out=tmp_path / "run", **ASKED)
    assert not (tmp_path / "run").exists()


def test_a_module_that_cannot_be_copied_is_refused(data):
    module = nn.Conv2d(3, 2, 1)
    module.found = module.weight * 2  # a tensor inside the graph
    with pytest.raises(filterscope.InputError, match="Conv2d cannot be copied"):
        filterscope.audit(module, data)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"quantle": 0.01}, "unknown key 'quantle' in the options. Did you mean 'quantile'?"),
        ({"localize.shot": [3]}, "Did you mean 'localize.shots'?"),
        ({"methods": "disection"}, "Did you mean 'dissection'?"),
        ({"quantile": 2.0}, "the options: quantile: received 2.0"),
        ({"dissection": {"quantile": 2.0}}, "the options: [dissection] quantile: received 2.0"),
        ({"dissection": {"min_image": 3}}, "Did you mean 'min_images'?"),
        ({"mean": (127, 127, 127)}, "scale 0..1"),
        ({"methods": []}, "methods: received []; name one at least"),
        ({"layers": ()}, "layers: received (); name one at least"),
    ],
)
def test_what_is_no_option_is_refused_with_the_nearest(data, tmp_path, asked, message):
    with pytest.raises(filterscope.InputError) as error:
        filterscope.audit(planted.network(), data, out=tmp_path / "run", **asked)
    assert message in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_name_is_for_one_network(data):
    with pytest.raises(filterscope.InputError, match="name several with a dict"):
        filterscope.audit([planted.network(), planted.network()], data, name="mine")


def test_data_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(filterscope.InputError, match="no data set at"):
        filterscope.audit(planted.network(), tmp_path / "nothing", out=tmp_path / "run")
