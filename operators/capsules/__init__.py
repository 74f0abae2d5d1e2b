"""Capsules: what their routing selects."""
