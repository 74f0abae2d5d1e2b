"""Which attacks a run is asked for, and how keys call them."""

from dataclasses import dataclass

from filterscope.pipeline.methods.vulnerable.options import VulnerableOptions

#: What stands in the place of an attack in the keys of `adversarial_views`.
VIEWS = "views"


@dataclass(frozen=True)
class Attack:
    """An attack of one strength."""

    name: str
    strength: float | None = None

    @property
    def key(self) -> str:
        """How it is called in keys."""
        return self.name if self.strength is None else f"{self.name}-{self.strength:g}"


def asked_attacks(asked: VulnerableOptions) -> list[Attack]:
    """Return the attacks of a run, in the order in which they were named."""
    strengths = {"fgsm": asked.eps, "pgd": asked.eps, "lbfgs": (None,), "one_pixel": asked.pixels}
    return [
        Attack(name, None if strength is None else float(strength))
        for name in asked.attacks
        for strength in strengths[name]
    ]


__all__ = ["VIEWS", "Attack", "asked_attacks"]
