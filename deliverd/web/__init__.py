"""The web door: mail events in, health and metrics out."""
