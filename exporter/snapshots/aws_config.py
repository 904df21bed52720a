"""Reads what stands in one account and region from AWS Config: as it was last recorded, without asking EC2.

What is not told, compared with EC2 (docs/aws-config.md): ids of rules, further VPCs of a group, prefix lists of AWS and of other
accounts, and what stands behind load balancers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from exporter.aws import Caller
from exporter.aws.operations import DESCRIBE_RECORDER_STATUS, DESCRIBE_RECORDERS, SELECT_CONFIG
from exporter.errors import SourceError
from exporter.posture.recording import Recording, recording_of
from exporter.posture.settings import PostureSettings
from exporter.posture.standing import Reading
from exporter.snapshots.asking import Asker, Stopping
from exporter.snapshots.base import ReadContext
from exporter.snapshots.config_parts import Trust, reading_of
from exporter.snapshots.config_shapes import SECURITY_GROUP
from exporter.snapshots.ec2 import Lights, no_lights
from exporter.snapshots.ec2_groups import named_lists
from exporter.snapshots.found import ask, nothing
from exporter.snapshots.queries import Query
from exporter.text import visible


def lit(reading: Reading, caller: Caller, lights: Lights, context: ReadContext) -> Reading:
    """Return a reading with the lights of its account and region. Raises Stopping where all is to end and something failed for that."""
    trails, recorder, failures = lights(caller, context)
    if context.stopping() and (failures or reading.failures):
        raise Stopping
    return replace(reading, ended_at=context.now(), trails=trails, recorder=recorder, failures=(*reading.failures, *failures))


def recording(asker: Asker) -> Recording:
    """Return what the recorder of the caller's account and region does. Raises SourceError."""
    recorders = asker.call(DESCRIBE_RECORDERS).get("ConfigurationRecorders")
    return recording_of(recorders, asker.call(DESCRIBE_RECORDER_STATUS).get("ConfigurationRecordersStatus"))


class ConfigReader:
    """Reads one account and region; see exporter.snapshots.base.Reader. `lights` reads the parts that are not AWS Config's.

    `asker` makes what asks, for one reading.
    """

    def __init__(
        self,
        caller: Caller,
        settings: PostureSettings,
        *,
        lights: Lights = no_lights,
        asker: Callable[[Caller, ReadContext], Asker] = Asker,
    ) -> None:
        self.name, self.account_id, self.region = settings.name, caller.account_id, caller.region
        self._balancers, self._caller, self._lights, self._asker = settings.load_balancers, caller, lights, asker
        self._unknown_lists: frozenset[str] = frozenset()

    def read(self, context: ReadContext) -> Iterator[Reading]:
        """Yield one reading; none where all is to end. Raises SourceError where the recorder cannot be asked."""
        try:
            yield lit(self.rules(context), self._caller, self._lights, context)
        except Stopping:
            return

    def rules(self, context: ReadContext, *, continuous: bool = False) -> Reading:
        """Return a reading without lights. Raises Stopping, and SourceError where the recorder cannot be asked, or keeps no time.

        `continuous` asks that groups be recorded as they change: once a day is not enough then.
        """
        started_at = context.now()
        asker = self._asker(self._caller, context)
        recorded = recording(asker)
        if continuous and recorded.on and not recorded.continuous(SECURITY_GROUP):
            raise SourceError(
                "unavailable",
                f"{SELECT_CONFIG.action} in account {self.account_id} {self.region} would show a picture of yesterday: the recorder "
                f"{visible(recorded.name, 100)} of AWS Config records {SECURITY_GROUP} once a day; let it record continuously, or set "
                "posture.source to aws_config if that is enough",
            )
        answers = ask(Query(asker, self.account_id), balancers=self._balancers) if recorded.on else nothing()
        trust = Trust((self.account_id, self.region), SELECT_CONFIG.action, recording=recorded)
        reading = reading_of(trust, answers, started_at, context.now())
        self._say_unknown(reading, context)
        return reading

    def _say_unknown(self, reading: Reading, context: ReadContext) -> None:
        if reading.groups is None or reading.prefix_lists is None:
            return
        unknown = named_lists(reading.groups) - {known.list_id for known in reading.prefix_lists}
        for list_id in sorted(unknown - self._unknown_lists):
            context.log.warning(
                "a rule names a prefix list that AWS Config does not have here: it belongs to AWS or to another account, and what it lets "
                "in is not judged; read these rules from EC2 (posture.source), which has all lists",
                prefix_list_id=list_id, account_id=self.account_id, region=self.region,
            )  # fmt: skip
        self._unknown_lists = unknown
