"""Colours, outlines and run lengths of images and masks."""
