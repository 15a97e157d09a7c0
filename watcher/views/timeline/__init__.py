"""`--timeline`: how many jobs were in each status over time, as a picture."""
