"""Carries out stages: keys, runner, schedule, ledger, journal. Knows no method and no science."""
