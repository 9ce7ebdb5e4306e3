"""Exit statuses of a runner that mean something to its supervisor, beside 0 and what signals leave."""

PREEMPTED = 75
"""After a checkpoint on somebody's TERM (EX_TEMPFAIL: try again)."""
FENCED = 76
"""No heartbeat got through for too long."""
STORAGE = 74
"""The disk is full: not even the spool could be written (EX_IOERR)."""
