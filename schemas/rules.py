"""Whether networks obey rules that a person writes, and what imposing these does to their answers."""

import pyarrow as pa

from filterscope.schemas.columns import IMAGE, MODEL, VIEW, column, table

_RULE = column("rule", pa.string(), "name of the rule")
_NO_CONSEQUENT = "the rule is no implication, so that nothing can be permuted"
_NO_TRUTH = "the data set does not state the labels of the rule on any view"

RULE_TRUTH = table(
    MODEL,
    _RULE,
    column("text", pa.string(), "the rule as written"),
    column("weight", pa.float64(), "its weight"),
    column("groundings", pa.int64(), "views of which all that the rule names is known"),
    column("fires", pa.int64(), "of these, where its antecedent has a truth of 0.5 or more", null=_NO_CONSEQUENT),
    column("truth", pa.float64(), "mean truth over the groundings, from 0 to 1", null="no groundings"),
    column("violations", pa.int64(), "groundings with a truth below 0.5"),
    column(
        "null",
        pa.float64(),
        "mean truth with the consequent permuted over images",
        null=f"{_NO_CONSEQUENT}; no groundings",
    ),
    column(
        "lift",
        pa.float64(),
        "share of what is untrue by chance that is not: 1 never broken, 0 as by chance, negative broken more often",
        null=f"{_NO_CONSEQUENT}; no groundings; or nothing is untrue by chance",
    ),
    column(
        "q_value",
        pa.float64(),
        "false discovery rate, over the rules of the model, of being as true under permuted images",
        null=f"{_NO_CONSEQUENT}; no groundings",
    ),
    column("truth_in_data", pa.float64(), "mean truth with the labels that the data set states", null=_NO_TRUTH),
    column("stated", pa.int64(), "views on which it states all that the rule names"),
)

RULE_POSTERIORS = table(
    MODEL,
    column("rule", pa.string(), "the only rule that is imposed", null="all rules are"),
    column("strength", pa.float64(), "strength C with which rules are imposed"),
    column("views", pa.int64(), "views with known labels on which a rule has a grounding"),
    column("changed", pa.int64(), "of these, views whose answer the rules change"),
    column("accuracy_p", pa.float64(), "accuracy of the network", null=_NO_TRUTH),
    column("accuracy_q", pa.float64(), "accuracy of the posterior", null=_NO_TRUTH),
    column("difference", pa.float64(), "accuracy of the posterior less that of the network", null=_NO_TRUTH),
    column("low", pa.float64(), "lower end of its 95 % interval", null=f"{_NO_TRUTH}, or of one group of images alone"),
    column(
        "high", pa.float64(), "upper end of its 95 % interval", null=f"{_NO_TRUTH}, or of one group of images alone"
    ),
    column(
        "accuracy_permuted",
        pa.float64(),
        "accuracy of the posterior with concepts of other images, permuted, on average",
        null=f"{_NO_TRUTH}; or no rule names a concept",
    ),
)

RULE_VIOLATIONS = table(
    MODEL,
    _RULE,
    column("rank", pa.int32(), "place among the groundings of the rule, that of least truth first, from 0"),
    IMAGE,
    VIEW,
    column("truth", pa.float64(), "truth of the rule there; less than 1"),
)
