"""Figures, built here as plain Plotly JSON in the light theme; pages, reports and notebooks draw them."""
