"""Trigger that tells customers' systems what has happened."""

import azure.functions as func

from shared.container import container
from shared.topology import STATE_CONNECTION

bp = func.Blueprint()


@bp.queue_trigger(arg_name="message", queue_name="announce", connection=STATE_CONNECTION)
async def announce(message: func.QueueMessage) -> None:
    """Publish events that are written down."""
    await container().announcements.run(message.get_json())
