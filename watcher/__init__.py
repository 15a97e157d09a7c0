"""Reads the job event logs and relays taskforce-level statuses to the WMS."""
