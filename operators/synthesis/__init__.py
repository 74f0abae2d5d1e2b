"""Synthesis with a learned prior: the chain that moves codes towards what a unit answers to and what is natural."""
