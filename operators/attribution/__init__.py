"""How well a map that explains a score points at regions of an image, and the maps that it must beat."""
