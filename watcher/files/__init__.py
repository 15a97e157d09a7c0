"""The life of files: what is there, who needs it, what becomes of it."""
