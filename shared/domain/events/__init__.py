"""The events that customers are told: what each holds, and its JSON schema.

What an event looks like on its way is decided in the adapters.
"""
