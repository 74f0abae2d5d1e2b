"""Parts localised from a few annotated images."""
