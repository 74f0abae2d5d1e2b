"""The methods of the survey, each a value in a module of its own; `registry` lists them."""
