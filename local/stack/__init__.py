"""The supervisor of the local stack: starts its parts, keeps them running and ends them."""
