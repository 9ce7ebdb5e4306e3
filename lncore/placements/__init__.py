"""The placements: a file is one way to put norms into a residual network."""
