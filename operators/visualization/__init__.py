"""Pictures that units answer to: how they are parametrised, and what they are compared with."""
