"""Which card a run is computed on: named where it is planned, in the fingerprint, and refused where it is another."""

import pytest

from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.methods.extraction import extract
from filterscope.pipeline.methods.extraction.extract import forward_step, parameters
from filterscope.pipeline.run import device
from filterscope.pipeline.run.device import LABEL, _is_of, accelerator_of, device_name, refuse_other_card
from tests.pipeline.methods.test_fingerprints import plan_with


def node(kind, gpus=1, alive=True):
    return {"Alive": alive, "Resources": {"GPU": gpus, "CPU": 4}, "Labels": {LABEL: kind} if kind else {}}


@pytest.fixture
def a_card(monkeypatch):
    monkeypatch.setattr(device, "card", lambda: "NVIDIA A100-SXM4-80GB")
    monkeypatch.setattr(device, "cluster_named", lambda: False)


def test_cores_have_no_name_and_keep_their_fingerprint():
    assert device_name("cpu", "") == ""
    plan = plan_with()
    assert "device_name" not in parameters(plan, plan.models[0])
    with pytest.raises(InputError, match="--accelerator T4 is a type of GPU, and the forward passes run on cores"):
        device_name("cpu", "T4")


def test_the_card_of_this_machine_is_named_and_held_against_what_is_asked(a_card):
    assert device_name("cuda", "") == device_name("cuda", "A100") == "NVIDIA A100-SXM4-80GB"
    with pytest.raises(
        InputError, match="--accelerator H100 was asked for, and this machine has NVIDIA A100-SXM4-80GB"
    ):
        device_name("cuda", "H100")


def test_other_cards_are_other_fingerprints():
    found = [
        parameters(plan, plan.models[0])
        for name in ("NVIDIA A100-SXM4-80GB", "Tesla T4")
        for plan in [plan_with(device="cuda", device_name=name)]
    ]
    assert found[0] != found[1]
    assert {**found[0], "device_name": "Tesla T4"} == found[1]


def test_of_several_types_one_must_be_chosen():
    nodes = [node("A100"), node("T4"), node("T4", alive=False), node("", gpus=0)]
    assert accelerator_of(nodes, "T4") == "T4"
    assert accelerator_of(nodes[1:], "") == "T4"
    assert accelerator_of([node("")], "") == ""
    assert accelerator_of([], "A100") == "A100"  # nodes may come when they are asked for
    with pytest.raises(InputError, match=r"several types \(A100, T4\), which give different floats"):
        accelerator_of(nodes, "")
    with pytest.raises(InputError, match=r"the cluster has A100, T4\. Did you mean 'T4'\?"):
        accelerator_of(nodes, "T40")


def test_a_worker_with_another_card_stops():
    refuse_other_card("", "Tesla T4")
    refuse_other_card("Tesla T4", "Tesla T4")
    with pytest.raises(RunError, match="this worker has Tesla T4, and the run was planned on Tesla V100"):
        refuse_other_card("Tesla V100", "Tesla T4")


def test_forward_passes_ask_for_nodes_with_the_label():
    step = forward_step(plan_with(device="cuda", accelerator="A100"), extract._Extractor)
    assert (step.gpus, step.labels) == (1, {LABEL: "A100"})
    assert forward_step(plan_with(), extract._Extractor).labels == {}


@pytest.mark.parametrize(
    ("name", "accelerator", "whether"),
    [
        ("NVIDIA A100-SXM4-80GB", "A100", True), ("NVIDIA A100-SXM4-40GB", "A100-40G", True),
        ("NVIDIA A100-SXM4-80GB", "A100-40G", False), ("NVIDIA A100-SXM4-80GB", "A10", False),
        ("NVIDIA L40S", "L4", False), ("NVIDIA L4", "l4", True), ("Tesla T4", "T4", True),
    ],
)  # fmt: skip
def test_a_card_is_known_by_whole_words_of_its_name(name, accelerator, whether):
    assert _is_of(name, accelerator) == whether
