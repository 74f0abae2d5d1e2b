"""Where the positions of a layer's maps lie between the pixels of the masks, by the anchoring of the run."""

from operators.anchoring import Axis, receptive_field_axis, resize_axis
from pipeline.models.layer import Layer
from pipeline.plan import Plan, PlannedModel


def axes_of(plan: Plan, model: PlannedModel, layer: Layer) -> tuple[Axis, Axis]:
    """Return how rows and columns of the masks sample the maps of a layer.

    A layer without a receptive field is refused when the run is planned, not here.
    """
    rows, columns = (_axis(plan, model, layer, which) for which in (0, 1))
    return rows, columns


def _axis(plan: Plan, model: PlannedModel, layer: Layer, which: int) -> Axis:
    positions, size = (layer.height, layer.width)[which], plan.mask_size(model)[which]
    if plan.options.anchoring == "resize" or layer.field is None:
        return resize_axis(positions, size)
    centre, stride = layer.field.centre[which], layer.field.stride[which]
    extent = model.transform.input_size[which]
    return receptive_field_axis(positions, size, extent=extent, centre=centre, stride=stride)
