"""What localising a part reads of a run: the part on the crops of a category, and what nodes and filters find there."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from filterscope.operators.localization.patches import Lattice
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.engine.keys import blocks
from filterscope.pipeline.methods.graph.crops import GraphViews
from filterscope.pipeline.methods.graph.rows import parts_of, read_nodes
from filterscope.pipeline.models.layer import Layer
from filterscope.pipeline.run.plan import Plan, PlannedModel
from filterscope.pipeline.stores.activations import ActivationStore
from filterscope.pipeline.views.sightings import Sightings, open_sightings


@dataclass(frozen=True)
class PartViews:
    """A part on the I crops of a category that a graph is learned from or tested on.

    Attributes
    ----------
    part : str
        Name of the landmark.
    views : GraphViews
        The crops, mirrored ones too.
    image : int64 ndarray of shape (I,)
        Source images.
    centre, size : float64 ndarrays of shape (I, 2)
        y and x, height and width of the part in the network input; NaN where a crop does not show it exactly once, and of
        sizes where it has no box.
    mirror : int64 ndarray of shape (I,)
        Row of the mirror image of a crop; -1 where the run has none.
    """

    part: str
    views: GraphViews
    image: np.ndarray
    centre: np.ndarray
    size: np.ndarray
    mirror: np.ndarray

    @classmethod
    def of(cls, plan: Plan, model: PlannedModel, category: str, part: str, *, extracted: bool = False) -> "PartViews":
        """Find a part on the crops of a category; once they are `extracted`, those that could not be read are left out.

        Its landmark must be among `landmarks_of` the crops.
        """
        sightings, views = _sightings(plan, model), GraphViews.of(plan, category)
        if extracted:
            views = readable(plan, model, views)
        stratum = sightings.strata.index((category, part))
        return cls(
            part,
            views,
            plan.views.image[views.view].astype(np.int64),
            sightings.places(stratum, views.view),
            sightings.sizes(stratum, views.view),
            _mirrors(plan, views.view),
        )

    @property
    def seen(self) -> np.ndarray:
        """Crops, not mirrored, that show the part once, bool of shape (I,)."""
        return ~np.isnan(self.centre[:, 0]) & ~self.views.flip

    @property
    def annotatable(self) -> np.ndarray:
        """Rows of the crops that may be annotated: those of images that the graph is learned from."""
        return np.flatnonzero(self.seen & ~self.views.heldout)

    @property
    def heldout(self) -> np.ndarray:
        """Rows of the crops that the part is looked for on."""
        return np.flatnonzero(self.seen & self.views.heldout)

    @property
    def no_box(self) -> str | None:
        """Why boxes cannot be measured, None if they can."""
        used = np.concatenate([self.annotatable, self.heldout])
        lacking = int(np.isnan(self.size[used]).any(axis=1).sum())
        if not lacking:
            return None
        which = "the data set marks it as a point" if lacking == len(used) else f"{lacking} of {len(used)} are points"
        return f"{which}; import a data set whose landmarks have width and height"


def landmarks_of(plan: Plan, model: PlannedModel, category: str) -> list[str]:
    """Return the landmarks that crops of a category have, by name."""
    return sorted(name for of, name in _sightings(plan, model).strata if of == category)


def _sightings(plan: Plan, model: PlannedModel) -> Sightings:
    geometry = model.geometry(plan.options.geometry)
    return open_sightings(plan.data, plan.data_identity, plan.options.view_settings, geometry)


def readable(plan: Plan, model: PlannedModel, views: GraphViews) -> GraphViews:
    """Leave out crops that could not be read."""
    maxima = ActivationStore(plan.run, model.name, model.layers[0].name).read_maxima(0, plan.view_count, slice(0, 1))
    return views.only(~np.isnan(maxima[views.view, 0]))


def _mirrors(plan: Plan, view: np.ndarray) -> np.ndarray:
    """Return the place of each view's mirror image among the views."""
    objects, flips = plan.views.object[view], plan.views.flip[view]
    at = {(int(number), bool(flip)): row for row, (number, flip) in enumerate(zip(objects, flips, strict=True))}
    pairs = zip(objects.tolist(), flips.tolist(), strict=True)
    return np.array([at.get((number, not flip), -1) for number, flip in pairs], np.int64)


def read_found(
    plan: Plan, model: PlannedModel, layers: list[Layer], views: GraphViews
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (I, N, 2) and scores (I, N), float32, of the nodes of layers that stand for themselves."""
    per = len(views.view)
    total = sum(read_nodes(plan.run, model.name, layer.name, views.name).num_rows for layer in layers)
    position, score, done = np.empty((per, total, 2), np.float32), np.empty((per, total), np.float32), 0
    for layer in layers:
        columns = ("view", "y", "x", "score")
        for rows in parts_of(plan.run, "node_positions", model.name, layer.name, views.name, columns):
            view, y, x, value = (column.to_numpy().reshape(-1, per) for column in rows.columns)
            if not (view == views.view).all():
                what = f"node_positions of {layer.name!r} of {model.name} holds other crops than the run"
                raise RunError(f"{what}; --redo graph learns the graphs again")
            stop = done + len(view)
            position[:, done:stop, 0], position[:, done:stop, 1], score[:, done:stop] = y.T, x.T, value.T
            done = stop
    return position, score


def lattice_of(layer: Layer) -> Lattice:
    """Return where the cells of a layer's maps lie in the input."""
    if layer.field is None:
        raise RunError(f"layer {layer.name!r} has no receptive field")
    return Lattice(layer.field.centre, layer.field.stride)


def refuse_removed(plan: Plan, model: PlannedModel, layers: list[Layer]) -> None:
    """Stop where activations are gone.

    Raises
    ------
    InputError
        With the layer and what to do.
    """
    for layer in layers:
        if ActivationStore(plan.run, model.name, layer.name).removed:
            raise InputError(
                f"the activations of {layer.name!r} were removed from {plan.run}, and baselines need them; "
                "learn the graph again in another --out, which keeps them"
            )


def read_peaks(plan: Plan, model: PlannedModel, layers: list[Layer], views: GraphViews) -> np.ndarray:
    """Return y and x of the first maximum of every filter on every crop, (I, U, 2); NaN where a map is constant."""
    found = []
    for layer in layers:
        place = np.empty((len(views.view), layer.channels, 2))
        for mine, maps in read_maps(plan, model, layer, views):
            flat = maps.reshape(*maps.shape[:2], -1)
            peak = flat.argmax(axis=2)
            row, column = np.divmod(peak, maps.shape[3])
            place[mine] = lattice_of(layer).middle(row, column, 1, 1)
            place[mine] = np.where((flat.max(axis=2) == flat.min(axis=2))[..., None], np.nan, place[mine])
        found.append(place)
    return np.concatenate(found, axis=1)


def read_maxima(plan: Plan, model: PlannedModel, layers: list[Layer], views: GraphViews) -> np.ndarray:
    """Return the maximum of every filter on every crop, float32 of shape (I, U)."""
    stores = (ActivationStore(plan.run, model.name, layer.name) for layer in layers)
    found = [store.read_maxima(0, plan.view_count, slice(None))[views.view] for store in stores]
    return np.concatenate(found, axis=1).astype(np.float32)


def read_features(plan: Plan, model: PlannedModel, layer: Layer, views: GraphViews) -> np.ndarray:
    """Return the maps of a layer on every crop, cell by cell: float32 of shape (I, height, width, C)."""
    found = np.empty((len(views.view), layer.height, layer.width, layer.channels), np.float32)
    for mine, maps in read_maps(plan, model, layer, views):
        found[mine] = maps.transpose(0, 2, 3, 1)
    return found


def read_maps(
    plan: Plan, model: PlannedModel, layer: Layer, views: GraphViews
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows of the crops of each image block, and their maps."""
    refuse_removed(plan, model, [layer])
    store = ActivationStore(plan.run, model.name, layer.name)
    for _, start, stop in blocks("images", plan.view_count, plan.options.image_block):
        mine = np.flatnonzero((views.view >= start) & (views.view < stop))
        if len(mine):
            yield mine, store.read(start, stop, slice(0, layer.channels))[views.view[mine] - start]


__all__ = [
    "PartViews",
    "landmarks_of",
    "lattice_of",
    "read_features",
    "read_found",
    "read_maps",
    "read_maxima",
    "read_peaks",
    "readable",
    "refuse_removed",
]
