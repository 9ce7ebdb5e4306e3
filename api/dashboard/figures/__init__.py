"""Figures, built here as plain Plotly JSON in the light theme; pages, reports and notebooks draw them."""

from api.dashboard.figures.drawn import FIGURES

__all__ = ["FIGURES"]
