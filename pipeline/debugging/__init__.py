"""The loop of a network that was trained here: find what is wrong with it, explain it, fix it, and measure what that did."""
