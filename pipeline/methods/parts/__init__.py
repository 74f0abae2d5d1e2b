"""Part interpretability."""
