"""How little of an image must change for a network to change its mind: attacks, and random changes beside them."""
