"""The page of all options: keys of a TOML file and of `run.toml`, from the models that check them."""

import re
from collections.abc import Iterable, Iterator

from pydantic.fields import FieldInfo

from filterscope.jobs.config.audit import AuditConfig, ModelConfig
from filterscope.jobs.config.flags import Flag, flags
from filterscope.pipeline.methods import registry

_HEAD = ("| {} | takes | default | is |", "| --- | --- | --- | --- |")
_INTRO = """# Options

What an audit can be asked, as keys of a TOML file (`filterscope audit zoo.toml`); what a run was asked stands in its `run.toml`
under the same keys. On the command line each is a flag, `--max-rejects` for `max_rejects`, and in
`filterscope.audit(...)` an argument. An option of a method is a key of the method's table, a flag by its flat name and by
METHOD.OPTION:

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
    known = {flag.key.replace(".", "__") for flag in made} | {flag.key for flag in made}
    own = {name: field for name, field in AuditConfig.model_fields.items() if not _is_option(name, known)}
    yield from (_INTRO, "## What is audited", "", *_table("key", _fields(own)))
    yield from ("", "## Models", "", "Keys of a table `[[models]]`. Instead of `source` it may state `factory`, and with")
    yield from ("`checkpoints`, a glob, it stands for one model per file ([checkpoints](checkpoints.md)).", "")
    yield from _table("key", _fields(ModelConfig.model_fields))
    yield from ("", "## The run", "", *_table("key", _flags(flag for flag in made if not flag.group)))
    for method in registry.METHODS:
        its = [flag for flag in made if flag.group == method.name]
        if its:
            yield from ("", f"## {method.name}", "", f"{method.about}: [{method.name}]({method.name}.md).", "")
            yield from _table(f"key of `[{method.name}]`", _flags(its))


def _is_option(name: str, known: Iterable[str]) -> bool:
    from filterscope.jobs.config.audit import attribute

    return name in known or name in {attribute(flag.key) for flag in flags()}


def _table(first: str, rows: Iterable[tuple[str, str, str, str]]) -> Iterator[str]:
    yield from (_HEAD[0].format(first), _HEAD[1])
    for row in rows:
        yield "| " + " | ".join(re.sub(r"(?<!\\)\|", r"\|", cell) for cell in row) + " |"


def _fields(fields: dict[str, FieldInfo]) -> Iterator[tuple[str, str, str, str]]:
    for name, field in fields.items():
        default = "**required**" if field.is_required() else _value(field.default)
        yield f"`{name}`", _limits(field), default, field.description or ""


def _flags(some: Iterable[Flag]) -> Iterator[tuple[str, str, str, str]]:
    from filterscope.jobs.config.audit import attribute

    for flag in some:
        field = AuditConfig.model_fields[attribute(flag.key)]
        key = _key(flag)
        takes = "true or false" if flag.switch else f"`{flag.metavar}`"
        limits = _limits(field)
        yield f"`{key}`<br>`{flag.names[0]}`", f"{takes} {limits}".strip(), _value(field.default), field.description or ""


def _key(flag: Flag) -> str:
    """Return the key of an option in its TOML table: the name of its field."""
    if not flag.group:
        return flag.key
    names = registry.method(flag.group).options.flat_names()
    return next(name for name, flat in names.items() if flat == flag.key)


def _limits(field: FieldInfo) -> str:
    signs = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    found = [(sign, getattr(one, sign)) for one in field.metadata for sign in signs if hasattr(one, sign)]
    return ", ".join(f"{signs[sign]} {limit:g}" for sign, limit in found)


def _value(default: object) -> str:
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{', '.join(map(str, default)) if isinstance(default, (tuple, list)) else default}`"
