"""What class scores need: a network that gives them, and an attribute that is there where one is named."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.methods.outputs.options import TRUTH, OutputsOptions
from filterscope.pipeline.run.needs import Need

if TYPE_CHECKING:
    from torch import Tensor

    from filterscope.pipeline.models.layer import Layer
    from filterscope.pipeline.models.model import Model


@dataclass(frozen=True)
class Scores(Need):
    """A network that gives class scores, and the names of as many classes."""

    def check_network(
        self, method: str, model: "Model", layers: "Sequence[Layer]", settings: Mapping[str, Any]
    ) -> None:
        """Run a blank image through the network and refuse an output without class scores."""
        from filterscope.pipeline.models.scores import class_names

        class_names(model.spec, scores_of_blank(method, model).shape[1])


@dataclass(frozen=True)
class TrueClasses(Need):
    """The attribute that holds true classes, where the method cannot do without or the user named one.

    Attributes
    ----------
    always : bool
        Whether the method cannot do without.
    """

    always: bool = False

    def check_data(self, method: str, dataset: Dataset, settings: Mapping[str, Any]) -> None:
        """Refuse a data set without the attribute."""
        truth = OutputsOptions.of(settings).truth
        if truth == TRUTH and not self.always:
            return
        known = sorted(pc.unique(dataset.table("attributes")["attribute"]).to_pylist())
        if truth not in known:
            others = f" Attributes are: {', '.join(known)}." if known else " It has no attributes at all."
            raise InputError(
                f"the data set {dataset.folder} has no attribute {truth!r}, which --methods {method} takes true classes "
                f"from; name another with --outputs.truth.{did_you_mean(truth, known) or others}"
            )


def scores_of_blank(method: str, model: "Model") -> "Tensor":
    """Return the class scores, of shape (1, classes), of a blank image.

    Raises
    ------
    InputError
        If the network gives none.
    """
    import torch

    from filterscope.pipeline.models.absent import refuse_dependent
    from filterscope.pipeline.models.scores import scores_of

    with torch.inference_mode():
        output = model.module(torch.zeros(1, model.transform.channels, *model.transform.input_size))
    with refused(method, model.name):
        found = scores_of(output)
    refuse_dependent(model, (), scores=True)
    return found


@contextmanager
def refused(method: str, model: str) -> Iterator[None]:
    """Say which network and method an `InputError` is about."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{model}: {error}. Drop {method} from --methods, or the model.") from error


__all__ = ["Scores", "TrueClasses", "refused", "scores_of_blank"]
