"""REST: who the caller is, and what they may do in which instance."""

from functions.api import Api, Call
from shared.domain.access import actions_of
from shared.http.models import operating as models

api = Api()


@api.operation("GET", "me", None, is_additional=True, is_of_instance=False)
async def get_me(call: Call) -> models.Me:
    """Read who you are and what your roles let you do, instance by instance."""
    caller = call.principal
    found = [
        models.MyInstance(id=instance, actions=sorted(actions_of(caller.roles, instance)))
        for instance in call.app.settings.instances
    ]
    return models.Me(
        object_id=caller.object_id,
        name=caller.name,
        roles=list(caller.roles),
        instances=[item for item in found if item.actions],
    )
