"""Networks that exist in Python already, made into what an audit opens like any other network."""

import copy
import hashlib
import pickle
import re
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.spec import LIVE
from filterscope.pipeline.models.weights import state_sha256


class LiveNetwork:
    """A copy of a module, which makes further copies wherever it is called; the module itself is left as it is.

    Every piece of work carries its plan to a worker, and so this; there, it fetches the network from an actor that holds it,
    once for each process that runs it.

    Parameters
    ----------
    module : nn.Module
        The network, in training or evaluation mode, on any device.

    Attributes
    ----------
    name : str
        Its class and 8 digits of its weights.
    source : str
        ``module:CLASS-STRUCTURE@WEIGHTS``: class, digest of the printed module and of its state, so that neither other
        weights nor the same weights in another structure pass for it.

    Raises
    ------
    InputError
        If it cannot be copied, or is not in float32.
    """

    def __init__(self, module: nn.Module) -> None:
        kind = type(module).__qualname__.rpartition("<locals>.")[2]
        label = re.sub(r"[^\w.]", "_", kind)
        _refuse(module, label)
        try:
            self._module = copy.deepcopy(module).cpu()
        except Exception as error:  # copying a user's module may fail in any way
            raise InputError(
                f"{label} cannot be copied ({type(error).__name__}: {error}); pass one that can"
            ) from error
        weights = state_sha256(self._module.state_dict())
        self.name = f"{re.sub(r'[^A-Za-z0-9._]', '_', label)}-{weights[:8]}"
        self.source = f"{LIVE}:{label}-{_structure(self._module)}@{weights}"
        self._holder: Any = None

    def __call__(self) -> nn.Module:
        """Return a copy of the network."""
        return copy.deepcopy(self._module)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._holder is None:
            import ray

            self._holder = ray.remote(num_cpus=0)(_Holder).remote(_pickled(self._module))
        return _Elsewhere, (self._holder,)

    def close(self) -> None:
        """Stop the actor that holds the network for workers."""
        if self._holder is not None:
            import ray

            if ray.is_initialized():
                ray.kill(self._holder)
            self._holder = None


class _Holder:
    """The actor that holds a pickled network as long as an audit takes."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def content(self) -> bytes:
        return self._content


class _Elsewhere:
    """A live network in a worker."""

    def __init__(self, holder: Any) -> None:
        self._holder = holder

    def __call__(self) -> nn.Module:
        import ray

        # what this very audit put into memory, not a file
        module: nn.Module = pickle.loads(ray.get(self._holder.content.remote()))
        return module


def _refuse(module: nn.Module, label: str) -> None:
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    for name, tensor in tensors.items():
        if torch.nn.parameter.is_lazy(tensor) or tensor.is_meta:
            raise InputError(
                f"{label} has no values for {name} yet; run it once, or load its weights, and pass it then"
            )
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise InputError(
                f"{label} holds {name} as {str(tensor.dtype).removeprefix('torch.')}; audits run networks in float32: pass "
                "copy.deepcopy(model).float()"
            )


def _structure(module: nn.Module) -> str:
    """Return 8 digits that tell apart what the printed module does: kernel sizes, strides, kinds of layers."""
    printed = re.sub(r" at 0x[0-9a-f]+", "", repr(module))
    return hashlib.sha256(printed.encode()).hexdigest()[:8]


def _pickled(module: nn.Module) -> bytes:
    """Pickle a module with the code of the user's own, which workers may not be able to import."""
    from ray import cloudpickle

    with _own_code_by_value():
        try:
            content: bytes = cloudpickle.dumps(module)
        except Exception as error:  # a user's module may hold anything
            raise InputError(
                f"{type(module).__name__} cannot be sent to workers ({type(error).__name__}: {error}); audit it in this "
                "process with actors=0"
            ) from error
    return content


@contextmanager
def _own_code_by_value() -> Iterator[None]:
    """Have what is loaded from anywhere but the places of installed packages pickled by value, where it is referred to."""
    from ray import cloudpickle

    packages = {name for name in sys.modules if "." not in name} - cloudpickle.list_registry_pickle_by_value()
    own = [sys.modules[name] for name in sorted(packages - {"__main__", "filterscope"}) if not _installed(name)]
    for package in own:
        cloudpickle.register_pickle_by_value(package)
    try:
        yield
    finally:
        for package in own:
            cloudpickle.unregister_pickle_by_value(package)


def _installed(name: str) -> bool:
    """Tell whether a package is built in or lies where Python installs packages."""
    package = sys.modules[name]
    file = getattr(package, "__file__", None) or next(iter(getattr(package, "__path__", [])), None)
    folders = tuple(sysconfig.get_paths()[place] for place in ("stdlib", "platstdlib", "purelib", "platlib"))
    return file is None or str(file).startswith(folders)


__all__ = ["LiveNetwork"]
