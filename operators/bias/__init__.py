"""Biased representations: which outputs of a network are tied together that have nothing to do with each other."""
