"""Networks: how they are named, opened, tapped and identified."""
