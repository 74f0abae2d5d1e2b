"""Logic rules over what a network says and what images show (Hu et al. 2016)."""
