"""Tests of what supervises: whole attempts with real processes, diagnoses, and whose turn it is."""
