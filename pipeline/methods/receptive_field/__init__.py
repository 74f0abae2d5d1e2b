"""Empirical receptive fields by occlusion."""
