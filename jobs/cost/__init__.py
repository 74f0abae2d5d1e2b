"""What an audit would cost."""
