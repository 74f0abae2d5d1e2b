"""The stages of an audit, in the order they run."""
