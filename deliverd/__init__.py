"""deliverd: keeps sending domains out of the spam folder."""
