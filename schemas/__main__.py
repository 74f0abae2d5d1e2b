"""Prints the reference of all tables as Markdown: ``python -m filterscope.schemas > docs/tables.md``."""

import sys

from filterscope.schemas.reference import markdown

if __name__ == "__main__":
    sys.stdout.write(markdown())
