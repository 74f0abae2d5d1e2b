"""Region attribution: which places of an image a score comes from."""
