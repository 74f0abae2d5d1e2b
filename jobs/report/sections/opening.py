"""The sentence with which a page begins: what most labels that stand are, and how many of all units have one."""

import polars as pl

from filterscope.pipeline.methods.significance.trust import STANDINGS

#: Concepts that are named.
NAMED = 3
_PLURALS = {name: f"{name}s" for name in ("object", "part", "scene", "material", "texture", "color")}


def opening(units: pl.DataFrame) -> str:
    """Say what the units whose labels stand detect, and how many they are.

    Parameters
    ----------
    units : polars.DataFrame
        A row for each unit, with the columns `concept`, `category` and `standing`.

    Returns
    -------
    str
        A sentence. What it calls most labels over half of the units that stand: a category, where units are labelled with
        several, or the commonest concepts.
    """
    strong, tentative = (units.filter(pl.col("standing") == name) for name in STANDINGS[:2])
    every = f"of {units.height:,} unit{'' if units.height == 1 else 's'}"
    if not strong.height:
        more = (
            f"; {tentative.height:,} {'is' if tentative.height == 1 else 'are'} tentative" if tentative.height else ""
        )
        return f"None {every} stands{more}."
    stand = f"{strong.height:,} {every} {'stands' if strong.height == 1 else 'stand'}."
    category, inside = _commonest(strong, "category")[0]
    if 2 * inside > strong.height > 1 and units.filter(pl.col("standing") != STANDINGS[-1])["category"].n_unique() > 1:
        names, _ = _named(strong.filter(category=category))
        return f"Mostly {_PLURALS.get(category, category)}, such as {names}; {stand}"
    names, named = _named(strong)
    if strong.height > 1:
        names = f"{'Mostly' if 2 * named > strong.height else 'Among others'} {names}"
    return f"{names[0].upper()}{names[1:]}; {stand}"


def _commonest(units: pl.DataFrame, column: str) -> list[tuple[str, int]]:
    return list(units.group_by(column).len().sort("len", column, descending=[True, False]).iter_rows())


def _named(units: pl.DataFrame) -> tuple[str, int]:
    """Return the commonest concepts in words, and how many of the units they label; of one unit each where none has more."""
    shown = _commonest(units, "concept")[:NAMED]
    repeated = [(name, count) for name, count in shown if count > 1] or shown
    return ", ".join(name for name, _ in repeated), sum(count for _, count in repeated)


__all__ = ["NAMED", "opening"]
