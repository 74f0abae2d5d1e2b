"""Input that is damaged or means harm, for every reader."""
