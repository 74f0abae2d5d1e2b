"""The page of all options: keys of a TOML file and of `run.toml`, from the models that check them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic.fields import FieldInfo

from filterscope.jobs.config.audit import AuditConfig, ModelConfig, attribute
from filterscope.jobs.config.flags import Flag, flags
from filterscope.pipeline.methods import registry

_STATED = ("key", "default", "is")
_CHOSEN = ("takes", "default", "is")
_INTRO = """# Options

What an audit can be asked, as keys of a TOML file (`filterscope audit zoo.toml`); a run records them in its `run.toml`. On
the command line each is a flag (`--max-rejects` for `max_rejects`), and in `filterscope.audit(...)` an argument. An option of a
method is a key of the table of that method, and a flag:

```toml
data = "data/sample"
out = "runs/first"
layers = ["layer4"]

[dissection]
quantile = 0.01     # --quantile 0.01, --dissection.quantile 0.01

[[models]]
source = "torchvision:resnet18@weights.pth"
```
"""


def pages() -> dict[str, str]:
    """Return the page."""
    return {"options.md": "\n".join(_page()) + "\n"}


def _page() -> Iterator[str]:
    made = flags()
    known = {attribute(flag.key) for flag in made}
    own = {name: field for name, field in AuditConfig.model_fields.items() if name not in known}
    yield from (_INTRO, "## What is audited", "", *_table(_STATED, _fields(own)))
    yield from (
        "",
        "## Models",
        "",
        "Keys of a table `[[models]]`. Instead of `source` it may state `factory`, and with",
    )
    yield from ("`checkpoints`, a glob, it stands for one model per file ([checkpoints](checkpoints.md)).", "")
    yield from _table(_STATED, _fields(ModelConfig.model_fields))
    yield from ("", "## The run", "", *_table(("key, flag", *_CHOSEN), _flags(flag for flag in made if not flag.group)))
    for method in registry.METHODS:
        its = [flag for flag in made if flag.group == method.name]
        if its:
            yield from ("", f"## {method.name}", "", f"{method.about}: [{method.name}]({method.name}.md).", "")
            yield from _table((f"key of `[{method.name}]`, flag", *_CHOSEN), _flags(its))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"| {' | '.join('---' for _ in heads)} |"
    for row in rows:
        yield "| " + " | ".join(re.sub(r"(?<!\\)\|", r"\|", cell) for cell in row) + " |"


def _fields(fields: Mapping[str, FieldInfo]) -> Iterator[Sequence[str]]:
    for name, field in fields.items():
        default = "**required**" if field.is_required() else _value(field.default)
        yield f"`{name}`", default, _said(field)


def _said(field: FieldInfo) -> str:
    """Return the help of an option, with its flags and placeholders as they are, not as Markdown."""
    return re.sub(r"([*_<>\[\]$])", r"\\\1", field.description or "")


def _flags(some: Iterable[Flag]) -> Iterator[Sequence[str]]:
    for flag in some:
        field = AuditConfig.model_fields[attribute(flag.key)]
        key = _key(flag)
        takes = "true or false" if flag.switch else f"`{flag.metavar}`"
        limits = _limits(field)
        yield f"`{key}`<br>`{flag.names[0]}`", f"{takes} {limits}".strip(), _value(field.default), _said(field)


def _key(flag: Flag) -> str:
    """Return the key of an option in its TOML table: the name of its field."""
    if not flag.group:
        return flag.key
    names = registry.method(flag.group).options.flat_names()
    return next(name for name, flat in names.items() if flat == flag.key)


def _limits(field: FieldInfo) -> str:
    signs = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    found = ((sign, getattr(one, sign)) for one in field.metadata for sign in signs if hasattr(one, sign))
    return ", ".join(dict.fromkeys(f"{signs[sign]} {limit:g}" for sign, limit in found))  # a field may state one twice


def _value(default: object) -> str:
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{', '.join(map(str, default)) if isinstance(default, (tuple, list)) else default}`"
