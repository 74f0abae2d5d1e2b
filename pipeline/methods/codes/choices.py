"""Classes that the values of a choice among the codes stand for: of the images that they are decoded to, and encoded from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from filterscope.operators.codes.purity import PERMUTATIONS, Purity, purity
from filterscope.pipeline.datasets.attributes import CLASS
from filterscope.pipeline.methods.codes.directions import draw_codes
from filterscope.pipeline.methods.codes.encode import read_coded
from filterscope.pipeline.methods.codes.options import CodesOptions
from filterscope.pipeline.methods.codes.subjects import Subject, random_of
from filterscope.pipeline.methods.outputs.truth import stated_labels
from filterscope.pipeline.run.plan import Plan, PlannedModel

if TYPE_CHECKING:
    from filterscope.pipeline.methods.codes.classifier import Classifier
    from filterscope.pipeline.models.network import Network

#: Where classes are from: an independent classifier of decoded images, or the data set's, of images that are encoded.
DECODED, ENCODED = "decoded", "encoded"
_AT_ONCE = 256


def choices_of(model: PlannedModel) -> list[tuple[int, int]]:
    """Return the first code and the number of values of each choice that a network's latents state."""
    latents = model.coding.latents if model.coding else ()
    firsts = [at for at, ends in enumerate(latents) if len(ends) == 1 and ends not in latents[:at]]
    return [(first, latents.count(latents[first])) for first in firsts]


def parameters(model: PlannedModel) -> dict[str, Any]:
    """Return what is measured of choices; nothing of a network without any."""
    return (
        {"choices": [list(choice) for choice in choices_of(model)], "permuted": PERMUTATIONS}
        if choices_of(model)
        else {}
    )


def classed(
    plan: Plan, model: PlannedModel, subject: Subject, group: int, network: "Network", classifier: "Classifier | None"
) -> dict[str, np.ndarray]:
    """Return arrays of what each value of each choice of a group stands for, for `found_in` to read back."""
    found: dict[str, np.ndarray] = {}
    if subject.decodes and classifier is not None:
        codes = draw_codes(
            model.coding.latents if model.coding else (),
            plan.of(CodesOptions).images,
            random_of(plan, "choices", model.name, group),
        )
        parts = [codes[at : at + _AT_ONCE] for at in range(0, len(codes), _AT_ONCE)]
        told = np.concatenate([classifier(network.decode(part, group)) for part in parts])
        seen, label = np.unique(told, return_inverse=True)
        found |= _measured(plan, model, group, DECODED, codes, label, [str(number) for number in seen.tolist()])
    if subject.encodes and plan.of(CodesOptions).factors != "morphometry":
        names, of_image = stated_labels(plan, CLASS)
        stored = read_coded(plan, model, "views", "codes-0")
        label = of_image[plan.views.image[stored["views"]]]
        known = label >= 0
        if known.any():
            found |= _measured(plan, model, group, ENCODED, stored["codes-0"][known, group], label[known], names)
    return found


def _measured(
    plan: Plan, model: PlannedModel, group: int, source: str, codes: np.ndarray, label: np.ndarray, names: list[str]
) -> dict[str, np.ndarray]:
    found = {f"{source}-names": np.array(names, str)}
    for first, values in choices_of(model):
        chosen = codes[:, first : first + values].argmax(axis=1)
        random = random_of(plan, "permuted choices", source, model.name, group, first)
        told = purity(chosen, label, (values, len(names)), random)
        found |= {f"{source}-{first}-{name}": np.array(value) for name, value in told._asdict().items()}
    return found


def found_in(arrays: dict[str, np.ndarray], model: PlannedModel) -> Iterator[tuple[str, int, list[str], Purity]]:
    """Yield what was measured: where classes are from, the first code of the choice, their names, and how pure it is."""
    for source in (DECODED, ENCODED):
        for first, _ in choices_of(model) if f"{source}-names" in arrays else ():
            counts, matched, *shares = (arrays[f"{source}-{first}-{name}"] for name in Purity._fields)
            yield source, first, arrays[f"{source}-names"].tolist(), Purity(counts, matched, *map(float, shares))


def class_rows(arrays: dict[str, np.ndarray], model: PlannedModel, group: int) -> Iterator[dict[str, Any]]:
    """Yield rows of the table `code_classes` of a group."""
    for source, first, names, told in found_in(arrays, model):
        for value, label in np.argwhere(told.counts).tolist():
            yield {
                "group": group,
                "code": first,
                "value": value,
                "source": source,
                "label": names[label],
                "images": int(told.counts[value, label]),
                "share": float(told.counts[value, label] / told.counts[value].sum()),
                "matched": int(told.matched[value]) == label,
            }


def purities(arrays: dict[str, np.ndarray], model: PlannedModel) -> dict[str, float]:
    """Return purity and its null, mean over choices, for the table `code_summary`; nothing where none was measured."""
    told: dict[str, list[float]] = {}
    for source, _, _, found in found_in(arrays, model):
        end = "" if source == DECODED else "_encoded"
        for name, value in ((f"purity{end}", found.purity), (f"purity{end}_null", found.null)):
            told.setdefault(name, []).append(value)
    return {name: float(np.mean(values)) for name, values in told.items()}


__all__ = ["DECODED", "ENCODED", "choices_of", "class_rows", "classed", "parameters", "purities"]
