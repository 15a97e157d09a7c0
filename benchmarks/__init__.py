"""How fast, how large: ratios measured side by side in one run."""
