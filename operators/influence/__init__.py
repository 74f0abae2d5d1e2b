"""Influence of training views on what a linear head says of test views (Koh & Liang 2017)."""
