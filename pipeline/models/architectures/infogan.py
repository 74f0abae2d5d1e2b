"""InfoGAN: a generator whose codes another network reads off the images, and that network."""

import torch
from torch import Tensor, nn

from filterscope.pipeline.models.coding import Categorical, Latent, Uniform

_SLOPE = 0.1
#: Draws of the noise, of which an encoded image has one.
_DRAWS = 64
#: Standard deviation of initial weights, as in the release. Under batch norm their scale changes no image, but sets how far a
#: step of Adam turns them.
_SPREAD = 0.02


def _begin(module: nn.Module) -> None:
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        nn.init.normal_(module.weight, 1.0, _SPREAD)
    elif isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, _SPREAD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class InfoGAN(nn.Module):
    """Generator, discriminator and the network Q, which shares the discriminator's body; an encoder and a decoder of codes.

    Codes are `categories` values of a choice, `uniforms` numbers from -1 to 1 and `noise` more of these that Q does not read.

    Parameters
    ----------
    size : int
        Height and width of the grey images in pixels, a multiple of 4.
    categories, uniforms, noise : int
        Of the codes.
    width : int
        Units of the first convolution; published: 64, which makes 128 of the second and 1,024 of the hidden layers.
    """

    def __init__(
        self, size: int = 28, categories: int = 10, uniforms: int = 2, noise: int = 62, width: int = 64
    ) -> None:
        if size % 4 or size < 8:
            raise ValueError(f"images of {size} x {size}; a size is a multiple of 4, 8 or more")
        super().__init__()
        self.categories, self.uniforms, self.noise = categories, uniforms, noise
        side, hidden = size // 4, 16 * width
        self.generator = nn.Sequential(
            nn.Linear(categories + uniforms + noise, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(),
            nn.Linear(hidden, 2 * width * side**2, bias=False), nn.BatchNorm1d(2 * width * side**2), nn.ReLU(),
            nn.Unflatten(1, (2 * width, side, side)),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.ConvTranspose2d(width, 1, 4, 2, 1), nn.Sigmoid(),
        )  # fmt: skip
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 4, 2, 1), nn.LeakyReLU(_SLOPE),
            nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(_SLOPE),
            nn.Flatten(),
            nn.Linear(2 * width * side**2, hidden, bias=False), nn.BatchNorm1d(hidden), nn.LeakyReLU(_SLOPE),
        )  # fmt: skip
        self.real = nn.Linear(hidden, 1)
        self.q = nn.Sequential(
            nn.Linear(hidden, 2 * width, bias=False), nn.BatchNorm1d(2 * width), nn.LeakyReLU(_SLOPE),
            nn.Linear(2 * width, categories + uniforms),
        )  # fmt: skip
        self.draws = nn.Buffer(torch.rand(_DRAWS, noise) * 2 - 1)
        self.apply(_begin)

    def forward(self, images: Tensor) -> Tensor:
        """Return what Q reads of images (n, 1, size, size): scores of the categories, then means of the uniform codes."""
        read: Tensor = self.q(self.body(images))
        return read

    def judged(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return how real images are as a logit (n,), and what Q reads of them, in one pass."""
        seen = self.body(images)
        return self.real(seen)[:, 0], self.q(seen)

    def codes(self, images: Tensor) -> Tensor:
        """Return codes (n, 1, dims) of images: the category, the uniform codes, and noise.

        Q does not read the noise; that of an image is one of 64 draws, chosen by a checksum of its pixels, so that it is the
        same each time and tells nothing.
        """
        read = self(images)
        chosen = nn.functional.one_hot(read[:, : self.categories].argmax(1), self.categories).to(read.dtype)
        draw = (images * 255).round().long().flatten(1).sum(1) % _DRAWS
        return torch.cat([chosen, read[:, self.categories :].clamp(-1, 1), self.draws[draw]], 1)[:, None]

    def decode(self, codes: Tensor, group: int) -> Tensor:
        """Return images (n, 1, size, size) from 0 to 1 of codes (n, dims)."""
        images: Tensor = self.generator(codes)
        return images

    def latents(self) -> list[Latent]:
        """Return what its codes are drawn from."""
        return [Categorical(self.categories), *[Uniform()] * (self.uniforms + self.noise)]

    def drawn(self, count: int) -> Tensor:
        """Draw codes (count, dims) by torch's generator."""
        like = self.draws
        category = torch.randint(self.categories, (count,)).to(like.device)
        uniform = (torch.rand(count, self.uniforms + self.noise) * 2 - 1).to(like)
        return torch.cat([nn.functional.one_hot(category, self.categories).to(like.dtype), uniform], 1)


__all__ = ["InfoGAN"]
