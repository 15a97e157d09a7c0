"""`--report`: the taskforces of a day on one page."""
