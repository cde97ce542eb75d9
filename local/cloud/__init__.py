"""Stand-ins for the cloud services that the app runs on: hub, Event Grid, Functions host, issuer.

Unmodified Azure SDKs talk to them. They are never deployed, know nothing of the product, and import
nothing of it.
"""
