"""Carrying out audits: audit, status, doctor."""
