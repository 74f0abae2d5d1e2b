"""Options of gradients."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, StrictStr

from filterscope.pipeline.run.options import Options, option

PREDICTED, TRUE = "predicted", "true"


def _text(value: object) -> object:
    """Accept a whole number, as TOML has it."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _target(value: str) -> str:
    if value in (PREDICTED, TRUE):
        return value
    if not (value.isascii() and value.isdecimal()):
        raise ValueError("predicted, true or the index of a class, such as 207")
    return str(int(value))


class GradientsOptions(Options):
    """Whose gradient is taken."""

    method: ClassVar[str] = "gradients"

    target: Annotated[StrictStr, BeforeValidator(_text), AfterValidator(_target)] = option(
        PREDICTED, "class whose score is differentiated: predicted, the one of highest score; true; or an index"
    )

    @property
    def index(self) -> int | None:
        """The class, where it is the same for all views."""
        return None if self.target in (PREDICTED, TRUE) else int(self.target)


__all__ = ["PREDICTED", "TRUE", "GradientsOptions"]
