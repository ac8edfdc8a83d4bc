"""The fire drill: a simulated outside world and its scenarios."""
