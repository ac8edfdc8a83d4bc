"""Pure functions: deciding, planning, alerting. No I/O, no clock, no randomness."""
