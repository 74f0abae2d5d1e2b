"""Activations of the tapped layers, stored or only counted."""
