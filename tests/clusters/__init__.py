"""A real head node with the dashboard, and the files that deploy one."""
