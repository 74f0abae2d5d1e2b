"""Which stages an audit consists of: what comes before the activations, the activations, and what each metric reads of them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from filterscope.pipeline.engine.stage import Stage
from filterscope.pipeline.run.plan import Plan

#: Order of the stages: each reads what earlier ones wrote.
STAGES = (
    "masks",
    "extract",
    "histograms",
    "concepts",
    "thresholds",
    "tallies",
    "dissect",
    "annotations",
    "null",
    "significance",
    "growth",
    "parts",
    "anchorings",
    "stability",
    "occlude",
    "fields",
    "locate",
    "local-features",
    "patterns",
    "graph",
    "graph-summary",
    "pattern-positions",
)

#: Stages whose outputs each stage reads.
DEPENDS: Mapping[str, tuple[str, ...]] = {
    "masks": (),
    "extract": (),
    "concepts": ("masks", "extract"),
    "histograms": ("extract",),
    "thresholds": ("histograms",),
    "tallies": ("thresholds", "concepts", "masks"),
    "dissect": ("extract", "concepts", "thresholds", "tallies"),
    "annotations": ("masks", "extract"),
    "null": ("dissect", "annotations"),
    "significance": ("null", "tallies", "concepts"),
    "growth": ("dissect", "annotations"),
    "parts": ("dissect",),
    "anchorings": ("dissect",),
    "stability": ("dissect",),
    "occlude": ("extract",),
    "fields": ("occlude",),
    "locate": ("extract",),
    "local-features": ("extract",),
    "patterns": ("extract", "local-features"),
    "graph": ("extract",),
    "graph-summary": ("graph",),
    "pattern-positions": ("extract", "local-features"),
}

#: Stages that read whole maps; the others read their maxima at most, which outlive the maps.
READ_MAPS = frozenset(
    {
        "dissect",
        "null",
        "growth",
        "parts",
        "anchorings",
        "stability",
        "locate",
        "local-features",
        "patterns",
        "graph",
        "pattern-positions",
    }
)

#: Stages of each metric, in order.
METRICS = {
    "dissection": ("concepts", "dissect"),
    "significance": ("concepts", "dissect", "annotations", "null", "significance"),
    "growth": ("concepts", "dissect", "annotations", "growth"),
    "parts": ("concepts", "dissect", "parts"),
    "anchorings": ("concepts", "dissect", "anchorings"),
    "stability": ("concepts", "dissect", "stability"),
    "location": ("locate",),
    "receptive-field": ("occlude", "fields"),
    "patterns": ("local-features", "patterns"),
    "graph": ("graph", "graph-summary"),
    "pattern-positions": ("local-features", "pattern-positions"),
}


#: Stages of each metric where activations are not stored: what the others read is not there.
METRICS_UNSTORED = {
    "dissection": ("concepts", "thresholds", "tallies", "dissect"),
    "significance": ("concepts", "thresholds", "tallies", "dissect", "significance"),
    "anchorings": (),  # a second tally would take a third forward pass
}


def dependents(stage: str) -> set[str]:
    """Return a stage and all that read, directly or through others, what it writes."""
    found = {stage}
    for name in STAGES:  # in order, so that what a stage reads comes before it
        if found & set(DEPENDS[name]):
            found.add(name)
    return found


def before_extract(plan: Plan) -> list[Stage]:
    """Return the stages that need no activations."""
    from filterscope.pipeline.methods.dissection.masks import masks_stage

    return [masks_stage(plan)] if "concepts" in _wanted(plan) else []


def extract(plan: Plan, factories: dict[str, Callable[[], Any]] | None = None) -> Stage:
    """Return the stage that computes the activations, and where they are not stored their histograms."""
    from filterscope.pipeline.methods.extraction.extract import extract_stage
    from filterscope.pipeline.methods.extraction.histograms import histograms_stage

    return (extract_stage if plan.options.stored else histograms_stage)(plan, factories or {})


def analyses(plan: Plan, factories: dict[str, Callable[[], Any]] | None = None) -> Callable[[Plan], Sequence[Stage]]:
    """Return the function that gives, for a part of the plan, the stages that the metrics of the run need."""
    from filterscope.pipeline.methods.anchorings.stage import anchorings_stage
    from filterscope.pipeline.methods.dissection.annotations import annotations_stage
    from filterscope.pipeline.methods.dissection.concepts import concepts_stage
    from filterscope.pipeline.methods.dissection.dissect import dissect_stage
    from filterscope.pipeline.methods.dissection.tallies import tallies_stage
    from filterscope.pipeline.methods.dissection.thresholds import thresholds_stage
    from filterscope.pipeline.methods.graph.learn import graph_stages
    from filterscope.pipeline.methods.graph.summary import graph_summary_stage
    from filterscope.pipeline.methods.growth.stage import growth_stage
    from filterscope.pipeline.methods.location.locate import locate_stage
    from filterscope.pipeline.methods.parts.stage import parts_stage
    from filterscope.pipeline.methods.pattern_positions.stage import pattern_positions_stage
    from filterscope.pipeline.methods.patterns.cluster import patterns_stage
    from filterscope.pipeline.methods.patterns.local_features import local_features_stage
    from filterscope.pipeline.methods.receptive_field.fields import fields_stage
    from filterscope.pipeline.methods.receptive_field.occlude import occlude_stage
    from filterscope.pipeline.methods.significance.null import null_stage
    from filterscope.pipeline.methods.significance.significance import significance_stage
    from filterscope.pipeline.methods.stability.stage import stability_stage

    makers = {
        "concepts": concepts_stage,
        "thresholds": thresholds_stage,
        "tallies": partial(tallies_stage, factories=factories or {}),
        "dissect": dissect_stage,
        "locate": locate_stage,
        "local-features": local_features_stage,
        "patterns": patterns_stage,
        "annotations": annotations_stage,
        "null": null_stage,
        "significance": significance_stage,
        "parts": parts_stage,
        "growth": growth_stage,
        "anchorings": anchorings_stage,
        "stability": stability_stage,
        "occlude": partial(occlude_stage, factories=factories),
        "fields": fields_stage,
        "graph-summary": graph_summary_stage,
        "pattern-positions": pattern_positions_stage,
    }
    wanted = _wanted(plan)

    def made(part: Plan, name: str) -> list[Stage]:
        # a graph is learned layer by layer, from the top
        return graph_stages(part) if name == "graph" else [makers[name](part)]

    return lambda part: [stage for name in STAGES if name in wanted for stage in made(part, name)]


def _wanted(plan: Plan) -> set[str]:
    stages = METRICS if plan.options.stored else METRICS_UNSTORED
    return {name for metric in plan.options.metrics for name in stages[metric]}


def stages_of(plan: Plan) -> list[Stage]:
    """Return all stages of a plan, in the order they run."""
    return [*before_extract(plan), extract(plan), *analyses(plan)(plan)]
