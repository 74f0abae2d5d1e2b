"""What two sides of a comparison differ in beside what is compared: data, concepts, options; a sentence each."""

from collections.abc import Collection, Iterator

from filterscope.pipeline.datasets.layout import Dataset
from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.methods.comparison.sides import Side
from filterscope.pipeline.methods.dissection.options import DissectionOptions, mask_size

#: Names that a sentence lists before it counts the rest.
_NAMED = 6


def refuse_disjoint(first: Side, other: Side) -> None:
    """Raise InputError if no concept could label units of both sides."""
    both = first.concepts.keys() & other.concepts.keys()
    if not both:
        raise InputError(
            f"{first.name} and {other.name} were audited on data without a concept in common: {_few(first.concepts)}; and "
            f"{_few(other.concepts)}. Concepts are matched by name, so give the same concepts the same names"
        )
    if not first.eligible & other.eligible:
        raise InputError(
            f"of the concepts that the data of {first.name} and of {other.name} have in common ({_few(both)}), none could "
            "label units on both sides; audit with a lower --min-images, or on more images"
        )


def differences(first: Side, other: Side) -> Iterator[str]:
    """Yield a sentence for all that the other side's audit has different, the model and the layer left aside."""
    yield from _data(first, other)
    yield from _concepts(first, other)
    one, two = _settings(first), _settings(other)
    for name, value in one.items():
        if value != two[name]:
            yield f"{name} is {value} in {first.name}, {two[name]} in {other.name}"


def _data(first: Side, other: Side) -> Iterator[str]:
    if first.plan.data_identity == other.plan.data_identity:
        return
    sides = (
        f"{side.images:,} image{'s' if side.images != 1 else ''} (data set {side.plan.data_identity[:8]}) in {side.name}"
        for side in (first, other)
    )
    yield f"the data differ: {' and '.join(sides)}; {_images_in_both(first, other)}"


def _images_in_both(first: Side, other: Side) -> str:
    one, two = _digests(first), _digests(other)
    if one is None or two is None:
        return "whether they share images is unknown, since one data set is no longer where it was audited"
    there = set(two)
    count = sum(digest in there for digest in one)
    return f"{count:,} of the former are among the latter" if count else "no image is in both"


def _digests(side: Side) -> list[str] | None:
    """Return the digests of the image files, None if the data set is not where and as it was audited."""
    data = Dataset(side.plan.data)
    try:
        return data.images["sha256"].to_pylist() if data.identity == side.plan.data_identity else None
    except InputError:
        return None


def _concepts(first: Side, other: Side) -> Iterator[str]:
    for side, against in ((first, other), (other, first)):
        if alone := side.concepts.keys() - against.concepts.keys():
            yield f"{_counted(alone)} only in the data of {side.name}: {_few(alone)}"
    both = first.concepts.keys() & other.concepts.keys()
    for side, against in ((first, other), (other, first)):
        if few := (side.eligible - against.eligible) & both:
            yield f"{_counted(few)} in the data of both, but in enough images only in {side.name}: {_few(few)}"
    moved = [name for name in both if first.concepts[name] != other.concepts[name]]
    if moved:
        yield f"{_counted(moved)} in another category in {other.name} than in {first.name}: {_few(moved)}"


def _settings(side: Side) -> dict[str, object]:
    """Return what an audit's labels depend on, by its flag."""
    dissection, run = side.plan.of(DissectionOptions), side.plan.options
    flags: dict[str, object] = {
        name: getattr(dissection, name) for name in ("quantile", "anchoring", "mask_mode", "min_images")
    }
    flags["min_groups"] = dissection.min_groups if side.plan.grouped else "without effect"
    flags |= {name: getattr(run, name) for name in ("geometry", "views", "flips", "negatives", "activation_scale")}
    return {
        **{f"--{name.replace('_', '-')}": value for name, value in flags.items()},
        "the size of masks": _size(mask_size(side.plan, side.planned)),
        "the input": _size(side.planned.transform.input_size),
        "the basis of units": side.planned.spec.basis or "native",
    }


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]} pixels"


def _counted(names: Collection[str]) -> str:
    return "1 concept is" if len(names) == 1 else f"{len(names):,} concepts are"


def _few(names: Collection[str]) -> str:
    known = sorted(names)
    more = f" and {len(known) - _NAMED:,} more" if len(known) > _NAMED else ""
    return ", ".join(known[:_NAMED]) + more if known else "none"


__all__ = ["differences", "refuse_disjoint"]
