"""What every HTTP function shares: authorization, errors, paging."""
