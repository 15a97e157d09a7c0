"""Removes the clusters of taskforces that the WMS wants stopped."""
