"""One run: its plan, its folder, the checks of its files."""
