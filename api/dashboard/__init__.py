"""The dashboard: server-rendered pages at `/`, their figures, templates and static files."""
