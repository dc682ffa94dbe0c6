"""Published models that judge pictures, as roles: opened from files on this machine only."""
