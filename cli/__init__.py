"""The `normlab` command: starts the stack, submits, watches, compares; it talks HTTP to the API."""
