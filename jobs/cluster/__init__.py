"""Audits on a Ray cluster."""
