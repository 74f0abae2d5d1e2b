"""Readers of annotated image data sets, and the one layout they all write."""
