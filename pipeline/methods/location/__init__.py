"""Location instability."""
