"""Labels against permuted annotations and on held-out images."""
