"""Draws the pictures of the methods: ``python -m tests.docs.pictures [NAME ...]``."""

import sys

from tests.docs.pictures.drawn import FOLDER, drawn, names


def main(asked: list[str]) -> None:
    """Draw the pictures of these names, or all."""
    for name in asked or names():
        path = FOLDER / f"{name}.svg"
        path.write_text(drawn(name), encoding="utf-8")
        sys.stdout.write(f"{path.name}: {path.stat().st_size / 1000:.1f} KB\n")


if __name__ == "__main__":
    main(sys.argv[1:])
