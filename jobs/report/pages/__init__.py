"""Pages of a report: overview, layers, units, concepts, graphs."""
