"""The service behind the triggers: contract, domain, services, adapters."""
