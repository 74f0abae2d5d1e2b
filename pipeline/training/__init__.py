"""Training: recipes whose epochs are pieces of work of a run, and the networks that they leave."""
