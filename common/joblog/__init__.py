"""The content of a job event log: its events, the clusters' owners, dates and texts; bytes, not files."""
