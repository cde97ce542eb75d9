"""Which of what failed for good a caller may see: queues are shared by all instances."""

from functions.call import Call
from shared.domain.access import Action, actions_of
from shared.services.maintenance.poison import PoisonItem, Wanted


def visible_to(call: Call, action: Action | None) -> Wanted:
    """What is about the instance, and what is about none if the role is not for one alone."""
    known = call.app.settings.instances
    is_for_all = len(known) == 1 or action in actions_of(call.principal.roles, "")

    def is_visible(item: PoisonItem) -> bool:
        return item.instance == call.instance or (is_for_all and item.instance not in known)

    return is_visible
