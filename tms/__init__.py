"""The one entry: the service as a whole, each of its workers by hand, and a look at what runs."""
