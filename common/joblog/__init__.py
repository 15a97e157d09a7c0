"""What stands in a job event log: its events, whose clusters are, dates and texts; from bytes, not files."""
