"""``python -m filterscope`` is the command `filterscope`."""

from filterscope.jobs.cli.main import main

main()
