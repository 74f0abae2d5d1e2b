"""What rules need: a file of them, and a network and a data set that have what they name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.methods.outputs.needs import scores_of_blank
from filterscope.pipeline.methods.rules.asked import concept_values, names_in, outputs_named
from filterscope.pipeline.methods.rules.options import RulesOptions
from filterscope.pipeline.run.needs import Need
from filterscope.pipeline.run.rule_file import rules_of

if TYPE_CHECKING:
    from filterscope.pipeline.models.layer import Layer
    from filterscope.pipeline.models.model import Model

#: Labels in rules at most where scores are those of labels each: the posterior is over all assignments of them.
MOST_LABELS = 10


@dataclass(frozen=True)
class Grounded(Need):
    """Rules whose labels are outputs of the network and whose concepts the data set knows."""

    def check_data(self, method: str, dataset: Dataset, settings: Mapping[str, Any]) -> None:
        """Refuse a run without rules, and concepts and strata that the data set does not have."""
        import pyarrow.compute as pc

        asked = RulesOptions.of(settings)
        rules = rules_of(asked.file)
        if not rules:
            raise InputError(
                f"--methods {method} needs rules on labels and concepts: state a TOML file with --rules.file"
            )
        concept_values(dataset, names_in(rules, "concept"))
        if asked.strata is not None:
            known = sorted(pc.unique(dataset.table("attributes")["attribute"]).to_pylist())
            if asked.strata not in known:
                others = f" Attributes are: {', '.join(known)}." if known else " It has no attributes at all."
                raise InputError(
                    f"--rules.strata: the data set {dataset.folder} has no attribute "
                    f"{asked.strata!r}.{did_you_mean(asked.strata, known) or others}"
                )

    def check_network(
        self, method: str, model: "Model", layers: "Sequence[Layer]", settings: Mapping[str, Any]
    ) -> None:
        """Refuse labels that are no outputs of the network, and too many of them."""
        from filterscope.pipeline.models.scores import class_names

        asked = RulesOptions.of(settings)
        names = class_names(model.spec, scores_of_blank(method, model).shape[1])
        outputs = outputs_named(rules_of(asked.file), names, model.name)
        if asked.scores == "sigmoid" and len(outputs) > MOST_LABELS:
            raise InputError(
                f"--rules.file: rules name {len(outputs)} labels; with --rules.scores sigmoid the posterior is over all "
                f"assignments of them, of at most {MOST_LABELS}. Split the rules over several runs"
            )


__all__ = ["MOST_LABELS", "Grounded"]
