"""Which views are explained, which class, and which views are negatives; what cannot be is refused before anything runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.methods.decision_tree.options import DecisionTreeOptions
from filterscope.pipeline.methods.outputs.options import OutputsOptions
from filterscope.pipeline.methods.outputs.targets import candidates, refuse_absent
from filterscope.pipeline.run.needs import Need
from filterscope.pipeline.run.plan import Plan, PlannedModel

if TYPE_CHECKING:
    from filterscope.pipeline.models.layer import Layer
    from filterscope.pipeline.models.model import Model

_FLAG = "--decision-tree."
#: Why a target was taken.
ASKED, NAMED, OFTEN = "asked", "named as the category", "predicted most often"


@dataclass(frozen=True)
class Explainable(Need):
    """A category that is in the run, a class that is scored, and layers with places that the scores depend on."""

    def check_layers(self, method: str, model: str, layers: "Sequence[Layer]", settings: Mapping[str, Any]) -> None:
        """Refuse layers after global pooling."""
        for layer in layers:
            if layer.height * layer.width < 2:
                raise InputError(
                    f"layer {layer.name!r} of {model} comes after global pooling: its maps have a single position, so that "
                    f"its units stand for no parts; choose an earlier layer, or drop {method} from --methods"
                )

    def check_network(
        self, method: str, model: "Model", layers: "Sequence[Layer]", settings: Mapping[str, Any]
    ) -> None:
        """Refuse a class that is not scored, and a layer without influence."""
        from filterscope.pipeline.methods.gradients.needs import differentiate_blank
        from filterscope.pipeline.methods.outputs.needs import scores_of_blank

        count, target = scores_of_blank(method, model).shape[1], DecisionTreeOptions.of(settings).target
        if target is not None:
            refuse_absent(f"{_FLAG}target", target, count, model.name)
        differentiate_blank(method, model, layers)

    def check_plan(self, method: str, plan: Plan) -> None:
        """Refuse a category that is not in the run."""
        asked, known = plan.of(DecisionTreeOptions).category, known_categories(plan)
        if asked is not None and asked not in known:
            there = (
                f" Categories are: {', '.join(known)}." if known else " It has neither objects nor classes of images."
            )
            raise InputError(
                f"{_FLAG}category {asked}: no view of {plan.data} shows one.{did_you_mean(asked, known) or there}"
            )


def known_categories(plan: Plan) -> list[str]:
    """Return the categories of a run: of its crops; of whole images, those of their objects and their classes."""
    if plan.options.view_settings.of_objects:
        return sorted({category for category in plan.views.category if category is not None})
    dataset = Dataset(plan.data)
    stated = dataset.table("attributes")
    classes = stated.filter(pc.equal(stated["attribute"], plan.of(OutputsOptions).truth))["value"].to_pylist()
    return sorted({*dataset.table("objects")["category"].to_pylist(), *classes})


def categories_asked(plan: Plan) -> list[str | None]:
    """Return the category asked for, or all of a run's crops; None stands for whole images that show the target."""
    asked = plan.of(DecisionTreeOptions).category
    if asked is not None:
        return [asked]
    return list(known_categories(plan)) if plan.options.view_settings.of_objects else [None]


@dataclass(frozen=True)
class Question:
    """What is asked of the views of one category.

    Attributes
    ----------
    category : str, optional
        The category.
    target : str
        A class, classes, or `targets.PREDICTED`.
    by : str
        Why.
    members, negatives : int64 ndarrays
        Views that show it, and views that scores are compared with, ascending.
    """

    category: str | None
    target: str
    by: str
    members: np.ndarray
    negatives: np.ndarray

    @classmethod
    def of(cls, plan: Plan, category: str | None, best: np.ndarray, names: Sequence[str]) -> "Question":
        """Settle what is asked.

        Parameters
        ----------
        plan : Plan
            The run.
        category : str, optional
            One of `categories_asked`.
        best : int64 ndarray of shape (views,)
            Class of highest score of each view; -1 where a view was not decoded.
        names : sequence of str
            Names of the classes.
        """
        asked = plan.of(DecisionTreeOptions)
        usable = (best >= 0) & ~plan.views.flip
        shows = usable & (_shows(plan, category) if category is not None else True)
        target, by = _target(asked.target, category, best[shows], names)
        if category is None:
            shows = usable & np.isin(best, candidates(target, len(names)))
        members, negatives = np.flatnonzero(shows), np.flatnonzero(usable & ~shows)
        return cls(
            category,
            target,
            by,
            _some(plan, members, asked.most, "members"),
            _some(plan, negatives, asked.negatives, "negatives"),
        )


def _target(asked: str | None, category: str | None, best: np.ndarray, names: Sequence[str]) -> tuple[str, str]:
    if asked is not None:
        return asked, ASKED
    named = [index for index, name in enumerate(names) if category is not None and name.lower() == category.lower()]
    if len(named) == 1:
        return str(named[0]), NAMED
    return str(np.bincount(best, minlength=1).argmax()), OFTEN


def _shows(plan: Plan, category: str) -> np.ndarray:
    """Return which views show a category: crops of it, or whole images of it or with an object of it."""
    if plan.options.view_settings.of_objects:
        return np.array([of_view == category for of_view in plan.views.category])
    dataset = Dataset(plan.data)
    objects, stated = dataset.table("objects"), dataset.table("attributes")
    classes = pc.and_(pc.equal(stated["attribute"], plan.of(OutputsOptions).truth), pc.equal(stated["value"], category))
    showing = [objects.filter(pc.equal(objects["category"], category))["image"], stated.filter(classes)["image"]]
    return np.isin(plan.views.image, np.concatenate([images.to_numpy() for images in showing]))


def _some(plan: Plan, views: np.ndarray, most: int, what: str) -> np.ndarray:
    """Return at most so many views, ascending, drawn by what they are of and not by their number."""
    if len(views) <= most:
        return views
    of = zip(plan.views.image[views].tolist(), plan.views.object[views].tolist(), strict=True)
    drawn = np.argsort(np.array([seed_of("decision-tree", what, *pair) % 2**62 for pair in of]), kind="stable")
    return np.sort(views[drawn[:most]])


def parameters(plan: Plan, model: PlannedModel) -> dict[str, Any]:
    """Return what questions depend on beside the predictions."""
    asked = plan.of(DecisionTreeOptions)
    return {"category": asked.category, "target": asked.target, "negatives": asked.negatives, "most": asked.most}


__all__ = ["Explainable", "Question", "categories_asked", "known_categories", "parameters"]
