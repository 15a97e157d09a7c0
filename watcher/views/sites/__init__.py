"""`--sites`: how jobs fare at each site and machine."""
