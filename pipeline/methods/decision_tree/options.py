"""Options of decision trees."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, StrictStr

from filterscope.pipeline.methods.outputs.targets import TRUE, Target
from filterscope.pipeline.run.options import Options, at_most, option

#: Nodes that trees are cut into, beside the second layer, the root and the leaves.
CUTS = (2, 5, 10, 50, 100)
ALL = "all"


def _numbers(value: object) -> object:
    """Accept `2,5`, a number and lists of numbers."""
    if isinstance(value, str):
        try:
            value = [int(part) for part in value.split(",")]
        except ValueError:
            raise ValueError("whole numbers separated by commas, such as 2,5,10") from None
    value = [value] if isinstance(value, int) and not isinstance(value, bool) else value
    return tuple(value) if isinstance(value, list) else value


def _neighbours(value: object) -> object:
    """Accept a number as text."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else value


def _not_true(value: str | None) -> str | None:
    if value == TRUE:
        raise ValueError("predicted, the index of a class, such as 207, or of several, such as 7-24,80-100")
    return value


class DecisionTreeOptions(Options):
    """Which score of which views is explained, and how the tree is grown."""

    method: ClassVar[str] = "decision-tree"

    category: StrictStr | None = option(
        None,
        "category of the objects whose views are explained; unset: every one that is cropped, or all images predicted as the "
        "target",
    )
    target: Annotated[Target | None, AfterValidator(_not_true)] = option(
        None,
        "class whose score is explained: an index; indices such as 7-24,80-100, the one of highest score among these; "
        "predicted, each view's own; unset: the class that is named as the category, else the one predicted most often",
    )
    alpha: Literal["ones", "lasso", "binary"] = option(
        "ones", "which filters nodes keep: all, as a lasso weighs them, or those that backward elimination leaves"
    )
    omega: Literal["both", "positives"] = option(
        "both", "views that likelihoods are normalised over: positives and negatives, or positives alone"
    )
    negatives: Annotated[StrictInt, at_most(1_000_000, "more views than one tree takes")] = option(
        300, "views of no such object that scores are compared with, at most", ge=0
    )
    nearest: Annotated[
        Annotated[StrictInt, Field(ge=1), at_most(1_000_000, "more nodes than trees have")] | Literal["all"],
        BeforeValidator(_neighbours),
    ] = option(20, "nodes nearest by gradient that a node may be merged with; all tries every pair")
    cuts: Annotated[tuple[Annotated[StrictInt, Field(ge=2)], ...], BeforeValidator(_numbers)] = option(
        CUTS, "numbers of nodes that the tree is cut into"
    )
    most: Annotated[StrictInt, at_most(5_000, "time and memory grow with its square")] = option(
        2000, "views that a tree is grown from, at most", ge=1
    )
    deletions: Annotated[StrictInt, at_most(1_000_000, "each is a forward pass for every part")] = option(
        200, "views on which each part's filters are silenced, at most", ge=0
    )

    @property
    def neighbours(self) -> int | None:
        """How many nodes a node may be merged with, None for all."""
        return None if self.nearest == ALL else int(self.nearest)


__all__ = ["ALL", "CUTS", "DecisionTreeOptions"]
