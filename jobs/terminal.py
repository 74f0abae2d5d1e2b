"""What is printed. Names come from data sets and files: they are shown, and never obeyed by a terminal or a spreadsheet."""

import re
import sys

#: Control characters but tab and line feed, and those that turn the direction of text: a terminal acts on them.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    r"""Return a text in which control characters, and what is not Unicode, are written out: ESC as ``\x1b``."""
    return _CONTROL.sub(lambda found: ascii(found.group())[1:-1], text)


def say(text: str) -> None:
    """Print a line to standard error, which is not buffered by lines like standard output."""
    sys.stderr.write(f"{plain(text)}\n")


def show(text: str) -> None:
    """Print a line to standard output."""
    sys.stdout.write(f"{plain(text)}\n")


def answer(text: str) -> None:
    """Print what a program may read to standard output: on a terminal plain, elsewhere as it is."""
    sys.stdout.write(plain(text) if sys.stdout.isatty() else text)


__all__ = ["answer", "plain", "say", "show"]
