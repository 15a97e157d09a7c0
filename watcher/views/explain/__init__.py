"""`--explain`: what became of a taskforce, a cluster or a job."""
