"""A notification is delivered at least once, always under the same id, wherever its deliverer dies."""

from tests.support import webhook_receiver
from tests.support.crash import traps
from tests.support.webhook_receiver import SECRET
from tests.support.worlds.image_jobs import ImageJobsWorld
from tests.support.worlds.world import MINUTE

LEASE, POST, MARK = "UPDATE notifications", "webhook", "UPDATE notifications"
AGAIN = "UPDATE notifications"  # the lease that finds nothing left


def test_delivering(image_jobs_world: ImageJobsWorld) -> None:
    world = image_jobs_world
    with webhook_receiver.listening() as receiver:
        world.functions.environment |= {"WEBHOOK_URL": receiver.url, "WEBHOOK_SECRETS": SECRET}
        effects = [LEASE, POST, MARK, AGAIN]
        for number, trap in enumerate([None, *traps(effects)]):
            world.rows.execute(
                "INSERT INTO notifications (id, type, data) VALUES (md5(%s::text)::uuid, 'image_job.failed', '{}')",
                (number,),
            )
            before = len(receiver.requests)
            run = world.functions.invoke("OperationsDeliverNotificationsFunction", {}, trap)
            if trap is None:
                assert run.effects == effects
            world.pass_time(6 * MINUTE)
            assert world.functions.invoke("OperationsDeliverNotificationsFunction", {}).error is None, trap
            delivered = receiver.ids()[before:]
            assert len(set(delivered)) == 1, trap
            answer_was_lost = trap is not None and trap.point in ((3, 4) if trap.mode == "die" else (3,))
            assert len(delivered) == (2 if answer_was_lost else 1), trap
        assert world.rows.execute("SELECT count(*) FROM notifications WHERE delivered_at IS NULL").fetchone() == {
            "count": 0
        }
