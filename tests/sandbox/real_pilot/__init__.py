"""The real EWMS pilot, unpatched, as an image for the pool's jobs, and a message broker for its events."""
