"""What the processes without torch do: claim runs, keep a warm runner and watch it, report to the store, take turns."""
