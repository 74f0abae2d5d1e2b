"""Masks, anchoring, tallies and scores of network dissection."""
