"""Permutation, replication, significance and bootstrap."""
