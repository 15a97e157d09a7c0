"""From bytes to events: what an event is, and reading many of them fast."""
