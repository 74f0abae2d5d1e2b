"""Patterns of a filter's peaks."""
