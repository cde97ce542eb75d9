"""A stand-in for Azure Event Grid: topics, webhook subscriptions, retries, dead letters.

Unmodified SDKs publish to it. It knows nothing of the product.
"""
