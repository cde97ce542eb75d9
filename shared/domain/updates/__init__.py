"""Updates: import manifests, identities, files, and the rules that they obey.

Nothing here knows devices or deployments, and nothing does I/O.
"""
