"""What parses need: boxes of two categories or more, enough of each to learn from and to parse."""

from dataclasses import dataclass

import numpy as np

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.run.needs import Need
from filterscope.pipeline.run.plan import Plan

#: Fewest boxes of a category.
FEWEST = 4


@dataclass(frozen=True)
class Boxed(Need):
    """Boxes of two categories or more."""

    def check_plan(self, method: str, plan: Plan) -> None:
        """Refuse boxes that tell nothing apart."""
        from filterscope.pipeline.methods.parses.boxes import boxes_of

        boxes = boxes_of(plan, plan.models[0])
        counts = np.bincount(boxes.category[~boxes.flip], minlength=len(boxes.names)).tolist()
        large = [name for name, count in zip(boxes.names, counts, strict=True) if count >= FEWEST]
        if len(large) < 2:
            found = ", ".join(f"{name} {count}" for name, count in zip(boxes.names, counts, strict=True)) or "none"
            raise InputError(
                f"--methods {method} tells categories of boxes apart and needs two of {FEWEST} boxes or more (found: {found}); "
                "import objects with boxes, add --negatives to --views objects, name the attribute that says the class of an "
                f"image by --outputs.truth, or drop {method} from --methods"
            )


__all__ = ["FEWEST", "Boxed"]
