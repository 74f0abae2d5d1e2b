"""Faults of workers, drivers, nodes and disks, injected into real runs."""
