"""The science: one algorithm per file, arrays in and arrays out."""
