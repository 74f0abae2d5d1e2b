"""Pieces of pages: charts, strips of images, graphs."""
