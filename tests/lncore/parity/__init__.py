"""Equality with other libraries, as they are installed, and with published numbers for the rest."""
