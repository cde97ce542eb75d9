"""What an operator does with keys: the ceremony, a rotation, a revocation.

Pure changes of the keyring (`changes`), root keys in a folder (`roots`), signing keys in a folder
or a vault (`signing_keys`), the keyring in the storage of a service (`service`), and what ties them
together (`site`).
"""


class KeysError(Exception):
    """Something about keys cannot be done; the message says what and why."""
