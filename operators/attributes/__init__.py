"""What units tell of attributes, which are said of whole images."""
