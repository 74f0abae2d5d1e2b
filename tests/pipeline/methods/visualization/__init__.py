"""Pictures made for units."""
