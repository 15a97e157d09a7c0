"""What the three workers share: settings, the WMS client, the schedd, the scratch directory, the loop."""
