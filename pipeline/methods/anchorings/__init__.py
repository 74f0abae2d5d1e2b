"""Labels under the other anchoring."""
