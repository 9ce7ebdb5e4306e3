"""Tests of what normalizations do, measured."""
