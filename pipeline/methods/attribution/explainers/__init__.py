"""Ways to explain a score: images and classes in, maps out."""
