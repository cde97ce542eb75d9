"""Building of the web console from its sources, and waiting for it."""
