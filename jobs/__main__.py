"""``python -m jobs`` is the command `filterscope`."""

from jobs.cli import main

main()
