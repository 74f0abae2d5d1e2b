"""What an audit of codes takes: images that are decoded and measured, and what codes are compared with."""

from collections.abc import Callable, Mapping
from time import thread_time
from typing import Any

import numpy as np

from filterscope.operators.codes.dependence import PERMUTATIONS
from filterscope.operators.codes.equivariance import TRANSFORMS
from filterscope.operators.codes.morphometry import FACTORS
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.methods.codes.factors import stated
from filterscope.pipeline.methods.codes.options import CodesOptions
from filterscope.pipeline.methods.codes.subjects import Subject, measures_shapes, subjects
from filterscope.pipeline.run.plan import Plan, PlannedModel

_BATCH, _REPEATS = 64, 3


def drawn(plan: Plan) -> float:
    """Return the forward passes of drawn views through each network, transformed ones among them."""
    asked = plan.of(CodesOptions)
    return min(asked.images, plan.view_count) + len(TRANSFORMS) * min(asked.moved, plan.view_count)


def planned(factors: Mapping[str, float], plan: Plan, views: int) -> dict[str, float]:
    """Return core seconds of all networks; decoding and classifying an image are timed on the spot."""
    return {"codes": sum(_seconds(factors, plan, model, views) for model in plan.models)}


def decoded(plan: Plan, subject: Subject) -> int:
    """Return the images that are decoded of a subject: bases at every step along every code and random direction."""
    asked = plan.of(CodesOptions)
    along = subject.dims + asked.directions
    return subject.groups * along * asked.bases * asked.steps if subject.decodes else 0


def _seconds(factors: Mapping[str, float], plan: Plan, model: PlannedModel, views: int) -> float:
    asked, images = plan.of(CodesOptions), min(plan.of(CodesOptions).images, views)
    shapes = measures_shapes(plan, model)
    known = len(stated(Dataset(plan.data), asked.attributes).names) if asked.factors != "morphometry" else 0
    compared = known + len(FACTORS) * shapes
    kilopixels = np.prod(model.transform.input_size) / 1e3
    total = images * shapes * kilopixels * factors["code_shape"]
    for subject in subjects(model):
        # random directions are compared once and permuted once, codes as often as images are permuted
        others = 0 if subject.decodes else 2 * asked.directions / (PERMUTATIONS + 1)
        pairs = subject.groups * (subject.dims + others) * compared if subject.encodes else 0
        total += images * pairs * factors["code_pair"]
        if subject.decodes:
            total += decoded(plan, subject) * (kilopixels * factors["code_shape"] + _decoding(plan, model, subject))
    return float(total)


def _decoding(plan: Plan, model: PlannedModel, subject: Subject) -> float:
    """Time decoding an image, and classifying it where that is asked for."""
    import torch

    from filterscope.pipeline.methods.codes.classifier import Classifier
    from filterscope.pipeline.models.coder import coder_of
    from filterscope.pipeline.models.model import open_model

    opened, classifier = open_model(model.spec), plan.of(CodesOptions).classifier
    coder: Any = coder_of(opened.module.eval())
    codes = torch.zeros(_BATCH, subject.dims)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            images = coder.decode(codes, 0).mean(1).clamp(0, 1).numpy()
            taken = _least(lambda: coder.decode(codes, 0))
        if classifier is not None:
            named = Classifier(classifier, "cpu")
            taken += _least(lambda: named(images))
    finally:
        torch.set_num_threads(threads)
    return taken / _BATCH


def _least(run: Callable[[], object]) -> float:
    found = []
    for _ in range(_REPEATS):
        began = thread_time()
        run()
        found.append(thread_time() - began)
    return min(found)


__all__ = ["decoded", "drawn", "planned"]
