"""What an inversion keeps of an image, and what it is compared with."""
