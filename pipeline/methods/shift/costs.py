"""What following takes: two forward passes for each view that is shifted."""

import numpy as np

from filterscope.pipeline.methods.shift.options import ShiftOptions
from filterscope.pipeline.methods.shift.stage import categories_of
from filterscope.pipeline.run.plan import Plan


def drawn(plan: Plan) -> float:
    """Return the forward passes through each network, of at most so many views of each category, none mirrored."""
    category = np.array(plan.views.category, object)[~plan.views.flip]
    counts = [np.count_nonzero([one == name for one in category]) for name in categories_of(plan)]
    return float(sum(2 * min(int(count), plan.of(ShiftOptions).views) for count in counts))


__all__ = ["drawn"]
