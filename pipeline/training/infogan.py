"""InfoGAN at work: two optimisers on three networks, and what its categories come to by classes that it never learned from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.nn import functional

from filterscope.operators.numerics.seeds import seed_of
from filterscope.pipeline.engine.errors import RunError
from filterscope.pipeline.models.architectures.infogan import InfoGAN
from filterscope.pipeline.models.model import Model
from filterscope.pipeline.models.trained import Description
from filterscope.pipeline.training.images import Images
from filterscope.pipeline.training.lesson import Lesson
from filterscope.pipeline.training.recipe import HELDOUT, TRAIN, Measure, Training
from filterscope.pipeline.training.supervised import Pass
from filterscope.schemas.results import TABLES

#: Generated images that purity is measured on, and images of a pass.
_MADE, _PASS = 2000, 500
_PERMUTED = 50
#: Of the pictures that are left: rows of a code, values of a uniform code, and the most categories and uniform codes.
_ROWS, _STEPS, _SHOWN = 8, 9, 20


class Losses(NamedTuple):
    """What an update makes small, scalars: of the discriminator, of the generator, and the bound on the information."""

    discriminator: Tensor
    generator: Tensor
    bound: Tensor


def discriminator_loss(real: Tensor, made: Tensor) -> Tensor:
    """Return the cross-entropy of logits (n,) of real and of generated images, the sum of both means."""
    return functional.softplus(-real).mean() + functional.softplus(made).mean()


def generator_loss(made: Tensor) -> Tensor:
    """Return the loss that does not saturate, of logits (n,) of generated images."""
    return functional.softplus(-made).mean()


def information(read: Tensor, codes: Tensor, categories: int) -> Tensor:
    """Return the lower bound on the mutual information of codes and images in nats, up to a constant of uniform codes.

    Parameters
    ----------
    read : Tensor of shape (n, categories + uniforms)
        What Q reads: scores of categories, and means of normal distributions of standard deviation 1.
    codes : Tensor of shape (n, dims)
        What the images were made of; its first columns are those that Q reads.
    categories : int
        Equally likely ones.
    """
    true = codes[:, : read.shape[1]]
    chosen = -(functional.log_softmax(read[:, :categories], 1) * true[:, :categories]).sum(1).mean()
    error = (read[:, categories:] - true[:, categories:]).square().sum(1).mean() / 2
    return float(np.log(categories)) - chosen - error


def purity(code: np.ndarray, label: np.ndarray, codes: int, labels: int) -> float:
    """Return the share of images whose label is that of their code, codes and labels being matched one to one at best."""
    from scipy.optimize import linear_sum_assignment

    confusion = np.zeros((codes, labels), np.int64)
    np.add.at(confusion, (code, label), 1)
    return float(confusion[linear_sum_assignment(confusion, maximize=True)].sum() / max(len(code), 1))


def chance_purity(code: np.ndarray, label: np.ndarray, codes: int, labels: int) -> float:
    """Return the mean purity of permuted codes; not below that of the largest label or 1 / codes by much."""
    random = np.random.default_rng(seed_of("purity"))
    return float(np.mean([purity(random.permutation(code), label, codes, labels) for _ in range(_PERMUTED)]))


class Judge:
    """An independent classifier, which names images (float32, shape (n, 1, height, width), 0 to 1)."""

    def __init__(self, model: Model, device: str) -> None:
        self._module, self._device, self._transform = model.module.to(device).eval(), device, model.transform

    def __call__(self, images: Tensor) -> np.ndarray:
        """Return the class of each, int64."""
        from filterscope.pipeline.models.scores import scores_of

        of = self._transform
        mean, std = (torch.tensor(values, device=self._device).view(1, -1, 1, 1) for values in (of.mean, of.std))
        if images.shape[2:] != of.input_size:
            images = functional.interpolate(images, of.input_size, mode="bilinear", antialias=True)
        scores = scores_of(self._module((images.expand(-1, of.channels, -1, -1) - mean) / std))
        return scores.argmax(1).cpu().numpy()


def strips(network: InfoGAN) -> Iterator[tuple[str, Tensor, list[float]]]:
    """Yield each code that Q reads by name, with codes (rows, steps, dims) along which it alone changes, and its values.

    Along a uniform code, row r shows category r.
    """
    of = network.categories
    rows, shown = network.drawn(_ROWS), list(range(min(of, _SHOWN)))
    across = rows[:, None].repeat(1, len(shown), 1)
    across[:, :, :of] = functional.one_hot(torch.tensor(shown), of).to(across)
    yield "category", across, [float(value) for value in shown]
    rows = rows[0].repeat(min(of, _ROWS), 1)
    rows[:, :of] = torch.eye(of)[: len(rows)].to(rows)
    values = torch.linspace(-1, 1, _STEPS)
    for number in range(min(network.uniforms, _SHOWN)):
        along = rows[:, None].repeat(1, _STEPS, 1)
        along[:, :, of + number] = values.to(along)
        yield f"uniform {number}", along, values.tolist()


class Informing(Training):
    """An InfoGAN before its first epoch; labels of the lesson measure, and are never learned from.

    Parameters
    ----------
    network : InfoGAN
        All of it.
    description : Description
        How it can be built again.
    lesson : Lesson
        Which images it learns from, and classes of the others.
    images : Images
        What the discriminator sees.
    judge : callable, optional
        Names generated images.
    name : str
        Of the network, in its tables.
    batch : int
        Real and generated images of an update.
    rates : tuple of float
        Learning rates of the discriminator, with Q, and of the generator.
    weight : float
        Of the bound in both losses.
    device : str
        cpu or cuda.
    """

    network: InfoGAN

    def __init__(
        self,
        network: InfoGAN,
        description: Description,
        lesson: Lesson,
        images: Images,
        judge: Judge | None = None,
        *,
        name: str,
        batch: int,
        rates: tuple[float, float],
        weight: float,
        device: str = "cpu",
    ) -> None:
        self.network, self._described, self.lesson, self._views, self._judge = (
            network,
            description,
            lesson,
            images,
            judge,
        )
        seen = [*network.body.parameters(), *network.real.parameters(), *network.q.parameters()]
        self._named = name
        self._seeing = torch.optim.Adam(seen, rates[0], betas=(0.5, 0.999), fused=True)
        self._making = torch.optim.Adam(network.generator.parameters(), rates[1], betas=(0.5, 0.999), fused=True)
        self.parts = {"network": network, "discriminator": self._seeing, "generator": self._making}
        self.images, self._batch, self._weight = len(lesson.train), min(batch, len(lesson.train)), weight
        self._shown = Pass(description.transform, device)

    def description(self) -> Description:
        """Return how the network is built again."""
        return self._described

    def tables(self) -> Mapping[str, Sequence[pa.Table]]:
        """Return pictures along the codes that Q reads."""
        self.network.eval()
        rows = []
        for code, codes, values in strips(self.network):
            with torch.inference_mode():
                made = (255 * self.network.decode(codes.flatten(0, 1), 0)[:, 0]).round().byte().cpu().numpy()
            for place, picture in enumerate(made):
                row, step = divmod(place, len(values))
                same = {"model": self._named, "code": code, "row": row, "step": step, "value": values[step]}
                height, width = picture.shape
                rows.append({**same, "height": height, "width": width, "picture": picture.tobytes()})
        return {"generated": [pa.Table.from_pylist(rows, TABLES["generated"])]}

    def epoch(self, number: int, random: np.random.Generator) -> list[Measure]:
        """Make a pass; see `Training.epoch`."""
        self.network.train()
        losses = []
        for real in self._batches(random):
            found = self.update(real)
            losses.append(torch.stack(found))
            if not bool(torch.isfinite(losses[-1]).all()):
                raise RunError(
                    f"the losses became {losses[-1].tolist()} in epoch {number + 1}: the training diverged; smaller "
                    "--learning-rate and --generator-rate help"
                )
        if not losses:
            raise RunError("no batch of training images could be decoded")
        means = torch.stack(losses).double().mean(0).tolist()
        seen = len(losses) * self._batch
        names = ("discriminator loss", "generator loss", "bound")
        return [
            Measure(TRAIN, name, value, examples=seen) for name, value in zip(names, means, strict=True)
        ] + self._measured()

    def update(self, real: Tensor) -> Losses:
        """Make one update of the discriminator with Q, then one of the generator; return the losses before each."""
        network, of = self.network, self.network.categories
        codes = network.drawn(len(real))
        with torch.no_grad():
            images = network.decode(codes, 0)
        logits, read = network.judged(images)
        bound = information(read, codes, of)
        seeing = discriminator_loss(network.judged(real)[0], logits)
        self._step(self._seeing, seeing - self._weight * bound)
        codes = network.drawn(len(real))
        logits, read = network.judged(network.decode(codes, 0))
        making = generator_loss(logits)
        self._step(self._making, making - self._weight * information(read, codes, of))
        self.step += 1
        return Losses(seeing.detach(), making.detach(), bound.detach())

    def _step(self, optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
        self.network.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    def _batches(self, random: np.random.Generator) -> Iterator[Tensor]:
        order = self.lesson.train[random.permutation(len(self.lesson.train))]
        for start in range(0, len(order) - self._batch + 1, self._batch):
            pixels, good = self._views.take(order[start : start + self._batch])
            if good.sum() > 1:  # batch norm takes no single value
                yield self._shown.batch(pixels[good])
        self.rejects = self._views.rejects

    def _measured(self) -> list[Measure]:
        """Return purities of the categories: of generated images by another network, and of held-out ones by their class."""
        codes = self.network.drawn(_MADE)
        self._settle(codes)
        self.network.eval()
        with torch.inference_mode():
            found = self._told("held-out purity", *self._read())
            if self._judge is not None:
                named = [self._judge(self.network.decode(some, 0)) for some in codes.split(_PASS)]
                category = codes[:, : self.network.categories].argmax(1).cpu().numpy()
                found += self._told("purity", category, np.concatenate(named))
        self.network.train()
        return found

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        read, labels = [], []
        for start in range(0, len(self.lesson.heldout), _PASS):
            rows = self.lesson.heldout[start : start + _PASS]
            pixels, good = self._views.take(rows)
            if good.any():
                scores = self.network(self._shown.batch(pixels[good]))
                read.append(scores[:, : self.network.categories].argmax(1).cpu().numpy())
                labels.append(self.lesson.target[rows[good]])
        return np.concatenate(read), np.concatenate(labels)

    def _told(self, metric: str, code: np.ndarray, label: np.ndarray) -> list[Measure]:
        sizes = self.network.categories, max(len(self.lesson.names), int(label.max(initial=0)) + 1)
        return [
            Measure(
                HELDOUT, metric, purity(code, label, *sizes), chance_purity(code, label, *sizes), examples=len(code)
            )
        ]

    @torch.no_grad()
    def _settle(self, codes: Tensor) -> None:
        """Take the statistics of batch norm from the weights as they are: running ones lag, and images fade.

        The generator's are those of drawn codes, the others' those of training images.
        """
        rows = self.lesson.train[:_MADE]
        pixels, good = self._views.take(rows)
        real = self._shown.batch(pixels[good])
        for part, passes in ((self.network.generator, codes), (nn.Sequential(self.network.body, self.network.q), real)):
            norms = [one for one in part.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
            momenta = [norm.momentum for norm in norms]
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None  # the mean over all passes
            for some in passes.split(_PASS):
                if len(some) > 1:
                    part(some)
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum


__all__ = [
    "Informing",
    "Judge",
    "Losses",
    "chance_purity",
    "discriminator_loss",
    "generator_loss",
    "information",
    "purity",
    "strips",
]
