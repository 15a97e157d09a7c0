"""The three workers as one service: the entry point, supervisord and its guard, the health check."""
