"""Timer triggers: what is looked at again and again."""

import logging

import azure.functions as func

from functions.work import work
from shared.container import container

bp = func.Blueprint()
log = logging.getLogger(__name__)


@bp.timer_trigger(arg_name="timer", schedule="10 * * * * *", use_monitor=False)
async def recount(timer: func.TimerRequest) -> None:
    """Recount one bucket of devices, another each minute."""
    with work(container().telemetry, {"function": "recount"}, "internal"):
        await container().devices.recount.next()


@bp.timer_trigger(arg_name="timer", schedule="30 * * * * *", use_monitor=False)
async def sweep(timer: func.TimerRequest) -> None:
    """Set going again what was lost on the way."""
    with work(container().telemetry, {"function": "sweep"}, "internal"):
        app = container()
        await app.maintenance.sweep.run()
        await app.devices.class_admission.sweep()
        await app.devices.log_collections.sweep()
        await app.announcements.sweep()
        await app.maintenance.queue_metrics.tell()


@bp.timer_trigger(arg_name="timer", schedule="45 25 * * * *", use_monitor=False)
async def sweep_updates(timer: func.TimerRequest) -> None:
    """Look for what only all updates together tell: content without one, best ones of classes."""
    await container().maintenance.sweep.run_through()


@bp.timer_trigger(arg_name="timer", schedule="15 */5 * * * *", use_monitor=False)
async def check_scanners(timer: func.TimerRequest) -> None:
    """Begin a re-scan where the scanners know more than at the last one."""
    with work(container().telemetry, {"function": "check_scanners"}, "internal"):
        await container().scanning.rescan.check()


@bp.timer_trigger(arg_name="timer", schedule="40 */10 * * * *", use_monitor=False)
async def keep_audit_log(timer: func.TimerRequest) -> None:
    """Finish entries that a crash has left open, and anchor the days that are over."""
    with work(container().telemetry, {"function": "keep_audit_log"}, "internal"):
        app = container()
        await app.keyring_watch.look()
        for instance in app.settings.instances:
            await app.audit.sweep(instance)
            await app.audit_proof.anchor(instance)


@bp.timer_trigger(arg_name="timer", schedule="50 5 * * * *", use_monitor=False)
async def keep_history(timer: func.TimerRequest) -> None:
    """Write down how compliance stands: the last of a day is what its history shows."""
    with work(container().telemetry, {"function": "keep_history"}, "internal"):
        app = container()
        for instance in app.settings.instances:
            await app.overviews.trends.record_day(instance)


@bp.timer_trigger(arg_name="timer", schedule="0 20 3 * * *", use_monitor=False)
async def apply_retention(timer: func.TimerRequest) -> None:
    """Drop what has been kept for long enough."""
    with work(container().telemetry, {"function": "apply_retention"}, "internal"):
        app = container()
        for instance in app.settings.instances:
            await app.maintenance.retention.run(instance)
