"""Where the forward passes of a run are computed: cores or GPUs, and on which card, since no two kinds give the same floats."""

import os
import re
from collections.abc import Collection, Mapping
from typing import Any

from filterscope.pipeline.engine.errors import InputError, RunError, did_you_mean
from filterscope.pipeline.engine.runner import cluster_named, start_ray

#: Ray's label of nodes with GPUs.
LABEL = "ray.io/accelerator-type"


def device_of(asked: str) -> str:
    """Return cpu or cuda for what was asked; InputError for cuda where there is none."""
    import torch

    available = torch.cuda.is_available()
    if asked == "cuda" and os.environ.get("RAY_ADDRESS"):
        return "cuda"  # the workers of a cluster have GPUs that its head need not have
    if asked == "cuda" and not available:
        raise InputError("--device cuda was asked for, but torch finds no CUDA device; use --device cpu")
    return "cuda" if asked != "cpu" and available else "cpu"


def device_name(device: str, accelerator: str) -> str:
    """Return the name of the card that a run is computed on, as torch states it; empty for cores.

    Parameters
    ----------
    device : {"cpu", "cuda"}
        Where forward passes run.
    accelerator : str
        Type of GPU that is asked for, as Ray names it; empty for any.

    Raises
    ------
    InputError
        If there are several kinds of cards and none is asked for, or no card of the type that is.
    """
    if device == "cpu":
        if accelerator:
            raise InputError(f"--accelerator {accelerator} is a type of GPU, and the forward passes run on cores")
        return ""
    if not cluster_named():
        return _own_card(accelerator)
    import ray

    start_ray()
    chosen = accelerator_of(ray.nodes(), accelerator)
    selector = {LABEL: chosen} if chosen else None
    return str(ray.get(ray.remote(num_gpus=1, label_selector=selector)(card).remote()))


def card() -> str:
    """Return the name of this process' GPU."""
    import torch

    return str(torch.cuda.get_device_name())


def _own_card(accelerator: str) -> str:
    name = card()
    if accelerator and not _is_of(name, accelerator):
        raise InputError(f"--accelerator {accelerator} was asked for, and this machine has {name}")
    return name


def _is_of(name: str, accelerator: str) -> bool:
    """Tell whether a card has every word of a type's name, such as A100-40G; its driver writes 40GB."""
    words = set(re.findall(r"[a-z0-9]+", name.casefold()))
    return all({word, f"{word}b"} & words for word in re.findall(r"[a-z0-9]+", accelerator.casefold()))


def accelerator_of(nodes: Collection[Mapping[str, Any]], asked: str) -> str:
    """Return the type of GPU of the nodes of a cluster, or the one that was asked for; empty where nodes state none."""
    alive = [node for node in nodes if node["Alive"] and node["Resources"].get("GPU", 0)]
    types = sorted({node["Labels"].get(LABEL, "") for node in alive} - {""})
    if asked:
        if types and asked not in types:
            raise InputError(
                f"--accelerator {asked} was asked for, and the cluster has {', '.join(types)}.{did_you_mean(asked, types)}"
            )
        return asked
    if len(types) > 1:
        raise InputError(
            f"the cluster has GPUs of several types ({', '.join(types)}), which give different floats; choose one with "
            "--accelerator"
        )
    return types[0] if types else ""


def refuse_other_card(planned: str, here: str) -> None:
    """Stop a worker whose GPU is not of the kind that a run was planned on; nothing is compared where that was not recorded."""
    if planned and here != planned:
        raise RunError(
            f"this worker has {here}, and the run was planned on {planned}: their floats differ. Choose one type of GPU with "
            "--accelerator, or audit on this one into another --out"
        )


__all__ = ["LABEL", "accelerator_of", "card", "device_name", "device_of", "refuse_other_card"]
