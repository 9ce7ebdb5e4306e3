"""The history of the tables, as Alembic revisions; `python -m migrations` brings a database to the newest."""
