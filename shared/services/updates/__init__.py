"""Published updates: lists, the best for a class, signatures, recall and deletion.

How an update comes in is in `imports`.
"""
