"""The life of files: which are there, who needs them, when they go."""
