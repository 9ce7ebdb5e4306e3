"""What a job is, how it is recorded, compared and handed over: where the api and the worker meet, knowing neither."""
