"""`filterscope.audit`: networks and a data set in, a run out; what the verb `audit` does, from Python."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from filterscope.pipeline.engine.errors import InputError
from filterscope.run import Run

if TYPE_CHECKING:
    from torch import nn

    from filterscope.jobs.config.audit import AuditConfig
    from filterscope.live import LiveNetwork

#: A network: how it is named, or the module itself.
One: TypeAlias = Union[str, "nn.Module"]


def audit(
    model: One | Sequence[One] | Mapping[str, One],
    data: str | PurePath,
    *,
    out: str | PurePath | None = None,
    layers: str | Sequence[str] = "-1",
    methods: str | Sequence[str] | None = None,
    input_size: int | Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    interpolation: str | None = None,
    name: str | None = None,
    redo: str | Sequence[str] | None = None,
    **options: Any,
) -> Run:
    """Audit networks on a data set, or finish, extend or recognise the run that is there.

    Parameters
    ----------
    model : str, nn.Module, or several as a sequence or as a mapping from name to one
        A source, such as ``torchvision:resnet18@weights.pth``, or a network in memory. A module is copied, audited in
        evaluation mode and left as it is; its class, printed structure and the SHA-256 of its state are its identity.
    data : path
        Folder of an imported data set.
    out : path, optional
        Folder of the run, or ``s3://BUCKET/KEY``; by default ``runs/NAME``, by the network, or the data set for several.
    layers, methods : str or sequence of str
        Names, globs or ``-1`` for the last maps; and what to compute, by default what the verb `audit` does.
    input_size, mean, std, interpolation
        Preprocessing, instead of the weights' own. For a module, ImageNet's is assumed where one is left out, and said.
    name : str, optional
        Name of a single network in the run.
    redo : str or sequence of str, optional
        Stages to compute again, with all that depends on them.
    **options
        Every other option of `filterscope audit` by its name: ``quantile=0.01``, ``localize={"shots": 3}``.

    Returns
    -------
    Run
        The run, complete.

    Raises
    ------
    InputError
        If something asked for cannot be done; the message says what was received and what to do.
    RunError
        If the run stopped; what was finished is saved, and the same call goes on from there.
    """
    from filterscope.jobs.config.audit import load_config

    for option, given in (("layers", layers), ("methods", methods)):
        if given is not None and not len(given):
            raise InputError(f"{option}: received {given!r}; name one at least, or leave it out for what is usual")
    stated = {"input_size": input_size, "mean": mean, "std": std, "interpolation": interpolation}
    entries, live = _entries(model, name, {key: _plain(value) for key, value in stated.items() if value is not None})
    place = out if out is not None else Path("runs") / _folder_name(entries, data)
    config = load_config(None, data=data, out=place, models=entries, layers=layers, methods=methods, **options)
    _carry_out(config, redo if redo is None or isinstance(redo, str) else ",".join(redo), live)
    return Run(config.out)


def _carry_out(config: "AuditConfig", redo: str | None, live: Sequence["LiveNetwork"]) -> None:
    """Run an audit, of the networks in memory too, and close them."""
    from filterscope.jobs.runs.audit import audit as run

    try:
        with _torch_as_it_was():
            run(config, redo=redo, command="filterscope.audit", factories={n.source: n for n in live})
    finally:
        for network in live:
            network.close()


def _entries(
    model: One | Sequence[One] | Mapping[str, One], name: str | None, stated: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list["LiveNetwork"]]:
    """Return what a configuration says of the networks, and those of them that are modules."""
    named: list[tuple[str | None, Any]]
    if isinstance(model, Mapping):
        named = list(model.items())
    elif isinstance(model, (list, tuple)):
        named = [(None, one) for one in model]
    else:
        named = [(name, model)]
    if not named:
        raise InputError("model: received no network; give a source, a module, or several of them")
    if name is not None and named[0][0] != name:
        raise InputError(f"name {name!r} is for a single network; name several with a dict: {{{name!r}: model, ...}}")
    entries, live = [], []
    for own, one in named:
        if isinstance(one, str):
            source, label = one, own
        else:
            network = _live(one)
            live.append(network)
            source, label = network.source, own or network.name
        entries.append({"source": source, **stated, **({"name": label} if label else {})})
    return entries, live


def _live(one: object) -> "LiveNetwork":
    from torch import nn

    if not isinstance(one, nn.Module):
        raise InputError(
            f"model: received {type(one).__name__}; expected a source such as 'torchvision:resnet18@weights.pth', a "
            "torch.nn.Module, a list of these, or a dict from name to one"
        )
    from filterscope.live import LiveNetwork

    return LiveNetwork(one)


def _plain(value: Any) -> Any:
    """Return an array or a sequence of numbers as a list of Python's own."""
    return value if isinstance(value, (str, int)) else [n if isinstance(n, int) else float(n) for n in value]


def _folder_name(entries: list[dict[str, Any]], data: str | PurePath) -> str:
    if len(entries) > 1:
        return PurePath(data).name or "run"
    entry = entries[0]
    label = entry.get("name") or entry["source"].partition(":")[2].replace("@random:", "-random-")
    architecture, _, weights = label.partition("@")
    stem = PurePath(weights).stem
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", f"{architecture}-{stem}" if stem else architecture).strip("-.") or "run"


@contextmanager
def _torch_as_it_was() -> Iterator[None]:
    """Give the threads and switches of torch back that an audit in this process settles for its own results."""
    import torch

    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    threads, tf32 = torch.get_num_threads(), matmul.allow_tf32
    switches = {switch: getattr(cudnn, switch) for switch in ("allow_tf32", "benchmark", "deterministic")}
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        matmul.allow_tf32 = tf32
        for switch, before in switches.items():
            setattr(cudnn, switch, before)


__all__ = ["audit"]
