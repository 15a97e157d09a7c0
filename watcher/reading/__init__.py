"""From bytes to events: follow a log, cut it into blocks, and read many events fast."""
