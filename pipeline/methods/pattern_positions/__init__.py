"""Patterns on the crops held out from an explanatory graph."""
