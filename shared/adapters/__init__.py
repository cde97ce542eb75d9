"""One module a real thing: tables, blobs, queues, hub, Event Grid, fetcher, scanners, keys.

Vendor SDKs are imported here alone, and when first used: they are the cold start. Adapters
implement `shared/ports` and decide nothing.
"""
