"""Training on: a network that was trained here learns from some rows more, half of them new and half of those it knew."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.names import located, refuse_missing
from filterscope.pipeline.models.scores import scores_of
from filterscope.pipeline.models.tensors import channels_last
from filterscope.pipeline.models.trained import Description, build, read_network, write_network
from filterscope.pipeline.training.exact import exactly
from filterscope.pipeline.training.images import Images
from filterscope.pipeline.training.lesson import Lesson
from filterscope.pipeline.training.supervised import Pass, label_loss


@dataclass(frozen=True)
class Rows:
    """Images with what is true of them.

    Attributes
    ----------
    pixels : uint8 ndarray of shape (n, height, width, 3)
        Images in the size of the network's input.
    target : int64 ndarray of shape (n,), or int8 ndarray of shape (n, names)
        Index of the class; or of each attribute 1, 0 or, where it is not known, -1.
    """

    pixels: np.ndarray
    target: np.ndarray

    @classmethod
    def of(cls, lesson: Lesson, images: Images, views: np.ndarray) -> "Rows":
        """Take views of a data set, int64 of shape (n,), without those that cannot be decoded."""
        pixels, good = images.take(views)
        return cls(pixels[good], lesson.target[views[good]])

    def __len__(self) -> int:
        return len(self.pixels)


@dataclass(frozen=True)
class Trained:
    """A network that was trained here, opened to be used or trained on.

    Attributes
    ----------
    network : nn.Module
        In evaluation mode.
    description : Description
        What it is: preprocessing, names of its scores, recipe.
    device : str
        cpu or cuda.
    """

    network: nn.Module
    description: Description
    device: str = "cpu"

    @classmethod
    def open(cls, source: str | Path, device: str = "cpu") -> "Trained":
        """Open ``RUN/NAME``, or a file that a training left.

        Raises
        ------
        InputError
            If there is none, or it is damaged.
        """
        refuse_missing(str(source))
        file = located(str(source))
        description, state = read_network(file)
        network = build(description, file)
        network.load_state_dict(state)
        return cls(channels_last(network, device).eval(), description, device)

    def scores(self, pixels: np.ndarray) -> np.ndarray:
        """Return scores before any softmax, float32 of shape (n, names), of images as those of `Rows`."""
        return Pass(self.description.transform, self.device).scores(self.network, pixels)

    def save(self, path: Path) -> str:
        """Write it as a file that ``trained:PATH`` opens, whose name ends in .safetensors; return the file's SHA-256."""
        if path.suffix != ".safetensors":
            raise InputError(f"{path}: name the file of a trained network NAME.safetensors")
        return write_network(path, self.network.state_dict(), self.description)


def fine_tune(
    source: str | Path,
    new: Rows,
    old: Rows,
    *,
    steps: int = 60,
    learning_rate: float = 5e-4,
    batch: int = 64,
    share: float = 0.5,
    flips: bool = True,
    seed: int = 0,
    device: str = "cpu",
    threads: int = 1,
    last: bool = False,
) -> Trained:
    """Train a network on; what it was trained from stays as it is.

    Batches hold a share of new rows and else old ones; each kind is drawn without replacement, and anew when it is used up.

    Parameters
    ----------
    source : str or Path
        ``RUN/NAME``, or a file that a training left.
    new, old : Rows
        What is to be learned, and what is not to be forgotten; either may be empty, and the other fills the batches.
    steps : int
        Updates.
    learning_rate, batch, share
        Of Adam; images of an update; share of new rows among them, 0 to 1.
    flips : bool
        Whether half of the images are mirrored.
    seed : int
        Of the order of rows.
    device, threads : str, int
        cpu or cuda; threads of the processor, which results depend on.
    last : bool
        Whether the last layer alone learns; batch norm then keeps its statistics too.

    Returns
    -------
    Trained
        The network after the last update; `Trained.save` writes it.

    Raises
    ------
    InputError
        If the network is damaged, or rows do not fit it.
    """
    with exactly(device, threads):
        trained = Trained.open(source, device)
        _refuse_misfits(new, old, trained.description)
        count = round(batch * share) if len(new) and len(old) else batch if len(new) else 0
        identity = seed_of("fine tune", trained.description.weights, seed)
        torch.manual_seed(identity % 2**63)
        batches = _batches(new, old, steps, (count, batch - count), np.random.default_rng(identity), flips)
        _learn(trained, batches, learning_rate, last)
    about = {**trained.description.about, "tuned_from": trained.description.weights, "tuned_steps": steps}
    return replace(trained, description=replace(trained.description, about=about, weights=""))


def _learn(
    trained: Trained, batches: Iterator[tuple[np.ndarray, np.ndarray]], learning_rate: float, last: bool
) -> None:
    network, shown = trained.network.train(not last), Pass(trained.description.transform, trained.device)
    optimiser = torch.optim.Adam(_last(network).parameters() if last else network.parameters(), learning_rate)
    for pixels, target in batches:
        loss = label_loss(scores_of(network(shown.batch(pixels))), torch.from_numpy(target).to(trained.device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    network.eval()


def _last(network: nn.Module) -> nn.Module:
    """Return the last module that has weights of its own."""
    return [module for module in network.modules() if next(module.parameters(recurse=False), None) is not None][-1]


def _batches(
    new: Rows, old: Rows, steps: int, sizes: tuple[int, int], random: np.random.Generator, flips: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    kinds = [
        (rows, size, _order(len(rows), steps * size, random)) for rows, size in zip((new, old), sizes, strict=True)
    ]
    for step in range(steps):
        parts = [(rows, order[step * size : (step + 1) * size]) for rows, size, order in kinds if size]
        pixels = np.concatenate([rows.pixels[mine] for rows, mine in parts])
        if flips:
            flip = random.random(len(pixels)) < 0.5
            pixels[flip] = pixels[flip][:, :, ::-1]
        yield pixels, np.concatenate([rows.target[mine] for rows, mine in parts])


def _order(count: int, wanted: int, random: np.random.Generator) -> np.ndarray:
    """Return rows in random order, all once before any again."""
    if not wanted:
        return np.zeros(0, np.int64)
    return np.concatenate([random.permutation(count) for _ in range(-(-wanted // count))])[:wanted]


def _refuse_misfits(new: Rows, old: Rows, description: Description) -> None:
    for rows in (new, old):
        _refuse_misfit(rows, description)
    if not len(new) + len(old):
        raise InputError("there are no rows to learn from")


def _refuse_misfit(rows: Rows, description: Description) -> None:
    size, names = description.transform.input_size, len(description.names)
    if rows.pixels.dtype != np.uint8 or rows.pixels.shape[1:] != (*size, 3) or len(rows.target) != len(rows):
        raise InputError(
            f"rows are {rows.pixels.dtype} images {rows.pixels.shape[1:]} with {len(rows.target)} labels for {len(rows)} of "
            f"them; the network takes uint8 images {(*size, 3)}"
        )
    several = rows.target.ndim == 2
    if (several and rows.target.shape[1] != names) or (
        not several and len(rows) and not 0 <= rows.target.max() < names
    ):
        raise InputError(f"labels of shape {rows.target.shape} do not fit the {names} scores of the network")


__all__ = ["Rows", "Trained", "fine_tune"]
