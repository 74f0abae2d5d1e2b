"""Slow twins: every kernel written again from its formula, one value at a time."""
