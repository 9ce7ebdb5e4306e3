"""HTTP over `domain`: routes, the event stream and the dashboard; never loads torch."""
