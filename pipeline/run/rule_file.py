"""The user's rules: read from TOML once, then kept as rows in the run's own settings.

A row is a line of CSV, name, weight and text, so that settings hold plain text and a run can be resumed where the file is gone.
"""

import csv
import io
import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filterscope.operators.rules.formula import Formula, parse

#: Rules of a run at most.
MOST = 1000
_FORM = 'a TOML file of rules, [[rule]] with rule = "label:car => concept:wheel" and, if wanted, name and weight'


@dataclass(frozen=True)
class Rule:
    """A rule: its name, its text and what that says, and its weight, above 0."""

    name: str
    text: str
    weight: float
    formula: Formula


def rule_rows(value: object) -> object:
    """Return the rows of a set of rules from the path of a TOML file, or check rows.

    Raises
    ------
    ValueError
        If the file cannot be read, or a rule is malformed: with its number and what was received.
    """
    if value == "":
        return ()
    if isinstance(value, str):
        stated = _read(Path(value).expanduser())
    elif isinstance(value, (list, tuple)) and all(isinstance(row, str) for row in value):
        stated = [_of_row(number, row) for number, row in enumerate(value, 1)]
    else:
        raise ValueError(_FORM)
    if len(stated) > MOST:
        raise ValueError(f"at most {MOST:,} rules; there are {len(stated):,}")
    rules: dict[str, Rule] = {}
    for where, name, weight, text in stated:
        rule = _checked(where, name, weight, text)
        if rule.name in rules:
            raise ValueError(f"one rule of a name; {where} is called {rule.name!r} like an earlier one")
        rules[rule.name] = rule
    return tuple(_line(rule) for rule in rules.values())


def rules_of(rows: Sequence[str]) -> list[Rule]:
    """Return the rules of checked rows."""
    return [_checked(*_of_row(number, row)) for number, row in enumerate(rows, 1)]


Stated = tuple[str, Any, Any, Any]


def _read(path: Path) -> list[Stated]:
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"{_FORM} ({type(error).__name__}: {error})") from None
    rules = found.pop("rule", None)
    if found:
        raise ValueError(f"{_FORM}; {path.name} has {next(iter(found))!r} too")
    if not isinstance(rules, list) or not rules or not all(isinstance(rule, dict) for rule in rules):
        raise ValueError(f"{_FORM}; {path.name} has no [[rule]]")
    stated = []
    for number, rule in enumerate(rules, 1):
        where = f"rule {number} of {path.name}"
        unknown = sorted(rule.keys() - {"rule", "name", "weight"})
        if unknown:
            raise ValueError(f"rule, name and weight alone; {where} has {unknown[0]!r} too")
        stated.append((where, rule.get("name"), rule.get("weight", 1.0), rule.get("rule")))
    return stated


def _of_row(number: int, row: str) -> Stated:
    cells = next(csv.reader([row]), [])
    if len(cells) != 3:
        raise ValueError(f"name,weight,rule in every row; row {number} is {row!r}")
    name, weight, text = cells
    return f"row {number}", name, weight, text


def _checked(where: str, name: Any, weight: Any, text: Any) -> Rule:
    if not isinstance(text, str):
        raise ValueError(f"{_FORM}; {where} has no rule, or one that is no text: {text!r}")
    text = " ".join(text.split())
    try:
        formula = parse(text)
    except ValueError as error:
        raise ValueError(f"{error} ({where})") from None
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise ValueError(f"a text as the name of a rule; {where} has {name!r}")
    try:
        number = float("nan") if isinstance(weight, bool) else float(weight)
    except (TypeError, ValueError):
        number = float("nan")
    if not 0 < number < math.inf:
        raise ValueError(f"a number above 0 as the weight of a rule; {where} has {weight!r}")
    return Rule(text if name is None else " ".join(name.split()), text, number, formula)


def _line(rule: Rule) -> str:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="").writerow([rule.name, f"{rule.weight:.17g}", rule.text])
    return sink.getvalue()


__all__ = ["MOST", "Rule", "rule_rows", "rules_of"]
