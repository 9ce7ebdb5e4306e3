"""The only queries: module functions whose first argument is an open connection from `domain.database`."""
