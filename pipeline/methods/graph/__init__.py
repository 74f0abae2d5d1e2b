"""Explanatory graphs."""
