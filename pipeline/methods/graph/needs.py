"""What all methods that learn from object crops need."""

from dataclasses import dataclass

from filterscope.pipeline.methods.graph.crops import refuse_without_graph
from filterscope.pipeline.run.needs import Need
from filterscope.pipeline.run.plan import Plan


@dataclass(frozen=True)
class Crops(Need):
    """Object crops as views, enough of each category to learn from."""

    def check_plan(self, method: str, plan: Plan) -> None:
        """Refuse whole images, and categories with too few crops."""
        refuse_without_graph(plan, method)


__all__ = ["Crops"]
