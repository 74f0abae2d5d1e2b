"""What equivariance to shifts needs: enough views of some category."""

from dataclasses import dataclass

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.shift.options import FEWEST
from filterscope.pipeline.methods.shift.stage import categories_of, shifted_views
from filterscope.pipeline.run.needs import Need
from filterscope.pipeline.run.plan import Plan


@dataclass(frozen=True)
class Pairs(Need):
    """As many pairs of crops as a result rests on."""

    def check_plan(self, method: str, plan: Plan) -> None:
        """Refuse a run in which no unit could have a result."""
        most = max(len(shifted_views(plan, category)) for category in categories_of(plan))
        if most < FEWEST:
            raise InputError(
                f"--methods {method} needs {FEWEST} pairs of crops, one of each view, and no category has more than {most}: "
                "add images, or raise --shift.views"
            )


__all__ = ["Pairs"]
