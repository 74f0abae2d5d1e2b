"""A network ready for a run: fixed batches of decoded images in; maps, scores, gradients and optimised inputs out."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from filterscope.operators.capsules.agreement import selection
from filterscope.pipeline.engine.errors import InputError, RunError
from filterscope.pipeline.models.absent import refuse_dependent
from filterscope.pipeline.models.coder import coder_of
from filterscope.pipeline.models.gradients import Scalar, gradients_of, gradients_of_each, tapped_for
from filterscope.pipeline.models.model import BATCH_NORM_IMAGES, Model, open_model, reestimate_batch_norm
from filterscope.pipeline.models.optimisation import Transformation, ascend
from filterscope.pipeline.models.scores import class_names, scores_of
from filterscope.pipeline.models.spec import ModelSpec
from filterscope.pipeline.models.taps import Taps
from filterscope.pipeline.models.tensors import channels_last, grey, normalisation, padded_batches, prepare
from filterscope.pipeline.views.transform import Transform

_BATCH_NORM_BATCH = 32
#: Codes that are decoded at once, at least.
_DECODED = 64
_SCORES = ""  # no layer has this name


@dataclass(frozen=True)
class Identity:
    """What a network must be: the weights and the preprocessing that were planned, and the name it has in the run."""

    weights_sha256: str
    transform: Transform
    name: str


@dataclass
class Network:
    """Runs a network on decoded images; every pass has one batch shape, the last batch zero-padded.

    Images are uint8, or float32 in the same scale, 0..255, for what lies between two grey levels. Float results depend on the
    shape of the batch, so it is part of the extract fingerprint. Maps and scores are computed in inference mode. Opened
    once, by `open`, and then held by the process that uses it.

    Attributes
    ----------
    taps : Taps
        The network, its parameters frozen, with the layers of the run tapped.
    layers : tuple of str
        Names of these layers.
    batch_size : int
        Images of every pass.
    scale : float
        Factor of the maps.
    device : str
        cpu or cuda.
    mean, std : Tensor
        Normalisation in the scale 0..255, of shape (1, channels, 1, 1).
    spec : ModelSpec, optional
        What was opened; says where the names of classes come from.
    """

    taps: Taps
    layers: tuple[str, ...]
    batch_size: int
    scale: float
    device: str
    mean: Tensor
    std: Tensor
    spec: ModelSpec | None = None

    @classmethod
    def open(
        cls,
        spec: ModelSpec,
        *,
        layers: Sequence[str],
        expected: Identity,
        batch_size: int,
        device: str = "cpu",
        scale: float = 1.0,
        factory: Callable[[], nn.Module] | None = None,
        first_views: Iterable[np.ndarray] = (),
        layouts: Mapping[str, str] | None = None,
    ) -> Self:
        """Open a network in a worker and check that it is the one that was planned.

        Parameters
        ----------
        spec : ModelSpec
            The network.
        layers : sequence of str
            Layers to tap, as `taps.resolve_layers` names them.
        expected : Identity
            What it must be.
        batch_size : int
            Images of every pass.
        device : str
            cpu or cuda.
        scale : float
            Factor of the maps, a power of two; for activations beyond float16.
        factory : callable, optional
            For a ``factory:`` spec, the function itself.
        first_views : iterable of uint8 ndarray of shape (height, width, 3)
            Images of the run, in order. Read only where weights are random and there is batch norm, as many as
            `settle_batch_norm` needs.
        layouts : mapping of str to str, optional
            What the axes of layers' outputs are, where not (N, C, H, W); see `Layer.layout`.

        Raises
        ------
        RunError
            If weights or preprocessing are not the expected.
        InputError
            If the network does not open, or batch norm needs images and there are none.
        """
        model = open_model(spec, factory)
        if (model.weights_sha256, model.transform) != (expected.weights_sha256, expected.transform):
            raise RunError(f"{expected.name} changed since the run was planned; give the same weights to all nodes")
        refuse_dependent(model, layers)
        settle_batch_norm(model, first_views)
        module = channels_last(model.module, device)
        dtype = torch.float16 if scale == 1.0 else None
        taps = Taps(module, tuple(layers), dtype=dtype, rotation=spec.rotation, layouts=layouts)
        return cls(taps, tuple(layers), batch_size, scale, device, *normalisation(model, device), spec)

    def maps(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Return the maps of a block of images; passes end at the deepest of the tapped layers.

        Parameters
        ----------
        pixels : uint8 ndarray of shape (n, height, width, 3)
            Decoded images.

        Returns
        -------
        dict of str to float16 ndarray of shape (n, units, h, w)
            Maps of each tapped layer, times the activation scale.
        """
        return self._gathered(pixels, lambda batch, _: self._scaled(self.taps(batch)))

    def exact(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Return what `maps` does as float32, neither scaled nor rounded."""
        taps = tapped_for(self.taps, ())
        return self._gathered(pixels, lambda batch, _: {layer: maps.float() for layer, maps in taps(batch).items()})

    def scores(self, pixels: np.ndarray) -> np.ndarray:
        """Return the class scores of a block of n images (uint8, shape (n, height, width, 3)), before any softmax.

        Returns
        -------
        float32 ndarray of shape (n, classes)
            Of no class where there is no image.

        Raises
        ------
        InputError
            If the network returns no class scores (`scores.scores_of`).
        """
        found = self._gathered(pixels, lambda batch, _: {_SCORES: _as_scores(self.taps.module(batch))})
        return found.get(_SCORES, np.zeros((0, 0), np.float32))

    def maps_and_scores(self, pixels: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return what `maps` and `scores` return, in one pass over each batch."""

        def both(batch: Tensor, rows: slice) -> dict[str, Tensor]:
            maps, output = self.taps.with_output(batch)
            return {**self._scaled(maps), _SCORES: _as_scores(output)}

        found = self._gathered(pixels, both)
        scores = found.pop(_SCORES, np.zeros((0, 0), np.float32))
        return found, scores

    def codes(self, pixels: np.ndarray) -> np.ndarray:
        """Return the codes of a block of n images (uint8, shape (n, height, width, 3)) by the network's own `codes`.

        Returns
        -------
        float32 ndarray of shape (n, groups, dims)
        """
        coder = coder_of(self.taps.module)
        return self._gathered(pixels, lambda batch, _: {_SCORES: coder.codes(batch).float()})[_SCORES]

    def routed(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Return what the network's own `route` selects on a block of n images, for the group whose capsule is the longest.

        Returns
        -------
        dict
            `winner`, int64 of shape (n,); those of `agreement.Selection`, float64, with `types` and `other_types` of shape (n,
            types) in place of `shares`: shares of the types in the coupling of the winner, and of the other groups on average.
        """
        coder = coder_of(self.taps.module)
        return self._gathered(pixels, lambda batch, _: _selected(coder, batch))

    def decode(self, codes: np.ndarray, group: int) -> np.ndarray:
        """Return the images that the network's own `decode` makes of codes of one group.

        Parameters
        ----------
        codes : float32 ndarray of shape (n, dims)
            At least one.
        group : int
            The group.

        Returns
        -------
        float32 ndarray of shape (n, height, width)
            Grey values from 0 to 1.
        """
        coder, found = coder_of(self.taps.module), []
        for rows, padded in padded_batches(codes, max(self.batch_size, _DECODED)):
            with torch.inference_mode():
                images = coder.decode(torch.from_numpy(padded).to(self.device), group)
            found.append(grey(images.float())[: rows.stop - rows.start].clamp(0, 1).cpu().numpy())
        return np.concatenate(found)

    def class_names(self, count: int) -> list[str]:
        """Return the names of the classes, of which there are `count` scores; see `scores.class_names`."""
        return [str(number) for number in range(count)] if self.spec is None else class_names(self.spec, count)

    def gradients(
        self,
        pixels: np.ndarray,
        of: Scalar,
        at: Sequence[str],
        *,
        targets: Sequence[Any] | np.ndarray | None = None,
        scores: bool = True,
    ) -> dict[str, np.ndarray]:
        """Return the gradients of one value per image with respect to layers or the input.

        Parameters
        ----------
        pixels : uint8 ndarray of shape (n, height, width, 3)
            Decoded images.
        of : callable
            Receives scores (n, classes) and taps, a mapping from the network's layers, those of `at` and
            `gradients.INPUT` to values (n, C, h, w), both of some of the images; returns one value for each, shape (n,).
            Values are those of the network, not times the activation scale.
        at : sequence of str
            Names of layers, the network's own or others, or `gradients.INPUT`, the normalised input.
        targets : sequence of length n, optional
            One item per image, such as its class; those of the images at hand are the third argument of `of`.
        scores : bool
            Whether `of` reads the scores. If not, they are None, and passes end at the deepest of the layers.

        Returns
        -------
        dict of str to float32 ndarray of shape (n, C, h, w)
            One entry for each of `at`, with respect to the value of the layer as the rest of the network uses it; of
            rotated units where the spec has a basis. No gradient of an image depends on another image.

        Raises
        ------
        InputError
            If a layer is not in the network or has no influence on the value, or `of` is not one value per image.
        """
        if targets is not None and len(targets) != len(pixels):
            raise InputError(f"there are {len(targets)} targets for {len(pixels)} images; give one per image")
        taps = tapped_for(self.taps, at)

        def run(batch: Tensor, rows: slice) -> dict[str, Tensor]:
            mine, count = None if targets is None else targets[rows], rows.stop - rows.start
            return gradients_of(taps, batch, of, tuple(dict.fromkeys(at)), count, scores=scores, targets=mine)

        return self._gathered(pixels, run, differentiable=True)

    def gradients_of_classes(
        self, pixels: np.ndarray, classes: Sequence[int], at: Sequence[str]
    ) -> Iterator[tuple[slice, np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]]:
        """Yield the gradients of several class scores batch by batch, which are too large to hold for many images.

        Parameters
        ----------
        pixels : uint8 ndarray of shape (n, height, width, 3)
            Decoded images.
        classes : sequence of int
            The K classes whose scores are differentiated, each alone.
        at : sequence of str
            Names of layers, the network's own or others.

        Yields
        ------
        rows : slice
            Images of the batch.
        scores : float32 ndarray of shape (m, classes of the network)
            Their class scores.
        values : dict of str to float32 ndarray of shape (m, C, h, w)
            Maps of each layer, not times the activation scale.
        gradients : dict of str to float32 ndarray of shape (m, K, C, h, w)
            Gradients of each score with respect to these, 0 where it does not depend on them.

        Raises
        ------
        InputError
            If a layer is not in the network.
        """
        taps = tapped_for(self.taps, at)
        for rows, padded in padded_batches(pixels, self.batch_size):
            batch, count = prepare(padded, self.mean, self.std, self.device), rows.stop - rows.start
            scores, values, slopes = gradients_of_each(taps, batch, classes, tuple(dict.fromkeys(at)), count)
            kept, found = ({name: part.cpu().numpy() for name, part in parts.items()} for parts in (values, slopes))
            yield rows, scores.cpu().numpy(), kept, found

    def optimise(
        self,
        objective: Scalar,
        start: np.ndarray,
        steps: int,
        learning_rate: float,
        *,
        transform: Transformation | None = None,
        seed: int = 0,
        scores: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Change inputs so that the network answers more strongly; see `optimisation.ascend`.

        Parameters
        ----------
        objective : callable
            One value per image, to be maximised: as `of` of `gradients`; the network's layers are tapped.
        start : float32 ndarray of shape (n, 3, height, width)
            Where to start, in normalised space: 0 is the mean of the training images. Of any shape (n, ...) if
            `transform` makes images of it.
        steps : int
            Updates.
        learning_rate : float
            Of Adam.
        transform : callable, optional
            Receives the inputs of a batch and a `torch.Generator`, at every step; returns what the network is shown.
        seed : int
            Of the generator, which starts anew with every batch.
        scores : bool
            Whether the objective reads the class scores.

        Returns
        -------
        float32 ndarray of the shape of `start`
            The inputs at the end.
        float32 ndarray of shape (steps + 1, n)
            The objective before each update and at the end.

        Raises
        ------
        InputError
            If the objective does not depend on the input, or is not one value per image.
        RunError
            If it becomes NaN or infinite.
        """
        taps = tapped_for(self.taps, ())
        found, trace = np.empty(start.shape, np.float32), np.empty((steps + 1, len(start)), np.float32)
        for rows, batch in padded_batches(start.astype(np.float32, copy=False), self.batch_size):
            inputs, values = ascend(
                taps, torch.from_numpy(batch).to(self.device), objective, rows.stop - rows.start,
                steps=steps, learning_rate=learning_rate, transform=transform, seed=seed, scores=scores,
            )  # fmt: skip
            found[rows], trace[:, rows] = inputs.cpu().numpy(), values.cpu().numpy()
        return found, trace

    def _gathered(
        self, pixels: np.ndarray, run: Callable[[Tensor, slice], dict[str, Tensor]], *, differentiable: bool = False
    ) -> dict[str, np.ndarray]:
        """Run all batches, in inference mode unless they are differentiated, and put what they give together."""
        found: dict[str, np.ndarray] = {}
        for rows, padded in padded_batches(pixels, self.batch_size):
            with torch.inference_mode(not differentiable):
                results = run(prepare(padded, self.mean, self.std, self.device), rows)
            for name, result in results.items():
                values = result.cpu().numpy()
                if name not in found:
                    found[name] = np.empty((len(pixels), *values.shape[1:]), values.dtype)
                found[name][rows] = values[: rows.stop - rows.start]
        return found

    def _scaled(self, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        scale = self.scale
        return {layer: (v if scale == 1.0 else v * scale).to(torch.float16) for layer, v in maps.items()}


def _as_scores(output: Any) -> Tensor:
    return scores_of(output).float()


def _selected(coder: Any, batch: Tensor) -> dict[str, Tensor]:
    """Reduce what is routed, batch by batch: votes are large."""
    found = coder.route(batch)
    votes, coupling, capsules = (part.float().cpu().numpy() for part in (found.votes, found.coupling, found.capsules))
    winner = np.square(capsules.astype(np.float64)).sum(axis=2).argmax(axis=1)
    told = selection(votes, coupling, capsules, winner, coder.types)._asdict()
    shares = told.pop("shares")
    own = shares[np.arange(len(winner)), winner]
    told |= {"types": own, "other_types": (shares.sum(axis=1) - own) / (shares.shape[1] - 1), "winner": winner}
    return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in told.items()}


def settle_batch_norm(model: Model, first_views: Iterable[np.ndarray]) -> None:
    """Re-estimate the batch-norm statistics of a random network on the first `BATCH_NORM_IMAGES` images of the run.

    Parameters
    ----------
    model : Model
        The network; left as it is where it has trained weights or no batch norm.
    first_views : iterable of uint8 ndarray of shape (height, width, 3)
        Decoded images, none rejected.

    Raises
    ------
    InputError
        If there is no image.
    """
    if not model.needs_batch_norm:
        return
    good = list(islice(first_views, BATCH_NORM_IMAGES))
    if not good:
        raise InputError(f"batch-norm statistics of {model.name} need images, and none could be decoded")
    if len(good) == 1:
        good *= 2  # its own statistics; a batch norm behind pooling takes no single value
    # Batches weigh alike, so they are of one size unless there are few images.
    whole = max(len(good) // _BATCH_NORM_BATCH, 1) * _BATCH_NORM_BATCH
    mean, std = normalisation(model, "cpu")
    batches = torch.split(prepare(np.stack(good[:whole]), mean, std, "cpu"), _BATCH_NORM_BATCH)
    reestimate_batch_norm(model.module, batches)


__all__ = ["Identity", "Network", "settle_batch_norm"]
