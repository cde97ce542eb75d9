"""The deployment package: what runs in the cloud and nothing else.

The same sources give the same bytes.
"""
