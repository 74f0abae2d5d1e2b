"""Which networks and weights there are, told from the sources of torchvision and timm: importing them takes seconds.

What is refused here cannot exist: a network is registered under the name of a function or under a string, and neither is in
the sources. What is not refused may still be unknown to the library, which `pipeline.models.sources` asks.
"""

import importlib.util
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from filterscope.pipeline.engine.errors import InputError, did_you_mean
from filterscope.pipeline.models.spec import ModelSpec

PACKAGED = ("efficientnet-lite0",)

#: Folder of a training in which its networks lie, and what marks a folder as one.
NETWORKS, RECORD = "networks", "training.toml"
#: Networks that a message names.
_SHOWN = 20

_BUILDER = re.compile(r"^@register_model\b.*\n(?:[@ )].*\n)*def (\w+)\(", re.M)
_WEIGHTS = re.compile(r"def \w+\(\s*\*,\s*weights: Optional\[(\w+)\]")
_BODY = re.compile(r"(?: .*\n|\n)+")
#: Folders of torchvision's builders whose networks take single images.
_FOLDERS = ("", "detection", "segmentation")


def refuse_unknown(spec: ModelSpec) -> None:
    """Refuse a network or weights that are surely not there, without importing what would build them.

    Raises
    ------
    InputError
        If the architecture, its weights or the module of its factory are not there; the message is that of opening it.
    """
    if spec.weights_path is not None:
        refuse_absent(spec.weights_path)
    check = {
        "torchvision": _torchvision,
        "timm": _timm,
        "package": _package,
        "factory": _factory,
        "trained": _trained,
    }.get(spec.scheme)
    if check:
        check(spec)


def refuse_absent(path: Path) -> None:
    """Refuse a file of weights that is not there."""
    if not path.is_file():
        raise InputError(f"no weights file at {path}")


def no_torchvision(name: str, names: Iterable[str]) -> InputError:
    """Return what is said of a network that torchvision does not have."""
    return InputError(f"torchvision has no classification model {name!r}.{did_you_mean(name, names)}")


def no_torchvision_tag(spec: ModelSpec, tags: Iterable[str], members: Iterable[str]) -> InputError:
    """Return what is said of weights that torchvision does not have; members are its tags and other names of them."""
    return InputError(
        f"{spec.architecture} has no weights {spec.tag!r}; its tags are {', '.join(tags)}; a path holds a / or ends in a "
        f"suffix such as .pth.{did_you_mean(spec.tag or '', members)}"
    )


def no_timm(name: str, names: Iterable[str]) -> InputError:
    """Return what is said of a network that timm does not have."""
    return InputError(f"timm has no model {name!r}.{did_you_mean(name, names)}")


def no_timm_tag(base: str, tag: str, tags: list[str]) -> InputError:
    """Return what is said of weights that timm does not have."""
    return InputError(
        f"{base} has no weights {tag!r}; its tags are {', '.join(tags) or 'none'}.{did_you_mean(tag, tags)}"
    )


def no_factory(module: str, reason: str) -> InputError:
    """Return what is said of a factory whose module cannot be imported."""
    return InputError(
        f"factory module {module!r} cannot be imported ({reason}); run from the folder that holds it, or install it"
    )


def network_path(run: Path, name: str) -> Path:
    """Return where a training leaves the network of a name."""
    return run / NETWORKS / f"{name}.safetensors"


def located(text: str) -> Path:
    """Return the file that ``RUN/NAME``, or a path of such a file, means; it need not be there."""
    path = Path(text).expanduser()
    return path if path.suffix == ".safetensors" else network_path(path.parent, path.name)


def refuse_missing(text: str) -> None:
    """Stop if there is no network ``RUN/NAME``.

    Raises
    ------
    InputError
        What there is instead.
    """
    file, path = located(text), Path(text).expanduser()
    if file.is_file():
        return
    run = path.parent
    if path == file:
        raise InputError(f"no trained network at {path}")
    if not (run / RECORD).is_file():
        more = f"; trained:{path}/NAME names a network of it" if (path / RECORD).is_file() else ""
        raise InputError(
            f"trained:{text}: {run} holds no trained networks (it has no {RECORD}){more or _how(run)}{_names(path)}"
        )
    if (run / "ledger" / "train" / path.name).is_dir():
        raise InputError(
            f"trained:{text}: {path.name} is not finished, or its file is gone; give the command that trains it again, or "
            f"`filterscope doctor {run} --repair`"
        )
    raise InputError(f"trained:{text}: no network {path.name!r} in {run}.{_names(run, path.name)}")


def _how(run: Path) -> str:
    return f"; `filterscope train RECIPE --out {run}` makes some"


def _names(run: Path, wrong: str = "") -> str:
    known = sorted(path.stem for path in (run / NETWORKS).glob("*.safetensors"))
    if not known:
        return " None is finished." if wrong else ""
    more = ", ..." if known[_SHOWN:] else ""
    return f"{did_you_mean(wrong, known) if wrong else '.'} There are {', '.join(known[:_SHOWN])}{more}"


@cache
def _sources(package: str) -> dict[str, str]:
    """Return the sources of a package's models by their folder; none where it is not installed as files."""
    found = importlib.util.find_spec(package)
    texts: dict[str, str] = {}
    for root in (Path(place) / "models" for place in (found and found.submodule_search_locations) or ()):
        for file in sorted(root.rglob("*.py")):
            folder = "" if file.parent == root else file.parent.relative_to(root).as_posix()
            texts[folder] = texts.get(folder, "") + file.read_text(encoding="utf-8", errors="replace")
    return texts


def _named(text: str, name: str) -> bool:
    """Tell whether sources define a function of a name, or hold it as a string."""
    return any(written in text for written in (f"\ndef {name}(", f'"{name}"', f"'{name}'"))


def _trained(spec: ModelSpec) -> None:
    refuse_missing(spec.architecture)


def _torchvision(spec: ModelSpec) -> None:
    texts, name = _sources("torchvision"), spec.architecture
    if texts and not any(_named(text, name) for text in texts.values()):
        raise no_torchvision(name, [own for folder in _FOLDERS for own in _BUILDER.findall(texts.get(folder, ""))])
    members = _torchvision_members("".join(texts.get(folder, "") for folder in _FOLDERS), name)
    if spec.tag is not None and members and spec.tag not in members:
        raise no_torchvision_tag(spec, [own for own in members if own != "DEFAULT"], members)


def _torchvision_members(text: str, name: str) -> list[str]:
    """Return the names of the official weights of a network, none where they cannot be told."""
    start = text.find(f"\ndef {name}(")
    takes = _WEIGHTS.match(text, start + 1) if start >= 0 else None
    head = f"\nclass {takes[1]}(WeightsEnum):\n" if takes else ""
    start = text.find(head) if head else -1
    body = _BODY.match(text, start + len(head)) if start >= 0 else None
    return re.findall(r"^    (\w+) = ", body[0], re.M) if body else []


def _timm(spec: ModelSpec) -> None:
    text = "".join(_sources("timm").values())
    base, _, tag = spec.architecture.partition(".")
    if text and not _named(text, base):
        raise no_timm(base, _BUILDER.findall(text))
    tag = spec.tag or tag
    if tag and f'.{tag}"' not in text and f".{tag}'" not in text:
        tags = sorted(set(re.findall(rf"""["']{re.escape(base)}\.(\w+)["']""", text)))
        if tags:
            raise no_timm_tag(base, tag, tags)


def _package(spec: ModelSpec) -> None:
    if spec.architecture not in PACKAGED:
        hint = did_you_mean(spec.architecture, PACKAGED)
        raise InputError(
            f"no packaged model {spec.architecture!r}; there is package:{', package:'.join(PACKAGED)}.{hint}"
        )


def _factory(spec: ModelSpec) -> None:
    """Look for the outermost package alone: to find one inside it is imported."""
    module = spec.architecture.partition(":")[0]
    top = module.partition(".")[0]
    here = any((Path.cwd() / name).exists() for name in (top, f"{top}.py"))
    if not here and top not in sys.modules and importlib.util.find_spec(top) is None:
        raise no_factory(module, f"ModuleNotFoundError: No module named {top!r}")


__all__ = [
    "PACKAGED",
    "no_factory",
    "no_timm",
    "no_timm_tag",
    "no_torchvision",
    "no_torchvision_tag",
    "refuse_absent",
    "refuse_unknown",
]
