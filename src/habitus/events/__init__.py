"""EventLog: a table on any engine, and which of its columns is the user, the time, the channel.

Time. An instant with a zone is that instant; one without is taken as UTC; text is read as ISO 8601;
a number is seconds since 1970. Days and hours are then counted on the wall clock of ``timezone``,
or of each event's own offset where ``offset`` names a column of minutes east of UTC. On the day
that clocks go forward the skipped hour is therefore empty, and on the day that they go back the
repeated hour holds the events of both: a profile shows what clocks on the wall showed.
"""

from habitus.events.clock import EPOCH, SECONDS_PER_DAY, Column, zone
from habitus.events.log import EventLog
from habitus.events.sources import MEMORY_LIMIT, engine_errors, read_source

__all__ = [
    "EPOCH",
    "MEMORY_LIMIT",
    "SECONDS_PER_DAY",
    "Column",
    "EventLog",
    "engine_errors",
    "read_source",
    "zone",
]
