"""Everything deliverd can touch: one file per platform."""
