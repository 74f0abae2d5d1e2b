"""What enters a network: images decoded, cropped and fitted to its input, and annotations fitted alike."""
