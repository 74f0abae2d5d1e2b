"""Labels at other quantiles of activation."""
