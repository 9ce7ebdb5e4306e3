"""The worker: claims runs, trains them in a process of their own, reports, saves, stops and resumes."""
