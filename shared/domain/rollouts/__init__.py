"""Roll-outs: how a deployment reaches its devices step by step, and what makes it stop."""
