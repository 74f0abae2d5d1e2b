"""What the audit of codes needs: factors to compare with, and encoders and decoders that keep to their form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.codes.factors import stated
from filterscope.pipeline.methods.codes.options import CodesOptions
from filterscope.pipeline.methods.codes.subjects import shapes_asked
from filterscope.pipeline.run.needs import Need

if TYPE_CHECKING:
    from filterscope.pipeline.models.layer import Layer
    from filterscope.pipeline.models.model import Model
    from filterscope.pipeline.run.plan import Plan


@dataclass(frozen=True)
class Factors(Need):
    """Attributes that vary, or images whose shapes are measured."""

    def check_data(self, method: str, dataset: Dataset, settings: Mapping[str, Any]) -> None:
        """Refuse attributes that are not there, and an independent classifier that does not open."""
        asked = CodesOptions.of(settings)
        found = stated(dataset, asked.attributes)
        if asked.factors == "attributes" and not found.names:
            raise InputError(
                f"the data set {dataset.folder} states no attribute of images that varies, so there are no factors to compare "
                "codes with; import some with `filterscope import attributes`, or set --codes.factors morphometry"
            )
        if asked.classifier is not None:
            from filterscope.pipeline.methods.codes.classifier import Classifier

            try:
                Classifier(asked.classifier, "cpu")
            except InputError as error:
                raise InputError(f"--codes.classifier: {error}") from error

    def check_network(
        self, method: str, model: "Model", layers: "Sequence[Layer]", settings: Mapping[str, Any]
    ) -> None:
        """Refuse an encoder or decoder that does not keep to its form."""
        from filterscope.pipeline.models.coder import coding_of

        coding_of(model.module, (model.transform.channels, *model.transform.input_size), model.name)

    def check_plan(self, method: str, plan: "Plan") -> None:
        """Refuse models for which there is nothing to compare codes with."""
        asked = plan.of(CodesOptions)
        if asked.factors != "morphometry" and stated(Dataset(plan.data), asked.attributes).names:
            return
        for model in plan.models:
            decodes = bool(model.coding and model.coding.decodes)
            if not shapes_asked(asked.factors, model.transform.channels, decodes):
                raise InputError(
                    f"there are no factors to compare the codes of {model.name} with: the data set {plan.data} states no "
                    "attribute of images that varies, and shapes are measured where a network decodes or takes grey images; "
                    "import attributes, or set --codes.factors morphometry for images of one light object on a dark background"
                )


__all__ = ["Factors"]
