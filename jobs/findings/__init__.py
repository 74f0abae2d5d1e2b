"""Answers from the tables of a run: summary, query, find, compare, export."""
