"""The science: one algorithm a file, arrays in and arrays out."""
