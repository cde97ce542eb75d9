"""A stand-in for Azure Event Grid on one machine: topics, webhook subscriptions, dead letters."""
