"""What can be done about a problem: fixes, and how a person names them."""

from collections.abc import Sequence
from dataclasses import dataclass

from filterscope.pipeline.engine.errors import InputError, did_you_mean

COLLECT, RELABEL, PASTE, DROP, REWEIGHT, LAST = "collect", "relabel", "paste", "drop", "reweight", "last"

#: Fixes, what each does with a number of images or units, and what its control does with as many.
ABOUT = {
    COLLECT: ("{} images of the pool are labelled and learned", "as many images drawn at random"),
    RELABEL: ("the labels of {} suspicious training images are checked", "those of as many images drawn at random"),
    PASTE: (
        "in {} training images the other attribute is pasted from an image without it",
        "from an image that agrees",
    ),
    DROP: ("{} units that pull the score to the wrong side are set to 0", "as many units drawn at random"),
    REWEIGHT: ("the training images are learned again, all groups weighted equally", "all images weighted equally"),
    LAST: (
        "the last layer alone learns {} images of the pool, as many of each group",
        "as many images drawn at random",
    ),
}
KINDS = tuple(ABOUT)
#: Fixes that take no number, and most of what others take.
_WITHOUT, _MOST = (REWEIGHT,), 1_000_000
#: Fixes that need a person's labels.
_LABELLED = (COLLECT, RELABEL, LAST)


@dataclass(frozen=True)
class Fix:
    """A fix, such as collect:50.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    count : int
        Images or units; 0 for a fix that takes no number.
    """

    kind: str
    count: int = 0

    @property
    def text(self) -> str:
        """As a person writes it."""
        return self.kind if self.kind in _WITHOUT else f"{self.kind}:{self.count}"

    @property
    def what(self) -> str:
        """What it does, beside its control."""
        does, control = ABOUT[self.kind]
        return f"{does.format(self.count)}; control: {control}"

    @property
    def cost(self) -> int:
        """Images that a person labels for it."""
        return self.count if self.kind in _LABELLED else 0


def fix_of(text: str) -> Fix:
    """Read a fix.

    Raises
    ------
    InputError
        With what was received and what there is.
    """
    kind, colon, number = text.strip().partition(":")
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS) or f" Fixes are: {', '.join(_shape(one) for one in KINDS)}."
        raise InputError(f"--fix {text}: no such fix.{hint}")
    if kind in _WITHOUT:
        if colon:
            raise InputError(f"--fix {text}: {kind} takes no number")
        return Fix(kind)
    if not (number.isascii() and number.isdecimal() and len(number) < 10 and 1 <= int(number) <= _MOST):
        raise InputError(f"--fix {text}: a whole number from 1 to {_MOST:,} after the colon, as in {kind}:50")
    return Fix(kind, int(number))


def fixes_of(texts: Sequence[str]) -> list[Fix]:
    """Read fixes, also several with commas between them; each once, in order. Raises InputError likewise, or for none."""
    found = [fix_of(part) for text in texts for part in text.split(",") if part.strip()]
    if not found:
        raise InputError(f"name what to do with --fix: {', '.join(map(_shape, KINDS))}; it may be repeated")
    return list(dict.fromkeys(found))


def _shape(kind: str) -> str:
    return kind if kind in _WITHOUT else f"{kind}:N"


__all__ = ["ABOUT", "COLLECT", "DROP", "KINDS", "LAST", "PASTE", "RELABEL", "REWEIGHT", "Fix", "fix_of", "fixes_of"]
