"""What an operator does with keys: the ceremony, a rotation, a revocation."""
