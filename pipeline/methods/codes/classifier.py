"""The independent classifier that says whether a decoded image keeps its class: never the network itself."""

import numpy as np

from filterscope.pipeline.models.stated import stated_spec


def digest_of(text: str | None) -> str | None:
    """Return what tells one classifier from another: the option and the digest of its weights; None for none."""
    if text is None:
        return None
    from filterscope.pipeline.models.weights import file_sha256

    file = stated_spec(text).weights_path
    return text if file is None else f"{text} {file_sha256(file)}"


class Classifier:
    """Names decoded images.

    Parameters
    ----------
    text : str
        As the option states it.
    device : str
        cpu or cuda.
    """

    def __init__(self, text: str, device: str) -> None:
        from filterscope.pipeline.models.model import open_model
        from filterscope.pipeline.models.tensors import normalisation

        model = open_model(stated_spec(text))
        self._module, self._device = model.module.to(device), device
        self._size, self._channels = model.transform.input_size, model.transform.channels
        self._mean, self._std = (value / 255 for value in normalisation(model, device))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the class of each image, int64; images are float32 of shape (n, height, width), grey values from 0 to 1."""
        import torch

        from filterscope.pipeline.models.scores import scores_of

        found = []
        for start in range(0, len(images), 64):
            batch = torch.from_numpy(images[start : start + 64]).to(self._device)[:, None]
            with torch.inference_mode():
                if batch.shape[2:] != self._size:
                    batch = torch.nn.functional.interpolate(batch, self._size, mode="bilinear", antialias=True)
                batch = (batch.expand(-1, self._channels, -1, -1) - self._mean) / self._std
                found.append(scores_of(self._module(batch)).argmax(1).cpu().numpy())
        return np.concatenate(found)


__all__ = ["Classifier", "digest_of"]
