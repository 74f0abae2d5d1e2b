"""Filters that each stand for one part of an object: templates, masks and the mutual-information loss."""
