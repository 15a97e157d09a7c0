"""Coverage-guided fuzzing: inputs that nobody thought of."""
