"""Networks that recipes train, by the name that their checkpoints call them: the only code that a checkpoint can ask for."""

from collections.abc import Callable, Mapping

from torch import nn

from filterscope.pipeline.models.architectures.capsules import CapsNet
from filterscope.pipeline.models.architectures.infogan import InfoGAN
from filterscope.pipeline.models.architectures.interpretable_cnn import InterpretableCNN
from filterscope.pipeline.models.architectures.inverter import Inverter
from filterscope.pipeline.models.architectures.small_cnn import SmallCNN

#: What builds a network, from plain arguments; a new one is added here.
ARCHITECTURES: Mapping[str, Callable[..., nn.Module]] = {
    "capsnet": CapsNet,
    "infogan": InfoGAN,
    "interpretable-cnn": InterpretableCNN,
    "inverter": Inverter,
    "small-cnn": SmallCNN,
}

__all__ = ["ARCHITECTURES"]
