"""The arrows: see, remember, judge, act, tell. One file an arrow; no loops, no schedule."""
