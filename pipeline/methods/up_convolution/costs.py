"""What up-convolutional inversion is projected to cost."""

from filterscope.pipeline.methods.up_convolution.options import UpConvolutionOptions
from filterscope.pipeline.run.plan import Plan

#: Pictures of each held-out view that the network is shown, and forward passes that the inverter takes as long as for one.
_SHOWN, _MADE = 12, 14
#: Images of a unit, with it and without.
_OF_A_UNIT = 16


def drawn(plan: Plan) -> float:
    """Return the forward passes through each network: inversions and their controls, of every layer."""
    asked = plan.of(UpConvolutionOptions)
    views, fitted = (min(count, plan.view_count) for count in (asked.views, asked.fitted))
    each = [
        2 * fitted + views * (_SHOWN + _MADE) + min(asked.sample, layer.channels) * _OF_A_UNIT
        for model in plan.models
        for layer in model.layers
    ]
    return sum(each) / max(len(plan.models), 1)


__all__ = ["drawn"]
