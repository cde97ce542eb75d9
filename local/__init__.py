"""What makes the service run on one machine; nothing that is deployed imports it."""
