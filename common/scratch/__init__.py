"""The scratch directory: its names, its private files, who may write there."""
