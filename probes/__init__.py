"""Everything deliverd can see: one file per source, read-only, knowing nothing of deliverd."""
