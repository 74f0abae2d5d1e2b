"""Audit what the filters of convolutional networks represent."""
