"""Rules for the way back through rectifiers, however a network calls them.

What a network calls, a module, a function, a method, in place or not, leaves a node in the graph that autograd recorded.
Rules are set there, on every rectifier between a value and what it is differentiated by; the forward pass stays as it is.
A rectifier that a network spells out, such as ``x * (x > 0)``, is a product like any other and is not seen.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node

from filterscope.pipeline.engine.errors import InputError
from filterscope.pipeline.models.gradients import Scalar

#: Plain gradient; deconvnet hands on what is positive; guided backpropagation that, where the rectifier let through.
Rule = Literal["saliency", "deconvnet", "guided"]

#: What stands in for a rectifier: name of its node -> its own.
STAND_INS = {
    "Celu": "CELU",
    "Elu": "ELU",
    "Gelu": "GELU",
    "Hardswish": "Hardswish",
    "LeakyRelu": "LeakyReLU",
    "Mish": "Mish",
    "PreluKernel": "PReLU",
    "RreluWithNoise": "RReLU",
    "Silu": "SiLU",
    "Softplus": "Softplus",
}
#: Rectifiers if their lower bound, under this name, is 0.
_BOUNDED = {"Clamp": "min", "ClampMin": "min", "Hardtanh": "min_val", "Threshold": "threshold"}
_OTHERWISE = "take the plain gradient, or another method for this network"
_COMPILED = "DifferentiableGraph"  # what TorchScript makes of several operations

_Gradients = tuple[Tensor | None, ...]


@dataclass
class Ruled:
    """A value to differentiate, with a rule for the rectifiers on the way back from it; the `of` of `Network.gradients`.

    Attributes
    ----------
    of : Scalar
        The value.
    rule : str
        saliency: g 1[x > 0], the plain gradient; deconvnet: g 1[g > 0]; guided: g 1[g > 0] 1[x > 0], for g the gradient
        that arrives and x the rectifier's argument. 1[x > 0] is 1[0 < x < 6] in ReLU6.
    smooth_as_relu : bool
        Whether the rule holds at SiLU, GELU, leaky ReLU and the like too, as if they were ReLU on the way back; they are
        refused otherwise, since the rules say nothing of them. The plain gradient takes them as they are.
    replaced : dict of str to int
        Rectifiers of a pass that the rule was set on, by kind; known after it.

    References
    ----------
    Springenberg et al. 2015, Striving for Simplicity, section 3.4 and figure 1.
    """

    of: Scalar
    rule: Rule
    smooth_as_relu: bool = False
    replaced: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rule not in get_args(Rule):
            raise InputError(f"the rule of rectifiers is {self.rule!r}; give one of {', '.join(get_args(Rule))}")

    def __call__(self, scores: Any, taps: Mapping[str, Tensor], /, *more: Any) -> Tensor:
        """Return the values, from which gradients go back by the rule.

        Raises
        ------
        InputError
            If there is no rectifier on the way back, or what stands in for one, or what hides them.
        """
        value = self.of(scores, taps, *more)
        if self.rule == "saliency":
            return value
        nodes = rectifiers_behind(value, smooth_as_relu=self.smooth_as_relu)
        self.replaced = dict(Counter(_kind(node) for node in nodes))
        if not nodes:
            raise InputError(
                f"{self.rule} replaced 0 rectifiers: there is none between the score and what it is differentiated by, or "
                "the network spells them out as other operations, and the map would be the plain gradient; ask for that "
                "by its name"
            )
        for node in nodes:
            node.register_hook(_hook(self.rule, _passed(node) if _kind(node) in STAND_INS else None))
        return value


def revive(value: Tensor) -> Tensor:
    """Let a gradient pass the rectifiers on the way back from a value where none would: images that no unit answers to.

    A rectifier that stops all of an image's gradient hands on what would raise its argument instead. Other gradients stay as
    they are.

    References
    ----------
    Olah et al. 2017, Feature Visualization; lucid takes the first steps with such gradients.
    """
    for node in _graph(value):
        if _rectifies(node):
            node.register_hook(_passed_on)
    return value


def _passed_on(inputs: _Gradients, outputs: _Gradients) -> _Gradients:
    (arrived,) = (gradient for gradient in outputs if gradient is not None)

    def revived(passed: Tensor) -> Tensor:
        # rows are images; a gradient of another shape belongs to a constant
        if passed.shape != arrived.shape:
            return passed
        stopped = ~passed.flatten(1).any(dim=1).view(-1, *[1] * (passed.ndim - 1))
        return torch.where(stopped, arrived.clamp(min=0), passed)

    return tuple(None if gradient is None else revived(gradient) for gradient in inputs)


def rectifiers_behind(value: Tensor, *, smooth_as_relu: bool = False, otherwise: str = _OTHERWISE) -> list[Node]:
    """Return the nodes of the rectifiers on the way back from a value.

    Parameters
    ----------
    value : Tensor
        What is differentiated.
    smooth_as_relu : bool
        Whether what stands in for a rectifier, such as SiLU, counts as one.
    otherwise : str
        What to do where it does not, for the message.

    Raises
    ------
    InputError
        If a stand-in is met and does not count, or an operation that autograd cannot look into.
    """
    nodes = list(_graph(value))
    hidden = next((node for node in nodes if isinstance(node, BackwardCFunction) or _COMPILED in node.name()), None)
    if hidden is not None:
        raise InputError(
            f"the network has an operation of its own on the way back, {hidden.name()}, and whether it rectifies cannot be "
            "told; give the network without compiled parts, checkpointing and autograd functions of its own"
        )
    smooth = Counter(STAND_INS[_kind(node)] for node in nodes if _kind(node) in STAND_INS)
    if smooth and not smooth_as_relu:
        named = ", ".join(f"{count} {name}" for name, count in sorted(smooth.items()))
        raise InputError(f"the way back meets {named}, and its rule is defined for ReLU alone; {otherwise}")
    return [node for node in nodes if _kind(node) in STAND_INS or _rectifies(node)]


def convolutions_behind(value: Tensor) -> int:
    """Return how many convolutions there are on the way back from a value, compiled ones too."""
    return sum(_kind(node) == "Convolution" for node in _graph(value))


def is_rectified(node: Node, readers: Mapping[Node, list[Node]]) -> bool:
    """Tell whether all that reads what a node computed is a rectifier, or the maximum of windows that a rectifier reads.

    Parameters
    ----------
    node : Node
        The node.
    readers : mapping of Node to list of Node
        From `readers_behind`, of a value that depends on it.
    """
    found = readers.get(node, [])
    return bool(found) and all(
        _rectifies(reader) or ("MaxPool" in reader.name() and is_rectified(reader, readers)) for reader in found
    )


def readers_behind(value: Tensor) -> dict[Node, list[Node]]:
    """Return which nodes read what each node computed, of all on the way back from a value."""
    found: dict[Node, list[Node]] = {}
    for node in _graph(value):
        for before, _ in node.next_functions:
            if before is not None:
                found.setdefault(before, []).append(node)
    return found


def _graph(value: Tensor) -> Iterator[Node]:
    """Yield every node that the gradient of a value passes, each once."""
    left = [value.grad_fn] if value.grad_fn is not None else []
    seen = set(left)
    while left:
        node = left.pop()
        yield node
        new = {before for before, _ in node.next_functions if before is not None} - seen
        seen |= new
        left += new


def _kind(node: Node) -> str:
    """Return the operation of a node: Relu of ReluBackward0."""
    return node.name().rpartition("Backward")[0]


def _rectifies(node: Node) -> bool:
    kind = _kind(node)
    if kind in ("Maximum", "Fmax"):
        constants = [number for number, (before, _) in enumerate(node.next_functions) if before is None]
        saved = (node._saved_self, node._saved_other)  # type: ignore[attr-defined]  # of the node's own class
        return any(_is_zero(saved[number]) for number in constants)
    return kind == "Relu" or (kind in _BOUNDED and _is_zero(getattr(node, f"_saved_{_BOUNDED[kind]}")))


def _is_zero(bound: Any) -> bool:
    return not bool(bound.any()) if isinstance(bound, Tensor) else bound is not None and bound == 0


@torch.no_grad()
def _passed(node: Node) -> Tensor:
    """Return where the argument of a stand-in is positive; one that works in place may have kept its result, of its sign."""
    kept = node._saved_self if hasattr(node, "_saved_self") else node._saved_result  # type: ignore[attr-defined]
    return kept > 0


def _hook(rule: Rule, passed: Tensor | None) -> Callable[[_Gradients, _Gradients], _Gradients]:
    """Return what puts the gradient of a rule in place of that of a node; of a stand-in, with where it would let through."""

    def replace(inputs: _Gradients, outputs: _Gradients) -> _Gradients:
        (arrived,) = (gradient for gradient in outputs if gradient is not None)
        if rule == "deconvnet":
            found = arrived.clamp(min=0)
            return tuple(None if gradient is None else found for gradient in inputs)
        if passed is not None:
            return (arrived.clamp(min=0) * passed, *(None for _ in inputs[1:]))
        return tuple(None if gradient is None else gradient.clamp(min=0) for gradient in inputs)

    return replace


__all__ = [
    "STAND_INS",
    "Rule",
    "Ruled",
    "convolutions_behind",
    "is_rectified",
    "readers_behind",
    "rectifiers_behind",
    "revive",
]
