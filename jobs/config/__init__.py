"""What an audit is asked to do: options and models."""
