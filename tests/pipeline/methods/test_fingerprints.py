"""What a stage reads is exactly what its fingerprint holds, and runs of version 0.1 are still recognised."""

import json
from pathlib import Path

import pytest

from filterscope.pipeline.methods import registry
from filterscope.pipeline.methods.prints import RunPrints
from filterscope.pipeline.methods.stages import Stages, all_kinds
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.run.options import RunOptions
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.views.transform import Transform

#: Computed by the code of version 0.1 for the plans below.
FORMER = json.loads(Path(__file__).with_name("digests_0_1.json").read_text())
OPTIONS = {
    "defaults": {},
    "others": {
        "anchoring": "receptive_field", "geometry": "crop", "min_images": 3, "quantile": 0.02, "mask_size": 56,
        "unit_image": "top", "top_images": 9, "image_block": 32, "unit_block": 16, "activation_scale": 0.0625,
        "location_protocol": "interpretable-cnn", "occluder": 11, "occluder_step": 3, "field_images": 4,
        "field_units": 8, "graph_mode": "release", "graph_iterations": 5, "graph_heldout": 0.25,
    },
    "crops": {
        "views": "objects:bird", "flips": True, "negatives": True, "units": "3,17,40-47", "mask_mode": "survey",
    },
    "unstored": {"store": "none"},
}  # fmt: skip
STORES = ("zarr", "none")
#: Stages whose inputs are pinned here; those of a new method are its own affair.
PINNED = {
    "extract", "histograms", "thresholds", "tallies", "masks", "concepts", "dissect", "annotations", "null",
    "significance", "growth", "parts", "anchorings", "stability", "occlude", "fields", "locate", "local-features",
    "patterns", "graph", "graph-summary", "pattern-positions", "localize", "outputs", "gradients",
}  # fmt: skip


#: Stages that are defined anew since version 0.1, and computed again: all of them, or in the cases named.
REDEFINED = {"null": OPTIONS, "significance": {"defaults", "others", "crops"}, "growth": {"crops"}}


def plan_with(*, grouped=False, **settings):
    layers = tuple(Layer(name, "Conv2d", units, side, side, no_field="global") for name, units, side in LAYERS)
    transform = Transform((32, 48), 32, "bilinear", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    spec = ModelSpec("torchvision:resnet18@random:0")
    model = PlannedModel(spec, "net", "resnet18", "ab" * 32, transform, 1000, 4, layers)
    settings = {"actors": 0, "device": "cpu", **settings}
    return Plan(Path("/run"), Path("/data"), "d" * 64, 200, "2.13.0", (model,), settings, grouped=grouped)


LAYERS = (("a", 8, 16), ("b", 16, 8))


@pytest.mark.parametrize("case", OPTIONS)
def test_markers_of_version_0_1_are_recognised(case):
    plan = plan_with(**OPTIONS[case])
    stages, (model,) = Stages(plan), plan.models
    found = {}
    for name in FORMER[case]:
        kind = stages.kind(name)
        own = RunPrints(plan, [kind]) if case == "unstored" and name == "significance" else stages.prints
        found[name] = own.former(kind, model) or own.of(kind, model).digest
    known = {name for name in FORMER[case] if found[name] == FORMER[case][name]}
    assert known == {name for name in FORMER[case] if case not in REDEFINED.get(name, ())}


@pytest.mark.parametrize("store", STORES)
def test_a_fingerprint_holds_what_its_stage_reads_and_nothing_else(store):
    plan = plan_with(store=store)
    prints, (model,) = Stages(plan).prints, plan.models
    for kind in all_kinds(plan.options):
        if kind.same_as is not None:
            continue
        parameters = kind.parameters(plan, model)
        read = {stated for name in (*prints.read(kind), *kind.like) for stated in prints.stated(name, model)}
        assert prints.stated(kind.name, model) == read | {(kind.name, parameter) for parameter in parameters}, kind.name
        assert prints.of(kind, model).parameters == parameters
        # each input says something that the others do not
        inputs = set(prints.of(kind, model).inputs)
        for name in inputs - set(kind.like):
            others = {stated for other in inputs - {name} for stated in prints.stated(other, model)}
            assert not prints.stated(name, model) <= others, (kind.name, name)


def test_what_is_like_another_stage_without_reading_it_is_known():
    kinds = [kind for store in STORES for kind in all_kinds(RunOptions(store=store))]
    like = dict.fromkeys(("histograms", "outputs", "gradients"), ("extract",))
    assert not PINNED - {kind.name for kind in kinds}
    assert {kind.name: kind.like for kind in kinds if kind.like and kind.name in PINNED} == like
    same = {kind.name: kind.same_as.name for kind in kinds if kind.same_as and kind.name in PINNED}
    assert same == {"dissect": "dissect"}


@pytest.mark.parametrize("store", STORES)
def test_two_stages_of_one_name_are_one_stage(store):
    plan, named = plan_with(store=store), {}
    for method in registry.METHODS:
        for kind in method.stages(plan.options):
            assert named.setdefault(kind.name, kind) == kind, (
                f"{method.name} calls a stage {kind.name}, as another method does"
            )


#: Options that say which work there is, and so stand in the places of keys.
IN_KEYS = {
    "localize.shots", "localize.category", "localize.model", "localize.layers", "attribution.methods",
    "vulnerable.attacks", "vulnerable.eps", "vulnerable.pixels", "and-or.seeds",
}  # fmt: skip


@pytest.mark.parametrize("store", STORES)
def test_every_option_of_a_method_is_in_a_fingerprint(store):
    """Another value of any option that results depend on gives another fingerprint of a stage of its method."""
    plan = plan_with(store=store, grouped=True)
    for method in registry.METHODS:
        kinds = method.stages(plan.options) if store == "zarr" or method.unstored else ()
        for field, flat in method.options.flat_names().items():
            other = another(method.options, field)
            changed = plan.with_options(**{flat: other})
            before, after = (
                {kind.name: p.prints.of(kind.name, plan.models[0]).digest for kind in kinds}
                for p in (Stages(plan), Stages(changed))
            )
            found = before != after or flat in IN_KEYS
            assert not kinds or found, f"{flat} is in no fingerprint of {method.name}"


def another(options, field):
    """Return a valid value of an option that is not its default."""
    default = options.model_fields[field].default
    for value in (7, 0.125, True, False, "release", "top", "survey", "receptive_field", "interpretable-cnn", "1,2", "a",
                  ("a",), (0.25,), ("occlusion",), "lasso", "positives", "cg", ("pgd",), ("a,b,+",),
                  ("eye,0,0,1,1,",), ("grey",), ("a,1,label:a",), "sigmoid", "sum", "share", "attributes", "centre",
                  "factory:a:b", "top:7"):  # fmt: skip
        try:
            if getattr(options(**{field: value}), field) != default:
                return value
        except ValueError:
            continue
    raise AssertionError(f"no other value is known for {field} of {options.__name__}")


def test_stages_that_read_each_other_are_refused():
    from dataclasses import replace

    from filterscope.pipeline.methods.stages import _in_order

    kinds = all_kinds(RunOptions())
    masks = next(kind for kind in kinds if kind.name == "masks")
    concepts = next(kind for kind in kinds if kind.name == "concepts")
    circle = [*(kind for kind in kinds if kind.name != "masks"), replace(masks, reads=concepts.writes)]
    with pytest.raises(ValueError, match=r"in a circle: .*masks"):
        _in_order(circle)


def test_every_stage_comes_after_what_it_reads():
    for store in STORES:
        seen = set()
        for kind in all_kinds(RunOptions(store=store)):
            own = {artifact.name for artifact in kind.writes}
            assert {artifact.name for artifact in kind.reads} <= seen | own
            seen |= own


@pytest.mark.parametrize(
    ("stage", "outdated"),
    [
        ("occlude", {"occlude", "fields"}),
        ("locate", {"locate"}),
        ("null", {"null", "significance"}),
        ("patterns", {"patterns"}),
        (
            "masks",
            {"masks", "concepts", "dissect", "annotations", "null", "significance", "parts", "anchorings", "stability"}
            | {"growth"},
        ),
    ],
)
def test_dependents(stage, outdated):
    stages = Stages(plan_with(methods=("dissection",)))
    assert stages.dependents([stage]) & PINNED == outdated
    assert stages.dependents(["extract"]) & PINNED == set(stages.names()) & PINNED - {"masks"}
