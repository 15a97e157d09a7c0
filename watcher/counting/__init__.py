"""From events to counts: the state of each job, and how many jobs are in which state."""
