"""Tests of what the supervising process and the runner agree on."""
