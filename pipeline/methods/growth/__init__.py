"""Detectors against the number of images."""
