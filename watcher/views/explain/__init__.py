"""`--explain`: the history of a taskforce, a cluster or a job."""
