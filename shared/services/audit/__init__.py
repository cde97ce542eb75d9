"""The audit log: writing it, reading it, proving it."""
