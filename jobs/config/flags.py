"""Options as flags of the command line; names, help and defaults are those of the fields."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from filterscope.jobs.config.audit import FORMER_NAMES, AuditConfig, attribute
from filterscope.pipeline.methods import registry
from filterscope.pipeline.run.options import Options, RunOptions


@dataclass(frozen=True)
class Flag:
    """An option as a flag.

    Attributes
    ----------
    key : str
        Flat name of the option.
    names : tuple of str
        Such as --quantile and --dissection.quantile, the one that help shows first.
    help : str
        Sentences: what it is, its default and the numbers it may be, its other names.
    group : str
        Its method, or nothing for options of the run.
    panel : str
        What an option of the run is about, one of `pipeline.run.options.Panel`; nothing for one of a method.
    metavar : str
        What it takes; nothing for a switch, which also has names that begin with --no-.
    annotation : type
        What values of the option are.
    """

    key: str
    names: tuple[str, ...]
    help: str
    group: str
    panel: str
    metavar: str
    annotation: Any

    @property
    def switch(self) -> bool:
        """Whether it is on or off and takes no value."""
        return not self.metavar

    def value(self, given: str | bool) -> Any:
        """Return what a configuration file would hold; text that is no number where one belongs stays, to be refused there."""
        if isinstance(given, bool):
            return given
        types = set(_types(self.annotation))
        if not types & {int, float} or str in types:
            return given
        if tuple in types or list in types:
            return [_number(part.strip()) for part in given.split(",") if part.strip()] or given
        return _number(given)


def flags() -> list[Flag]:
    """Return a flag for each option of the run and then of each method."""
    found = [_flag("", flat, [flat]) for flat in RunOptions.flat_names().values()]
    for method in registry.METHODS:
        names = method.options.flat_names()
        found += [_flag(method.name, flat, [flat, f"{method.name}.{name}"]) for name, flat in names.items()]
    return found


def short_flags(method: str, also: Mapping[str, str] | None = None) -> list[Flag]:
    """Return a flag for each option of one method, named after its field alone, for the verb of that method.

    Parameters
    ----------
    method : str
        Name of the method.
    also : mapping, optional
        A second name by field.
    """
    names = _options(method).flat_names()
    more = also or {}
    return [_flag(method, flat, [name, *([more[name]] if name in more else [])]) for name, flat in names.items()]


def option_flags(options: type[Options], group: str) -> list[Flag]:
    """Return a flag for each field of options that are of no method, named after it; help shows them as those of `group`."""
    return [flag_of(field, name, [name], group) for name, field in options.model_fields.items()]


def by_field(method: str, flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return what options by flat name say of one method, by the names of its fields."""
    return {field: flat[name] for field, name in _options(method).flat_names().items() if name in flat}


def methods_text() -> str:
    """Return what methods there are, a paragraph each."""
    lines = [f"{method.name}: {method.about}. {method.source}." for method in registry.METHODS]
    return "\n\n".join(["Methods:", *lines])


def _options(name: str) -> type[Options]:
    return registry.method(name).options


def _flag(group: str, flat: str, keys: Iterable[str]) -> Flag:
    former = [old for old, new in FORMER_NAMES.items() if new == flat]
    return flag_of(AuditConfig.model_fields[attribute(flat)], flat, [*keys, *former], group)


def flag_of(field: FieldInfo, flat: str, keys: Iterable[str], group: str) -> Flag:
    """Return the flag of an option: its flat name, the names that it goes by, and the method that it is of."""
    names = tuple(f"--{key.replace('_', '-')}" for key in dict.fromkeys(keys))
    about = field.description or flat
    beside = "; ".join(filter(None, (_shown(field.default), _range(field))))
    text = about[:1].upper() + about[1:] + (f" ({beside})" if beside else "") + "."
    if names[1:]:
        text += f" Also {', '.join(names[1:])}."
    extra = field.json_schema_extra
    panel = "" if group or not isinstance(extra, dict) else str(extra.get("panel", ""))
    return Flag(flat, names, text, group, panel, _metavar(field.annotation), field.annotation)


def _range(field: FieldInfo) -> str:
    """Say which numbers an option may be, as its checks state it."""
    found: dict[str, Any] = {}
    for check in _checks(field):
        found |= {name: getattr(check, name) for name in ("ge", "gt", "le", "lt") if hasattr(check, name)}
        limit = getattr(getattr(check, "func", None), "limit", None)
        found |= {} if limit is None else {"le": limit}
    if "ge" in found and "le" in found:
        return f"{found['ge']} to {found['le']}"
    words = {"ge": "{} or more", "gt": "above {}", "le": "at most {}", "lt": "below {}"}
    return ", ".join(said.format(found[name]) for name, said in words.items() if name in found)


def _checks(field: FieldInfo) -> Iterator[Any]:
    """Yield what stands beside the type of an option, and beside the types inside it."""
    inside = [field.annotation]
    yield from field.metadata
    while inside:
        annotation = inside.pop()
        own, *more = get_args(annotation) if get_origin(annotation) is Annotated else (None,)
        for one in more:
            yield from one.metadata if isinstance(one, FieldInfo) else [one]
        if get_origin(annotation) is not Literal:
            inside += [own] if own is not None else get_args(annotation)


def _types(annotation: Any) -> Iterator[type]:
    """Return the types that an annotation is made of, and the tuples and lists that hold them."""
    origin = get_origin(annotation)
    if origin is None:
        yield annotation
    elif origin is Annotated:
        yield from _types(get_args(annotation)[0])
    elif origin is Literal:
        yield from {type(choice) for choice in get_args(annotation)}
    else:
        if origin not in (Union, UnionType):
            yield origin
        for part in get_args(annotation):
            yield from _types(part)


def _metavar(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    types = set(_types(annotation)) - {type(None)}
    if bool in types:
        return ""
    one = "TEXT" if str in types else "NUMBER" if float in types else "INTEGER" if int in types else "TEXT"
    return f"{one},..." if types & {tuple, list} else one


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _shown(default: object) -> str:
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return "on" if default else "off"
    return ", ".join(map(str, default)) if isinstance(default, (tuple, list)) else str(default)


__all__ = ["Flag", "by_field", "flag_of", "flags", "methods_text", "option_flags", "short_flags"]
