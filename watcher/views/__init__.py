"""What a person asks of logs and files; the service itself uses none of it."""
