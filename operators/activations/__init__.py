"""Statistics of activations: exact quantiles, histograms, strongest images, peaks."""
