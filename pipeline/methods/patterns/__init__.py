"""Patterns that the peaks of a filter are clusters of."""
