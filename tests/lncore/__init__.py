"""Tests of the normalization library."""
