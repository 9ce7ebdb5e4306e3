"""Tests of what datasets are loaded with."""
