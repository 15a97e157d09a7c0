"""Answers to a person's questions about logs and files; the service itself uses none of them."""
