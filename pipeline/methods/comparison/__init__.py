"""Layers of models compared: which concepts stand where."""
