"""A month of an access point in minutes: the real workers in simulated time, with every trouble."""
