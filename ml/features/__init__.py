"""Features: one definition, computed online from bounded histories and offline from a table."""
