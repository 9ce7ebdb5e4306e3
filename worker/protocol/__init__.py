"""Where the supervising process and the runner meet: orders one way, spool and checkpoints the other; no torch."""
