"""The one error the hub answers with.

`code` is the name IoT Hub puts into the `iothub-errorcode` header and into the message of the body;
the status is that of the HTTP answer and of the MQTT twin response.
"""

from __future__ import annotations


class HubError(Exception):
    """An operation the hub refuses."""

    def __init__(
        self, status: int, code: str, message: str, *, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        """Whole seconds after which the same call may succeed."""


def invalid(message: str) -> HubError:
    """400: the request itself is wrong."""
    return HubError(400, "ArgumentInvalid", message)


def unauthorized(message: str) -> HubError:
    """401: no valid token, or one that lacks the needed right."""
    return HubError(401, "IotHubUnauthorizedAccess", message)


def device_not_found(device_id: str) -> HubError:
    """404: no such device identity."""
    return HubError(404, "DeviceNotFound", f"Device {device_id!r} is not registered.")


def not_found(device_id: str, module_id: str) -> HubError:
    """404: no such device identity or, with a module id, no such module identity."""
    if not module_id:
        return device_not_found(device_id)
    return HubError(
        404, "ModuleNotFound", f"Module {module_id!r} of device {device_id!r} not found."
    )


def precondition_failed(etag: str) -> HubError:
    """412: the document has changed since its ETag was read."""
    return HubError(412, "PreconditionFailed", f"The document no longer has the ETag {etag!r}.")


def throttled(meter: str, retry_after: int) -> HubError:
    """429: the rate of the hub's size is used up."""
    return HubError(
        429,
        "ThrottlingException",
        f"The hub's rate of {meter} is used up.",
        retry_after=retry_after,
    )
