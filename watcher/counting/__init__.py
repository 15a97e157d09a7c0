"""From events to counts: what an event says of a job, and how many jobs are where."""
