"""Tests of what trains: the loop, its state, resuming, failures, sizes."""
