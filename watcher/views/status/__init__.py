"""`--status`: every taskforce in one table."""
