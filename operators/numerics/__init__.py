"""Numbers: seeds, float16, mixtures, axes, bases."""
