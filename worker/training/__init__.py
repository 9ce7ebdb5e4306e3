"""What the runner does, with torch and without a database: one attempt at a run after another, trained and spooled."""
