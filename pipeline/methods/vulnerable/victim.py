"""A network as attacks see it: pixels from 0 to 1 in, its normalisation inside, losses and their gradients out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from filterscope.operators.attacks.slope import PASSES, Slope
from filterscope.pipeline.models.gradients import INPUT
from filterscope.pipeline.models.network import Network
from filterscope.pipeline.models.tensors import pixel_gradients

#: Classes of highest score among which the nearest is looked for.
_CANDIDATES = 10

#: One value per image from scores (float64, shape (n, classes)), the classes before and those that are asked for.
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Aim:
    """What attacks on n images are after.

    Attributes
    ----------
    classes : int64 ndarray of shape (n,)
        Classes of the images before.
    target : int, optional
        Class that they shall get; any other where None.
    """

    classes: np.ndarray
    target: int | None = None

    def reached(self, scores: np.ndarray) -> np.ndarray:
        """Tell for n images, by their scores (shape (n, classes)), whether they have it: bool of shape (n,)."""
        found = scores.argmax(axis=1)
        return np.asarray(found != self.classes if self.target is None else found == self.target)

    def only(self, which: np.ndarray) -> "Aim":
        """Return the aim for some of the images."""
        return Aim(self.classes[which], self.target)


@dataclass(frozen=True)
class Victim:
    """A network under attack; images have one channel where it takes one, else three."""

    network: Network

    def one_by_one(self) -> "Victim":
        """Return the same network for batches of a single image."""
        return Victim(replace(self.network, batch_size=1))

    def shown(self, pixels: np.ndarray) -> np.ndarray:
        """Return decoded images (uint8, shape (n, height, width, 3)) with the channels that are attacked, uint8."""
        if self.network.mean.shape[1] != 1:
            return pixels
        return np.rint(pixels @ np.array([0.299, 0.587, 0.114]))[..., None].astype(np.uint8)

    def inputs(self, images: np.ndarray) -> np.ndarray:
        """Return images with pixels from 0 to 1, or uint8 ones, as the network takes them: three channels, 0..255."""
        scaled = images if images.dtype == np.uint8 else (images * 255).astype(np.float32)
        return np.broadcast_to(scaled, (*scaled.shape[:3], 3))

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Return class scores, float32 of shape (n, classes)."""
        return self.network.scores(self.inputs(images))

    def probabilities(self, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Return the probability of a class of each image, float64 of shape (n,)."""
        return probabilities(self.scores(images), classes)

    def slope(self, aim: Aim, loss: Loss, sought: np.ndarray | None = None) -> Slope:
        """Return a loss of the images that an aim is about; `sought` are the classes asked for, by default its target."""
        wanted = np.full(len(aim.classes), -1 if aim.target is None else aim.target) if sought is None else sought

        def found(images: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            losses, scores = [np.zeros(0)], []

            def of(given: Tensor, taps: Mapping[str, Tensor], targets: np.ndarray) -> Tensor:
                before, after = (torch.from_numpy(column).to(given.device) for column in targets.T.copy())
                value = loss(given.double(), before, after)
                losses.append(value.detach().cpu().numpy())
                scores.append(given.detach().cpu().numpy())
                return value

            targets = np.stack([aim.classes[which], wanted[which]], axis=1)
            gradients = self.network.gradients(self.inputs(images), of, [INPUT], targets=targets)[INPUT]
            by_pixel = pixel_gradients(gradients, self.network.std) * 255
            if images.shape[3] == 1:
                by_pixel = by_pixel.sum(axis=3, keepdims=True)
            return np.concatenate(losses), by_pixel, aim.only(which).reached(np.concatenate(scores))

        return found

    def nearest(self, image: np.ndarray, before: int) -> tuple[int, int]:
        """Return the class whose border is nearest to an image (height, width, channels), and the passes that took.

        Borders are taken as linear (Moosavi-Dezfooli et al. 2016), those of the ten other classes of highest score.
        """
        scores = self.scores(image[None])[0]
        others = [int(k) for k in np.argsort(-scores, kind="stable") if k != before][:_CANDIDATES]
        aim = Aim(np.full(len(others), before))
        slope = self.slope(aim, difference, np.array(others))
        leads, gradients, _ = slope(np.repeat(image[None], len(others), axis=0), np.arange(len(others)))
        length = np.sqrt((gradients**2).sum(axis=(1, 2, 3)))
        far = np.divide(leads, length, out=np.full(len(others), np.inf), where=length > 0)
        return others[int(far.argmin())], 1 + PASSES * len(others)


def probabilities(scores: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the softmax probability of one class of each image, float64 of shape (n,)."""
    from scipy.special import softmax

    return np.asarray(softmax(scores.astype(np.float64), axis=1)[np.arange(len(scores)), classes])


def cross_entropy(scores: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Return what attacks raise: the cross-entropy of the class before, or less that of the one that is asked for."""
    if bool((after < 0).all()):
        return functional.cross_entropy(scores, before, reduction="none")
    return -functional.cross_entropy(scores, after, reduction="none")


def difference(scores: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Return by how much the score of the class before exceeds that of the one that is asked for."""
    return (scores.gather(1, before[:, None]) - scores.gather(1, after[:, None]))[:, 0]


def lead(scores: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Return log(1 + exp m), m being the lead of the class before over the one that is asked for."""
    return functional.softplus(difference(scores, before, after), threshold=1e3)


def lead_of_best(scores: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Return the same for the lead of the best of all other classes."""
    others = scores.scatter(1, after[:, None], -torch.inf)
    return lead(torch.stack([others.amax(1), scores.gather(1, after[:, None])[:, 0]], 1), before * 0, before * 0 + 1)


__all__ = ["Aim", "Loss", "Victim", "cross_entropy", "lead", "lead_of_best", "probabilities"]
