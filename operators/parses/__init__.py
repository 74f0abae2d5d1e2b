"""Parses of a box by an And-Or grammar over a grid of cells."""
